"""What was answered is on disk: records of changes, appended before the answer, that the next checkpoint
makes superfluous.

A record says what a place of a service's state holds now: the whole state, one item of a table, one message
of a queue. Records of one generation are in one file. A state's file says from which generation on records
are newer than itself, so a start that finds records (:func:`fold`) puts exactly those into it. Nothing here
waits for the disk itself: records survive the end of this process, which may be ``kill -9``; the checkpoint's
files survive the end of the computer too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GENERATION = "journal"
"""Name in a state's file: records of earlier generations are in it already."""


@dataclass(frozen=True)
class Record:
    """What a place holds now. ``text`` is JSON, or None when the place is gone; no ``path`` means the whole
    state.
    """

    key: str
    text: str | None
    path: tuple[str, ...] = ()
    member: str | None = None
    """The ``id`` of a member of the list at ``path``."""

    def line(self) -> str:
        """The record as one line."""
        place = json.dumps([self.key, list(self.path), self.member])
        return (
            f'{{"place": {place}, "gone": {"true" if self.text is None else "false"}, "value": '
            f"{self.text or 'null'}}}"
        )


class Journal:
    """Appends records to the file of the present generation. Used from the server's event loop only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.generation = max((number for number, _ in _files(folder)), default=0) + 1
        self._file = self._open()
        self._needed: dict[str, set[int]] = {}
        self._any = False

    def append(self, records: Iterable[Record]) -> None:
        """Write the records. Raises OSError when they cannot be written; then nothing must be answered that
        depends on them.
        """
        lines, keys = [], set()
        for record in records:
            lines.append(record.line())
            keys.add(record.key)
        if not lines:
            return
        # It begins with a line break: what an append that failed half way left behind is a line of its own,
        # which nobody was told of.
        rest = memoryview(("\n" + "\n".join(lines) + "\n").encode())
        while rest:
            rest = rest[os.write(self._file, rest) :]
        for key in keys:
            self._needed.setdefault(key, set()).add(self.generation)
        self._any = True

    def recorded(self) -> set[str]:
        """Keys of which records are newer than their file."""
        return set(self._needed)

    def rotate(self) -> int:
        """Begin a new generation (if the present one has records) and return its number: a state that is read
        now has all earlier ones.
        """
        if self._any:
            os.close(self._file)
            self.generation += 1
            self._file, self._any = self._open(), False
        return self.generation

    def covered(self, key: str, generation: int) -> None:
        """The file of ``key`` has everything before ``generation`` now."""
        later = {number for number in self._needed.pop(key, ()) if number >= generation}
        if later:
            self._needed[key] = later

    def drop(self) -> None:
        """Delete the files that no state's file needs any more."""
        oldest = min(
            (number for numbers in self._needed.values() for number in numbers), default=self.generation
        )
        for number, file in _files(self._folder):
            if number < oldest:
                file.unlink()

    def _open(self) -> int:
        file = self._folder / f"{self.generation}.jsonl"
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def fold(folder: Path, files: dict[str, Path], otherwise: Path) -> None:
    """Put what the records say into the states' files, and delete the records. Call before anybody reads the
    files.

    Args:
        files: key → file of the states that are not at ``otherwise/KEY.json``.

    Raises:
        ValueError: a state's file is damaged, or a record names a place that is not in it.
    """
    found = sorted(_files(folder))
    states: dict[str, dict[str, Any]] = {}
    following = max((number for number, _ in found), default=0) + 1
    # the numbers go on from here, also when all others are gone
    (folder / f"{following}.jsonl").touch(mode=0o600)
    for number, journal in found:
        for key, path, member, gone, value in _read(journal):
            if key not in states:
                states[key] = _state(files.get(key, otherwise / f"{key}.json"))
            if number >= states[key].get(GENERATION, 0):
                _put(states[key], path, member, gone, value)
    for key, state in states.items():
        file = files.get(key, otherwise / f"{key}.json")
        write(file, json.dumps({**state, GENERATION: following}))
    for _, journal in found:
        journal.unlink()


def write(file: Path, text: str) -> None:
    """Replace a file atomically; it is on the disk when this returns."""
    temporary = file.with_name(file.name + ".tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)


def _files(folder: Path) -> list[tuple[int, Path]]:
    return [(int(file.stem), file) for file in folder.glob("*.jsonl") if file.stem.isdigit()]


def _read(journal: Path) -> Iterator[tuple[str, list[str], str | None, bool, Any]]:
    for line in journal.read_text().split("\n"):
        try:
            record = json.loads(line)
            key, path, member = record["place"]
        except (ValueError, KeyError, TypeError):
            continue  # an append that did not come to its end: its request was not answered
        yield key, path, member, record["gone"], record["value"]


def _state(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    if not isinstance(document, dict):
        raise ValueError(f"{file} holds a {type(document).__name__} in the place of an object")
    return document


def _put(state: dict[str, Any], path: list[str], member: str | None, gone: bool, value: Any) -> None:
    if not path:
        state.clear()
        state.update(value)
        return
    place: Any = state
    for name in path[:-1]:
        place = place.setdefault(name, {})
    if member is None:
        if gone:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = value
        return
    members = place.setdefault(path[-1], [])
    known = next((index for index, one in enumerate(members) if one.get("id") == member), None)
    if gone:
        if known is not None:
            del members[known]
    elif known is None:
        members.append(value)
    else:
        members[known] = value
