"""The journal of the local cloud: records go into the states' files once and in their order, whatever a kill
left half done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws import journal
from localcloud.aws.journal import GENERATION, Journal, Record


class Home:
    def __init__(self, folder: Path) -> None:
        self.journal, self.states, self.own = folder / "journal", folder / "state", folder / "own.json"
        self.states.mkdir()

    def fold(self) -> None:
        journal.fold(self.journal, {"own": self.own}, self.states)

    def state(self, key: str) -> Any:
        found = json.loads((self.states / f"{key}.json").read_text())
        found.pop(GENERATION, None)
        return found

    def files(self) -> list[str]:
        return sorted(file.name for file in self.journal.iterdir())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def whole(key: str, value: Any) -> Record:
    return Record(key, json.dumps(value))


def test_records_of_every_kind(home: Home) -> None:
    log = Journal(home.journal)
    log.append(
        [
            whole("a", {"items": {"x": 1, "y": 2}, "messages": [{"id": "1"}, {"id": "2", "n": 1}]}),
            whole("own", {"section": {}}),
        ]
    )
    log.append([Record("a", "3", ("items", "z")), Record("a", None, ("items", "x"))])
    log.append(
        [Record("a", '{"id": "2", "n": 2}', ("messages",), "2"), Record("a", None, ("messages",), "1")]
    )
    log.append([Record("a", '{"id": "3"}', ("messages",), "3"), Record("a", None, ("messages",), "none")])
    log.append([Record("a", '"\\u2028"', ("new", "place"))])
    home.fold()
    assert home.state("a") == {
        "items": {"y": 2, "z": 3},
        "messages": [{"id": "2", "n": 2}, {"id": "3"}],
        "new": {"place": "\u2028"},
    }
    assert json.loads(home.own.read_text())["section"] == {}
    assert home.files() == ["2.jsonl"]


def test_a_record_that_was_not_written_to_its_end_is_none(home: Home) -> None:
    log = Journal(home.journal)
    log.append([whole("a", {"n": 1})])
    [file] = home.journal.iterdir()
    file.write_text(file.read_text() + '\n{"place": ["a", [], null], "gone": false, "val')
    log.append([Record("a", "2", ("m",))])  # by the same process, after the disk was full for a moment
    home.fold()
    assert home.state("a") == {"n": 1, "m": 2}


def test_records_that_are_in_the_file_already_are_not_put_in_again(home: Home) -> None:
    """The state was written after the first record, and the item deleted in a way that needed no record."""
    log = Journal(home.journal)
    log.append([Record("a", "1", ("x",))])
    generation = log.rotate()
    journal.write(home.states / "a.json", json.dumps({GENERATION: generation, "y": 1}))
    log.append([Record("a", "2", ("y",))])
    home.fold()
    assert home.state("a") == {"y": 2}


def test_a_kill_in_the_middle_of_a_start_changes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Journal(home.journal)
    log.append(
        [whole("a", {"messages": []}), whole("b", {"n": 1}), Record("a", '{"id": "1"}', ("messages",), "1")]
    )
    written = journal.write

    def killed(file: Path, text: str) -> None:
        if file.name == "b.json":
            raise KeyboardInterrupt
        written(file, text)

    monkeypatch.setattr(journal, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        home.fold()
    monkeypatch.undo()
    home.fold()
    assert (home.state("a"), home.state("b")) == ({"messages": [{"id": "1"}]}, {"n": 1})


def test_generations_go_when_all_their_states_are_written(home: Home) -> None:
    log = Journal(home.journal)
    log.append([whole("a", {}), whole("b", {})])
    assert log.recorded() == {"a", "b"}
    second = log.rotate()
    assert log.rotate() == second  # it has no records yet
    log.covered("a", second)
    log.drop()
    assert home.files() == ["1.jsonl", "2.jsonl"]  # b's record is needed still
    log.append([Record("b", "1", ("n",))])
    log.drop()
    assert home.files() == ["1.jsonl", "2.jsonl"]  # a later record does not make an earlier one superfluous
    log.covered("b", second)
    assert log.recorded() == {"b"}  # one record is newer than its file
    log.drop()
    assert home.files() == ["2.jsonl"]
    log.covered("b", log.rotate())
    log.drop()
    assert home.files() == ["3.jsonl"]


def test_a_start_goes_on_after_the_generations_that_it_found(home: Home) -> None:
    log = Journal(home.journal)
    log.append([whole("a", {"n": 1})])
    log.rotate()
    for value in (2, 3):
        home.fold()
        Journal(home.journal).append([Record("a", str(value), ("n",))])
    home.fold()
    assert home.state("a") == {"n": 3}


def test_a_state_that_is_no_object_is_refused_and_not_written_over(home: Home) -> None:
    (home.states / "a.json").write_text("[]")
    Journal(home.journal).append([Record("a", "1", ("x",))])
    with pytest.raises(ValueError, match=r"a\.json holds a list"):
        home.fold()
    assert (home.states / "a.json").read_text() == "[]"
    assert "1.jsonl" in home.files()
