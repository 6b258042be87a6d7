"""From the shell's state and its root before and after a line to an `Event`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from image_builder import secrets
from image_builder.bash.asking import asks_unseen
from image_builder.bash.programs import DOWNLOADERS, EDITORS
from image_builder.bash.reading import variables
from image_builder.recording import changes, pip
from image_builder.recording.events import FILES_KEPT, Content, Event
from image_builder.recording.root import CleanRoot

_VOLATILE = re.compile(
    r"_|BASH\w*|S?RANDOM|SECONDS|EPOCH\w+|LINENO|PIPESTATUS|HIST\w*|OLDPWD|PWD|FUNCNAME|DIRSTACK|COLUMNS|LINES|OPTIND|PPID|SHLVL|TERM|"
    r"__rec_\w+|PROMPT_COMMAND|PS[0-4]|GROUPS|EUID|UID"
)
_DECLARED = re.compile(r"declare -\S+ ([A-Za-z_]\w*)")
_FUNCTION = re.compile(r"([\w:.-]+) \(\) ?$")
_DOWNLOADS_HASHED = 20


@dataclass(frozen=True)
class ShellState:
    """What a shell is at one moment. `lines` are its variables, functions, aliases, options and umask, as it
    prints them, in its order:
    a function with the same lines in another order is another function."""

    cwd: str
    environment: dict[str, str]
    lines: tuple[str, ...]
    names: frozenset[str]
    functions: frozenset[str]

    @classmethod
    def read(cls, folder: Path, cwd: str) -> ShellState:
        """From the files that the shell wrote."""
        pairs = (folder / "environment").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        split = (pair.partition("=") for pair in pairs)
        environment = {name: value for name, mark, value in split if mark and not _VOLATILE.fullmatch(name)}
        lines = []
        names, functions = set(), set()
        for line in (folder / "state").read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
            match = _DECLARED.match(line)
            if match:
                names.add(match[1])
            elif function := _FUNCTION.match(line):
                functions.add(function[1])
            if not match or not _VOLATILE.fullmatch(match[1]):
                lines.append(line)
        return cls(cwd, environment, tuple(lines), frozenset(names), frozenset(functions))


class Observer:
    """Looks at a root between the lines of a session."""

    def __init__(self, root: CleanRoot) -> None:
        self._root = root
        self._snapshot: dict[str, changes.Mark] = {}
        self._apt: dict[str, str] = {}
        self._automatic: set[str] = set()
        self._unseen: set[str] = set()  # variables that were typed without being shown
        self.last_changes: list[changes.Change] = []

    def look(self) -> None:
        """Take the root as it is for the state before the next line."""
        views = self._root.live_views()
        self._snapshot = changes.snapshot(views)
        self._apt, self._automatic = changes.apt_packages(views), changes.apt_automatic(views)

    def describe(self, event: Event, before: ShellState, after: ShellState, report: str = "") -> None:
        """Fill in what the line of `event` did, and hide secrets in all of it. `report`: what pip wrote about
        an installation.
        """
        views = self._root.live_views()
        snapshot = changes.snapshot(views)
        found = changes.changed(self._snapshot, snapshot, views)
        self.last_changes, self._snapshot = found, snapshot
        paths = [change.path for change in found if change.kind != "removed"]
        event.files, event.file_count = (
            [[change.kind, change.path] for change in found[:FILES_KEPT]],
            len(found),
        )
        if changes.DPKG_STATUS in paths:
            apt, automatic = changes.apt_packages(views), changes.apt_automatic(views)
            event.apt = {name: version for name, version in apt.items() if self._apt.get(name) != version}
            # Whatever a script names counts as asked for, also what was automatic before this line.
            event.apt_automatic = sorted((automatic - self._automatic) | (automatic & event.apt.keys()))
            self._apt, self._automatic = apt, automatic
        event.python = changes.python_packages(views, paths)
        event.digests = pip.digests(report, event.python) if event.python else {}
        event.revisions, event.archives = (
            (pip.revisions(report), pip.archives(report)) if report else ([], {})
        )
        event.along = changes.python_along(views, paths) if event.python else []
        event.conda = changes.conda_packages(views, paths)
        event.commits = {
            folder: commit
            for path in paths
            if path.endswith("/.git/HEAD")
            and (commit := changes.commit(views, folder := path.removesuffix("/.git/HEAD")))
        }
        event.contents = self._contents(event, paths)
        event.environment = {
            name: after.environment.get(name)
            for name in before.environment.keys() | after.environment.keys()
            if before.environment.get(name) != after.environment.get(name)
        }
        event.state = before.lines != after.lines
        event.functions = sorted({command.program for command in event.commands} & before.functions)
        event.unset = sorted(variables(event.text) - before.names)
        for command in event.commands:
            if asks_unseen(command):
                self._unseen.update(value for value in command.values if not value.startswith("-"))
        _hide(event, after, self._unseen)

    def _contents(self, event: Event, paths: list[str]) -> dict[str, Content]:
        programs = {command.program for command in event.commands}
        views = self._root.live_views()
        if programs & EDITORS:
            found = {path: changes.content(views, path) for path in paths}
            return {path: content for path, content in found.items() if content is not None}
        result: dict[str, Content] = {}
        if programs & DOWNLOADERS:
            # What else such a line makes may have the time in it: only a file that the line names is
            # certainly a download.
            only_loads = {command.program for command in event.commands if not command.nested} <= DOWNLOADERS
            named = (
                paths
                if only_loads
                else [path for path in paths if _names(event.text, path.rpartition("/")[2])]
            )
            for path in named[:_DOWNLOADS_HASHED]:
                content = changes.content(views, path)
                if content is not None:
                    content.text = None
                    result[path] = content
        return result


def _names(text: str, name: str) -> bool:
    """Whether a line has a file's name as a word of its own."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text) is not None


def _hide(event: Event, after: ShellState, unseen: set[str]) -> None:
    values = {
        name: value
        for name, value in after.environment.items()
        if name in unseen or secrets.names_a_secret(name)
    }
    event.text = secrets.hide(event.text, values)
    for name, value in event.environment.items():
        if value is not None:
            event.environment[name] = (
                f"${{SECRET_{name.upper()}}}" if name in values else secrets.hide(value, values)
            )
    for content in event.contents.values():
        if content.text is not None:
            content.text = secrets.hide(content.text, values)
