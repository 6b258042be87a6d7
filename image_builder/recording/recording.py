"""One recording of an analysis, from the clean root to the scripts in its blueprint."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blueprints import Imaged, parent_of
from blueprints.provision import ABOUT, Provision, Script, read
from image_builder.recording import replay
from image_builder.recording.compiler import Compiled, compile_recording, is_recorded
from image_builder.recording.errors import RecordingError
from image_builder.recording.events import Log
from image_builder.recording.root import CleanRoot, CleanRoots
from image_builder.recording.session import record as record_session
from image_builder.recording.verification import digest_of
from neurocaas.protocol.problems import InvalidInput

SESSION = "session.jsonl"
_WRITTEN = "written.json"


@dataclass(frozen=True)
class Finished:
    """What a recording became: files (relative to provision/), how many lines they keep, and warnings."""

    files: tuple[str, ...]
    kept: int
    left_out: int
    warnings: tuple[str, ...]


class Recording:
    """The recording of one image. `add`: after the scripts that are there; otherwise an earlier recording is
    replaced.
    """

    def __init__(self, roots: CleanRoots, imaged: Imaged, *, add: bool = False) -> None:
        self._roots, self._imaged, self._add = roots, imaged, add
        self._folder = imaged.folder / "provision"
        self._state = roots.folder(imaged.name)
        self.log = Log(self._state / SESSION)

    @property
    def interrupted(self) -> bool:
        """Whether a recording was begun here and neither finished nor dropped."""
        return self.log.exists

    def drop(self) -> None:
        """Forget an interrupted recording: its root and its log."""
        with self._alone():
            if self.interrupted:
                self._open(again=True).close()
                self.log.path.unlink(missing_ok=True)

    def check(self, *, force: bool) -> None:
        """Refuse to begin where something would be lost: an interrupted recording, or a recorded script that
        somebody edited.
        """
        with self._alone():
            interrupted = self.interrupted
        if interrupted:
            raise RecordingError(
                f"a recording of {self._imaged.name} was interrupted, and is still there",
                "one recording at a time",
                "--resume goes on with it, `invoke record-finish` writes its script, --discard throws it "
                "away",
            )
        edited = [] if force or self._add else self._edited()
        if edited:
            raise RecordingError(
                f"{', '.join(edited)} was recorded, and edited by hand since; a new recording would replace "
                "it",
                "recorded scripts as they were written",
                "--add records a further script after it; --force replaces it; or rename it, then it is "
                "yours",
            )

    def replaced(self) -> tuple[str, ...]:
        """The scripts that a new recording replaces, relative to provision/."""
        return (
            ()
            if self._add
            else tuple(script.path for script in self._provision().scripts if is_recorded(script.text))
        )

    def session(self, say: replay.Say, *, script: str | None, resume: bool) -> bool:
        """Open the root, run what is there already, and record. Returns whether the session came to its
        end.
        """
        with self._alone():
            return self._session(say, script, resume=resume)

    def _session(self, say: replay.Say, script: str | None, *, resume: bool) -> bool:
        root = self._open(again=resume)
        try:
            earlier = self._earlier()
            if not resume and earlier.scripts:
                say(f"first, on the clean root: {', '.join(script.path for script in earlier.scripts)}")
                failure = replay.run(root, self._imaged.name, earlier, say, phases=("build",))
                if failure is not None:
                    root.close()
                    raise RecordingError(
                        f"the scripts that are there fail: {failure}",
                        "scripts that run",
                        "put them right first",
                    )
            return record_session(root, self.log, script=script)
        finally:
            root.stop()

    def finish(self, say: replay.Say = lambda line: None) -> Finished:
        """Compile the log, write the scripts, and forget the root. Raises InvalidInput with every line that
        cannot be repeated. `say` hears what goes on: in large roots it takes a while."""
        with self._alone():
            return self._finish(say)

    def _finish(self, say: replay.Say) -> Finished:
        if not self.interrupted:
            raise RecordingError(
                f"there is no recording of {self._imaged.name} to finish",
                "one that was begun on this computer",
                f"`invoke record --analysis {self._imaged.name}`",
            )
        events = self.log.read()
        say(
            "the recording ends: a script is written from its "
            f"{sum(event.kind == 'command' for event in events)} lines"
        )
        compiled = compile_recording(events)
        if compiled.problems:
            raise InvalidInput(compiled.problems)
        if not (compiled.build or compiled.validate):
            raise RecordingError(
                "no line of the recording changed anything",
                "lines with an effect",
                "--resume to type some, or --discard",
            )
        root = self._open(again=True)
        files = self._write(compiled)
        say("every file that the recording made or changed is looked at, for a replay to be compared with")
        replay.save_manifest(root, self._state, digest_of(self._imaged, self._provision()), say)
        say("the recorded root is removed")
        root.close()
        self.log.path.unlink()
        return Finished(files, compiled.kept, compiled.left_out, tuple(compiled.warnings))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else touches the recording meanwhile. Raises RecordingError when somebody does."""
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._state / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                name = self._imaged.name
                raise RecordingError(
                    f"a recording of {name} runs in another terminal", "one at a time", "end it there"
                ) from None
            yield

    def _write(self, compiled: Compiled) -> tuple[str, ...]:
        replaced = [self._folder / path for path in self.replaced()]
        number = self._number([path for path in replaced if path.parent == self._folder])
        for path in replaced:
            path.unlink()
        written = {}
        for place, text in (
            (f"{number:02d}-recorded.sh", compiled.build),
            (f"validate/{number:02d}-recorded.sh", compiled.validate),
        ):
            if text:
                target = self._folder / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
                target.chmod(0o755)
                written[place] = hashlib.sha256(text.encode()).hexdigest()
        about = self._folder / ABOUT
        about.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.log.path, about / f"{number:02d}-{SESSION}")
        earlier = {
            place: digest for place, digest in self._written().items() if (self._folder / place).is_file()
        }
        (about / _WRITTEN).write_text(
            json.dumps(earlier | written, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        return tuple(written)

    def _number(self, replaced: list[Path]) -> int:
        """The number of the new script: that of the one it replaces, else the next ten."""
        names = [path.name for path in replaced] or [
            script.name for script in self._provision().scripts if script.phase == "build"
        ]
        numbers = [int(match[0]) for name in names if (match := re.match(r"\d+", name))]
        if replaced and numbers:
            return min(numbers)
        return (max(numbers, default=0) // 10 + 1) * 10

    def _earlier(self) -> Provision:
        """The scripts that come before the recording."""
        provision = self._provision()
        gone = set(self.replaced())
        scripts: tuple[Script, ...] = tuple(
            script for script in provision.scripts if script.path not in gone and script.phase == "build"
        )
        return Provision(scripts, tuple((path, file) for path, file in provision.files if path not in gone))

    def _provision(self) -> Provision:
        return read(self._folder, whole=False) if self._folder.is_dir() else Provision((), ())

    def _edited(self) -> list[str]:
        written = self._written()
        return [
            script.path
            for script in self._provision().scripts
            if is_recorded(script.text)
            and hashlib.sha256(script.text.encode()).hexdigest() != written.get(script.path)
        ]

    def _written(self) -> dict[str, str]:
        try:
            return dict(json.loads((self._folder / ABOUT / _WRITTEN).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return {}

    def _open(self, *, again: bool) -> CleanRoot:
        parent = parent_of(self._imaged, self._roots.account, self._roots.region).for_image_builder
        return self._roots.open(f"record-{self._imaged.name}", parent, again=again)
