"""A recording session: a shell on a clean root, and what hears it.

The shell stops before every prompt, tells what was typed and how it ended, and waits while its root is looked
at. So what a line changed is known exactly, whatever programs it ran.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from image_builder import secrets
from image_builder.bash.lines import complete
from image_builder.bash.pipes import source_of_piped_shell
from image_builder.bash.reading import commands
from image_builder.recording.events import Event, Log
from image_builder.recording.helpers import Helpers, is_helper, spelled_out
from image_builder.recording.observer import Observer, ShellState
from image_builder.recording.root import Channel, CleanRoot
from image_builder.recording.terminal import relay

INSIDE = "/run/neurocaas-record"
BUILD_FOLDER = "/opt/build"
_SCRIPT = Path(__file__).with_name("recorder.sh")
_BEGIN = f'mkdir -p {BUILD_FOLDER}\nchmod 0755 {BUILD_FOLDER}\nexec "$@"\n'


def record(root: CleanRoot, log: Log, *, script: str | None = None) -> bool:
    """Run a session and write its log: in the terminal, or with the lines of `script`. Goes on where an
    existing log ends.

    Returns whether it came to its end (`rec finish`, `exit`, the last line); False: the shell went away in
    the middle of a line.
    """
    with _put_away(), tempfile.TemporaryDirectory(prefix="neurocaas-record-") as folder:
        channel = Channel(Path(folder), INSIDE)
        recorder = _Recorder(root, log, channel.folder, chunks(script) if script is not None else None)
        for name in ("ask", "answered"):
            os.mkfifo(channel.folder / name)
        (channel.folder / "recorder.sh").write_text(_SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
        (channel.folder / "begin").write_text(_BEGIN, encoding="utf-8")
        head = ["/bin/bash", f"{INSIDE}/begin"]
        environment = {"HOME": "/root", "TERM": os.environ.get("TERM", "dumb")}
        if script is not None:
            command = [*head, "/bin/bash", "--norc", f"{INSIDE}/recorder.sh", "script"]
            recorder.follow(
                root.start(command, environment, channel, stdin=subprocess.DEVNULL, stdout=2, stderr=2)
            )
            return recorder.ended
        outer, inner = pty.openpty()
        command = [
            *head,
            "/usr/bin/setsid",
            "--ctty",
            "--wait",
            "/bin/bash",
            "--rcfile",
            f"{INSIDE}/recorder.sh",
            "-i",
        ]
        try:
            process = root.start(command, environment, channel, stdin=inner, stdout=inner, stderr=inner)
        finally:
            os.close(inner)
        with relay(outer):
            recorder.follow(process)
        return recorder.ended


@contextlib.contextmanager
def _put_away() -> Iterator[None]:
    """A terminal that is closed and a request to end are interruptions: what the session keeps in temporary
    files goes all the same.
    """

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def chunks(script: str) -> list[str]:
    """The complete command lines of a session file: as many lines together as bash needs to have a
    command.
    """
    found: list[str] = []
    pending = ""
    for line in script.replace("\r\n", "\n").removesuffix("\n").split("\n"):
        pending = f"{pending}\n{line}" if pending else line
        if not pending.strip():
            pending = ""
        elif complete(pending):
            found.append(pending)
            pending = ""
    return [*found, pending] if pending else found


class _Recorder:
    def __init__(self, root: CleanRoot, log: Log, folder: Path, lines: list[str] | None) -> None:
        self._log, self._folder, self._lines = log, folder, lines
        self._events = log.read()
        self._observer = Observer(root)
        self._helpers = Helpers(self._append, self._events, self._undo)
        self._state: ShellState | None = None
        self._before: ShellState | None = None
        self._given: str | None = None
        self._waiting: Event | None = None
        self._begun = time.time()
        self.ended = False

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Hear the shell until it ends."""
        ask, answered = (
            os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC) for name in ("ask", "answered")
        )
        try:
            while True:
                if select.select([ask], [], [], 0.2)[0]:
                    os.read(ask, 1)
                    answer = self._hear()
                    text = "".join(line + "\n" for line in answer)
                    (self._folder / "answer").write_text(text, encoding="utf-8", errors="surrogateescape")
                    os.write(answered, b"\n")
                elif process.poll() is not None:
                    break
        finally:
            os.close(ask)
            os.close(answered)
        last = self._given if self._lines is not None else self._running()
        if last is not None and not self._helpers.finished and _words(last)[:1] not in (["exit"], ["logout"]):
            event = Event(self._number(), "command", secrets.hide(last), status=process.returncode or 1)
            if self._state is not None:
                event.cwd = event.cwd_after = self._state.cwd
                self._observer.describe(event, self._state, self._state)
            self._append(event)
            return
        self.ended = self._helpers.finished or not self._lines

    def _running(self) -> str | None:
        """The line that was typed last, when the shell went away in it; None when it was at its prompt."""
        place = self._folder / "running"
        text = place.read_text(encoding="utf-8", errors="surrogateescape") if place.is_file() else ""
        match = re.fullmatch(r" *(\d+)\*?  (.*)\n", text, re.DOTALL)
        return match[2] if match else None

    def _hear(self) -> list[str]:
        (self._folder / "running").unlink(missing_ok=True)  # it is back
        kind, text, statuses, cwd, *words = (
            (self._folder / "event").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        )
        state = ShellState.read(self._folder, cwd)
        if kind == "rec":
            return self._helpers.call(words[:-1], cwd)  # each word ends with a NUL
        answer: list[str] = []
        if kind == "begin":
            answer = self._begin(state)
        elif kind == "fetched":
            self._fetched()
        elif is_helper(text):
            self._observer.look()
            self._state = state
        else:
            answer = self._command(text, [int(word) for word in statuses.split()], state)
        if self._waiting is None:
            self._next_line()
        return answer

    def _begin(self, state: ShellState) -> list[str]:
        self._observer.look()
        self._state = state
        answer = []
        if self._events:  # go on where an earlier shell was interrupted: its folder, its exported variables
            variables: dict[str, str | None] = {}
            for event in self._events:
                variables.update(event.environment)
            for name, value in variables.items():
                if value is None or not secrets.PLACEHOLDER.search(value):
                    answer.append(_variable(name, value))
            folder = next((event.cwd_after for event in reversed(self._events) if event.cwd_after), "")
            answer.append(f"builtin cd -- {shlex.quote(folder)}" if folder else "true")
            self._state = replace(state, cwd=folder or state.cwd)
        self._append(
            Event(
                self._number(),
                "resume" if self._events else "begin",
                cwd=self._state.cwd,
                cwd_after=self._state.cwd,
            )
        )
        return answer

    def _command(self, text: str, statuses: list[int], state: ShellState) -> list[str]:
        assert self._state is not None
        cwd = self._state.cwd
        event = Event(
            self._number(),
            "command",
            spelled_out(text.rstrip("\n")),
            statuses[0],
            statuses[1:],
            cwd,
            state.cwd,
            self._begun,
        )
        event.ended = time.time()
        report = self._folder / "pip-report"
        told = report.read_text(encoding="utf-8", errors="replace") if report.is_file() else ""
        report.unlink(missing_ok=True)
        self._observer.describe(event, self._state, state, told)
        self._before, self._state, self._begun = self._state, state, time.time()
        source = source_of_piped_shell(text) if event.status == 0 else None
        if source is None:
            self._append(event)
            return []
        self._waiting = event  # what was piped into a shell is fetched once more, to know what it was
        return [f'( {source} ) >"$__rec_dir/fetched" 2>/dev/null </dev/null', '__rec_ask fetched "" 0']

    def _fetched(self) -> None:
        if self._waiting is not None:
            data = (self._folder / "fetched").read_bytes()
            self._waiting.fetched = hashlib.sha256(data).hexdigest() if data else ""
            self._append(self._waiting)
        self._waiting = None

    def _next_line(self) -> None:
        self._given = None
        if self._lines:
            self._given = self._lines.pop(0)
            (self._folder / "line").write_text(self._given, encoding="utf-8", errors="surrogateescape")

    def _undo(self) -> list[str] | str:
        """Commands that take back the last line. Only what was added can be taken back."""
        last = next((event for event in reversed(self._events) if event.kind in ("command", "drop")), None)
        if last is None or last.kind == "drop" or self._before is None or self._state is None:
            return "there is no line to take back (only the last one can be)"
        lost = [change.path for change in self._observer.last_changes if change.kind != "added"]
        if lost:
            shown = ", ".join(lost[:5]) + (" …" if len(lost) > 5 else "")
            return (
                f"line {last.seq} changed or removed what was there before ({shown}): that stays; `rec "
                "drop` leaves the line out"
            )
        steps = [f"builtin cd -- {shlex.quote(self._before.cwd)}"]
        steps += [f"command rm -rf -- {shlex.quote(change.path)}" for change in self._observer.last_changes]
        for name in last.environment:
            value = self._before.environment.get(name)
            steps.append(_variable(name, value))
        return steps

    def _append(self, event: Event) -> None:
        self._log.append(event)
        self._events.append(event)

    def _number(self) -> int:
        return max((event.seq for event in self._events), default=0) + 1


def _variable(name: str, value: str | None) -> str:
    """The command that gives an exported variable its value (None: it has none), whatever aliases and
    functions there are.
    """
    return f"builtin unset {name}" if value is None else f"builtin export {name}={shlex.quote(value)}"


def _words(text: str) -> list[str]:
    found = commands(text)
    return [word.value for word in found[0].words] if len(found) == 1 else []
