"""The log of a recording: one JSON object a line, on disk before the next line can be typed, without
secrets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from image_builder.bash.commands import Command
from image_builder.bash.reading import commands

FILES_KEPT = 200
"""Names of changed files that one event keeps; `file_count` says how many there were."""


@dataclass
class Content:
    """A file as a line left it: `text` is None for one that is no text or too large to be written in a
    script.
    """

    mode: int
    uid: int
    gid: int
    sha256: str
    text: str | None = None


@dataclass
class Event:
    """One command line and what it did, or a remark (`kind`: command, note, drop, check, begin, resume).

    `text` is the line, verbatim but for secrets; `status` its exit status and `pipestatus` those of its last
    pipeline's parts; `cwd` and `cwd_after` the folder before and after; `environment` the exported variables
    that changed (None: unset); `state`: whether anything of the shell changed (variables, functions, options,
    umask); `unset`: variables that it used though nobody had set them; `functions` the shell's own that it
    called. `files` are [added|changed|removed, path]; `apt`, `python`, `conda` the packages that it installed
    (name -> version; for Python "<site-packages>|name" -> version; for conda the path of its record ->
    channel::name=version=build); `digests` name -> SHA-256 of the file that pip took it from, `archives`
    address -> SHA-256 of what a line named by its address, `revisions` the commits that pip took from git,
    `along` the metadata folders of Python packages that came because others need them; `contents` files that
    can be written again (path -> content), `commits` git clones (path -> commit), `fetched` the SHA-256 of
    what was piped into a shell. `target` is the event that a drop means; the drop's `text` says that it was
    taken back, or is empty.
    """

    seq: int
    kind: str
    text: str = ""
    status: int = 0
    pipestatus: list[int] = field(default_factory=list)
    cwd: str = ""
    cwd_after: str = ""
    started: float = 0.0
    ended: float = 0.0
    environment: dict[str, str | None] = field(default_factory=dict)
    state: bool = False
    unset: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    files: list[list[str]] = field(default_factory=list)
    file_count: int = 0
    apt: dict[str, str] = field(default_factory=dict)
    apt_automatic: list[str] = field(default_factory=list)
    python: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    archives: dict[str, str] = field(default_factory=dict)
    revisions: list[str] = field(default_factory=list)
    along: list[str] = field(default_factory=list)
    conda: dict[str, str] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    fetched: str = ""
    target: int | None = None

    @property
    def commands(self) -> tuple[Command, ...]:
        """The simple commands of `text`, which is read once."""
        return commands(self.text)

    @property
    def has_effect(self) -> bool:
        """Whether leaving the line out would change anything."""
        return bool(self.file_count or self.environment or self.state or self.cwd != self.cwd_after)


def to_line(event: Event) -> str:
    """The event as one line of the log; fields that say nothing are left out."""
    kept = {
        name: value
        for name, value in asdict(event).items()
        if value not in (None, "", 0, [], {}, False) or name in ("seq", "status")
    }
    return json.dumps(kept, ensure_ascii=False) + "\n"


def from_line(line: str) -> Event:
    """The opposite. Raises ValueError, TypeError for what is no event."""
    raw: dict[str, Any] = json.loads(line)
    raw["contents"] = {path: Content(**content) for path, content in raw.get("contents", {}).items()}
    return Event(**raw)


class Log:
    """An append-only file of events. A last line that a crash cut off is ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        return self.path.is_file()

    def append(self, event: Event) -> None:
        """Add an event; it is on disk when this returns."""
        new = not self.exists
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            data = to_line(event).encode()
            if not new and self._cut_off():
                data = b"\n" + data
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> list[Event]:
        return list(self._events())

    def _events(self) -> Iterator[Event]:
        if not self.exists:
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                yield from_line(line)
            except (ValueError, TypeError, AttributeError):
                continue

    def _cut_off(self) -> bool:
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
