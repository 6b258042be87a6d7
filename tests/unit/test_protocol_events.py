"""A job's events: told once however often they are told, in order, bounded, harmless to read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol import events
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.events import JobEvent, event, history, in_order, read_history, read_told, tell
from neurocaas.protocol.keys import JobId

JOB = JobId("dti", "lab", "t1")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Bucket(dict[str, str]):
    def put(self, bucket: str, key: str, body: str, *, if_absent: bool = False) -> bool:
        if if_absent and key in self:
            return False
        self[key] = body
        return True


def all_of(bucket: Bucket) -> list[JobEvent]:
    return in_order(read_told(key, body) for key, body in bucket.items())


def test_an_event_that_is_told_again_stays_the_first_one() -> None:
    bucket = Bucket()
    assert tell(bucket, JOB, "waiting", "waits for room", now=NOW, once="1", place=3)
    assert not tell(bucket, JOB, "waiting", "waits", now=NOW + timedelta(minutes=3), once="1", place=2)
    assert tell(bucket, JOB, "waiting", "waits for quota", now=NOW + timedelta(minutes=4), once="2")
    first, second = all_of(bucket)
    assert first == JobEvent("2026-01-31T12:00:00.000Z", "waiting", "waits for room", {"place": 3})
    assert second.text == "waits for quota"
    assert all(key.startswith("jobs/lab/job_t1/events/waiting.") for key in bucket)


def test_without_an_identity_other_words_are_another_event() -> None:
    bucket = Bucket()
    for text, place in (("a", 1), ("a", 1), ("a", 2), ("b", 1)):
        tell(bucket, JOB, "waiting", text, now=NOW, place=place)
    assert len(bucket) == 3


def test_events_of_one_moment_stand_in_the_order_of_a_life() -> None:
    names = [events.ENDED, events.DATASET, "held", events.MACHINE, events.STARTED, events.SUBMITTED]
    moment = NOW + timedelta(milliseconds=1)
    told = [event(JOB, name, "x", moment) for name in names]
    assert [one.event for one in in_order(told)] == [*reversed(names)]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["held", "waiting"]), st.text(max_size=9))))
def test_order_and_number_do_not_depend_on_how_they_come(told: list[tuple[int, str, str]]) -> None:
    made = [event(JOB, name, text, NOW + timedelta(seconds=s), once=f"{s}{text}") for s, name, text in told]
    found = in_order(made)
    assert found == in_order([*reversed(made), *made])
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert read_history(history(found)) == found


@given(st.text(), st.dictionaries(st.sampled_from(["a", "b_1"]), st.text() | st.integers() | st.booleans()))
def test_what_is_told_is_one_line_of_json_whatever_it_says(text: str, facts: dict[str, Any]) -> None:
    line = event(JOB, "said", text, NOW, **facts).event.line()
    assert "\n" not in line
    assert json.loads(line)["event"] == "said"
    assert len(json.loads(line)["text"]) <= events.TEXT_MAX
    assert JobEvent.from_json(line).line() == line


def test_a_history_has_a_limit_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_MAX", 5)
    told = [event(JOB, "waiting", str(n), NOW + timedelta(seconds=n)) for n in range(9)]
    told.append(event(JOB, events.ENDED, "SUCCESS 1/1", NOW + timedelta(hours=1)))
    found = in_order(told)
    assert [one.text for one in found] == ["0", "1", "2", "3", "5 more events are not shown", "SUCCESS 1/1"]


def test_what_cannot_be_read_is_passed_over() -> None:
    good = event(JOB, "held", "x", NOW).event
    assert read_history(b'\xff\n{}\n[1]\n{"time": 1}\n' + history([good]).encode() + b"{") == [good]
    assert read_told("k", b'{"time": "yesterday", "event": "x", "text": ""}') is None
    with pytest.raises(DocumentError):
        JobEvent.from_json("{}")


@pytest.mark.parametrize("name", ["", "Held", "job_ended", "a b", "a--b"])
def test_a_name_is_in_small_letters_and_hyphens(name: str) -> None:
    with pytest.raises(ValueError, match="allowed: names like"):
        tell(Bucket(), JOB, name, "x", now=NOW)


def test_a_fact_cannot_take_the_place_of_the_time() -> None:
    with pytest.raises(ValueError, match="allowed"):
        event(JOB, "held", "x", NOW, time="never")


def test_a_time_of_ec2_is_some_time_of_its_second() -> None:
    machine = event(JOB, events.MACHINE, "i-1 has started", NOW, "0:1")
    submitted = event(JOB, events.SUBMITTED, "submitted", NOW + timedelta(milliseconds=400), "1")
    later = event(JOB, "stopped", "stopped", NOW + timedelta(seconds=1), "1")
    assert in_order([later, machine, submitted]) == [submitted.event, machine.event, later.event]
