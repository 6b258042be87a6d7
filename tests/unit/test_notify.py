"""`notify` of groups.yaml: each address is sent what its groups say, and nothing of any other group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints import groups, notify
from blueprints.notify import DAILY, EVENTS, Notify
from neurocaas.protocol.notice import DIGEST, JOB_ENDED, JOB_FAILED, SERVICE, about
from neurocaas.protocol.problems import InvalidInput

NAMES = ("lab1", "lab10", "lab2")
ANALYSES = ("dti", "pca")
ADDRESSES = ("pi@x.example", "ann@y.example", "https://hooks.example/x")

entries = st.builds(
    Notify,
    to=st.sampled_from(ADDRESSES),
    events=st.lists(st.sampled_from(EVENTS), min_size=1, unique=True).map(tuple),
    analyses=st.lists(st.sampled_from(ANALYSES), unique=True).map(tuple),
    digest=st.sampled_from(("", DAILY)),
)


def passes(policy: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    """As SNS filters by attributes: all keys of a policy, one value of each."""

    def fits(value: Any, text: str | None) -> bool:
        if isinstance(value, dict):
            return text is not None and text.startswith(value["prefix"])
        return bool(text == value)

    return all(any(fits(value, attributes.get(key)) for value in some) for key, some in policy.items())


def wanted(entry: Notify, event: str, analysis: str) -> bool:
    """What the documentation of an entry says."""
    if event == DIGEST:
        return bool(entry.digest) and JOB_ENDED in entry.events
    if entry.analyses and analysis not in entry.analyses:
        return False
    if event == JOB_ENDED:
        return JOB_ENDED in entry.events and not entry.digest
    if event == JOB_FAILED:
        return JOB_FAILED in entry.events or (JOB_ENDED in entry.events and not entry.digest)
    return event in entry.events


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(entries, max_size=4), max_size=3))
def test_an_address_is_sent_what_its_groups_say_and_nothing_else(said: dict[str, list[Notify]]) -> None:
    told = notify.by_address(said)
    for address in ADDRESSES:
        policy = notify.policy(told[address]) if address in told else None
        for group in NAMES:
            mine = [one for one in said.get(group, []) if one.to == address]
            for analysis in ANALYSES:
                for event in (*EVENTS, DIGEST):
                    attributes = about(event, group, "" if event == DIGEST else analysis)
                    sent = policy is not None and passes(policy, attributes)
                    assert sent == any(wanted(one, event, analysis) for one in mine)
        assert policy is None or not passes(policy, about(SERVICE))


def test_an_address_of_two_groups_has_one_policy() -> None:
    told = notify.by_address(
        {"lab1": [Notify(to="pi@x.example")], "lab2": [Notify(to="pi@x.example", events=(JOB_FAILED,))]}
    )
    ((_, parts),) = told.items()
    assert json.loads(json.dumps(notify.policy(parts))) == {
        "about": [
            {"prefix": "lab1/budget/"},
            {"prefix": "lab1/job-ended/"},
            {"prefix": "lab1/job-failed/"},
            {"prefix": "lab1/job-idle/"},
            {"prefix": "lab1/refused/"},
            {"prefix": "lab2/job-failed/"},
        ]
    }


def directory(tmp_path: Path, text: str) -> groups.Directory:
    (tmp_path / "blueprints" / "dti").mkdir(parents=True)
    (tmp_path / "blueprints" / "dti" / "blueprint.yaml").write_text("schema_version: 1\n")
    (tmp_path / "groups.yaml").write_text("schema_version: 1\n" + text)
    return groups.load(tmp_path)


def test_groups_say_who_is_told(tmp_path: Path) -> None:
    found = directory(
        tmp_path,
        "groups:\n  lab1:\n    analyses: {dti: }\n    notify:\n"
        "      - {to: pi@x.example, events: [job-ended, budget], digest: daily}\n"
        "      - to: https://hooks.example/x\n",
    )
    assert found.groups["lab1"].notify == (
        Notify(to="pi@x.example", events=("job-ended", "budget"), digest=DAILY),
        Notify(to="https://hooks.example/x"),
    )
    assert [one.protocol for one in found.groups["lab1"].notify] == ["email", "https"]
    assert notify.digested({name: one.notify for name, one in found.groups.items()}) == ["lab1"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{to: pi@x.example, analyses: [pca]}", "the analyses of the group: dti"),
        ("{to: pi@x.example, events: [budget], digest: daily}", "Add job-ended"),
        ("{to: 'http://plain.example'}", "groups.lab1.notify"),
        ("{to: pi@x.example, events: [service]}", "job-ended"),
    ],
)
def test_what_would_never_be_sent_is_refused(tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        directory(tmp_path, f"groups:\n  lab1:\n    analyses: {{dti: }}\n    notify:\n      - {entry}\n")
    assert any(said in problem.text() for problem in caught.value.problems)


def test_more_addresses_than_a_topic_takes_are_refused(tmp_path: Path) -> None:
    many = "".join(
        f"  lab{number}:\n    analyses: {{dti: }}\n    notify:\n"
        + "".join(f"      - to: a{number}-{one}@x.example\n" for one in range(41))
        for number in range(5)
    )
    with pytest.raises(InvalidInput) as caught:
        directory(tmp_path, f"groups:\n{many}")
    assert [problem.got for problem in caught.value.problems] == ["205 addresses"]
