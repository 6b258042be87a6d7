"""`invoke ship NAME`: the whole road from a blueprint to results, by the commands that a person would type,
in their order.

A step that is done already is passed over, so the same command goes on where it was; at the first that fails
it stops and says how to go on. Nothing here does what a command does: it decides which one is next.
"""

from __future__ import annotations

import hashlib
import json as json_format
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DONE, ALREADY, LEFT_OUT, FAILED = "done", "already", "left out", "failed"
Run = Callable[[Sequence[str]], int]
"""Runs `invoke` with these words; its exit code."""


@dataclass(frozen=True)
class RoadStep:
    """One part of the road. `state` is one of the four words above; `command` what was run; `said` why
    nothing was, or what came out; `exit_code` that of a command that failed, 1 where there was none to
    run."""

    name: str
    state: str
    seconds: float
    command: str = ""
    said: str = ""
    exit_code: int = 0


class StopError(Exception):
    """A command that failed: its words and its exit code."""

    def __init__(self, words: Sequence[str], code: int) -> None:
        super().__init__(shlex.join(["invoke", *words]))
        self.code = code


@dataclass(frozen=True)
class ShipSample:
    """What `tests/` has to try an analysis with: datasets, a configuration (None: the defaults), and the
    group whose members submit.
    """

    data: tuple[Path, ...]
    config: Path | None
    group: str

    def digest(self) -> str:
        total = hashlib.sha256()
        for path in (*self.data, *([self.config] if self.config else [])):
            total.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return total.hexdigest()


def sample(folder: Path, groups: Sequence[str]) -> ShipSample:
    """The sample that `tests/submit.json` of an analysis's `folder` names by its keys. Raises UserError when
    there is none.
    """
    from console.errors import UserError

    file = folder / "tests" / "submit.json"
    where = f"blueprints/{folder.name}/tests"
    try:
        stored = json_format.loads(file.read_text(encoding="utf-8"))
        named = [stored["dataname"]] if isinstance(stored["dataname"], str) else list(stored["dataname"])
        config = str(stored["configname"]).rpartition("/")[2]
        group = str(named[0]).partition("/")[0]
        data = tuple(folder / "tests" / str(name).rstrip("/").rpartition("/")[2] for name in named)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        got = f"{where}/submit.json that cannot be read ({type(error).__name__}: {error})"
        raise UserError(
            got,
            "a submission as an analyst would write it",
            "write one; `invoke configure` makes one to copy",
        ) from None
    missing = [path.name for path in data if not path.is_file()]
    if missing:
        raise UserError(
            f"no {', '.join(missing)} in {where}, which submit.json names as data",
            "small datasets in that folder",
            "put them there",
        )
    configuration = folder / "tests" / config
    return ShipSample(
        data, configuration if configuration.is_file() else None, group if group in groups else groups[0]
    )


class Road:
    """The road of one analysis to one stage. `run` runs commands, `tell` hears what goes on."""

    def __init__(
        self,
        root: Path,
        analysis: str,
        stage: str,
        run: Run,
        tell: Callable[[str], None],
        *,
        unverified: bool,
        to: str,
    ) -> None:
        from console.engine import Engine

        self.root, self.analysis, self.stack = root, analysis, f"{analysis}-{stage}"
        self.run, self.tell, self.unverified, self.to = run, tell, unverified, to
        self.engine = Engine(root)
        self.stage = stage
        self.job = ""
        self.results: list[str] = []

    def walk(self) -> list[RoadStep]:
        """Do what is to do; the steps, of which only the last can have failed."""
        parts = (
            ("validate", self.validate),
            ("lint", self.lint),
            ("deploy", self.deploy),
            ("verify", self.verify),
            ("bake", self.bake),
            ("golden test", self.golden),
            ("deploy the image", self.deploy_image),
            ("job", self.try_it),
            ("results", self.fetch),
        )
        from console.errors import message

        steps: list[RoadStep] = []
        for number, (name, part) in enumerate(parts, 1):
            begun = time.monotonic()
            self.tell(f"[{number}/{len(parts)}] {name}")
            code = 0
            try:
                state, command, said = part()
            except StopError as stop:
                state, command, said, code = (
                    FAILED,
                    str(stop),
                    f"`{stop}` ended with exit code {stop.code}",
                    stop.code,
                )
            except Exception as error:
                text = message(error)
                if text is None:
                    raise
                state, command, said, code = FAILED, "", text, 1
            if said and not code:
                self.tell(f"  {state}: {said}")
            steps.append(RoadStep(name, state, round(time.monotonic() - begun, 1), command, said, code))
            if code:
                break
        return steps

    def _do(self, *words: str) -> str:
        """Run a command; as a person would type it. Raises StopError."""
        self.tell(f"  invoke {shlex.join(words)}")
        if code := self.run(words):
            raise StopError(words, code)
        return shlex.join(["invoke", *words])

    @cached_property
    def _recorded(self) -> bool:
        """Whether there are provisioning scripts, that is an image to bake."""
        return any((self.root / "blueprints" / self.analysis / "provision").glob("*.sh"))

    def _blueprint(self) -> Any:
        import blueprints

        return blueprints.load(self.analysis, self.stage, self.root)

    def validate(self) -> tuple[str, str, str]:
        return DONE, self._do("validate", self.analysis), ""

    def lint(self) -> tuple[str, str, str]:
        if not self._recorded:
            return LEFT_OUT, "", "there is no provision/*.sh"
        return DONE, self._do("lint-provision", "--analysis", self.analysis), ""

    def deploy(self) -> tuple[str, str, str]:
        return DONE, self._do("deploy", self.stack, "--yes"), ""

    def verify(self) -> tuple[str, str, str]:
        from image_builder.recording.verification import Verified, verification

        if not self._recorded:
            return LEFT_OUT, "", "there is no provision/*.sh"
        if self.unverified:
            return LEFT_OUT, "", "--unverified"
        if isinstance(verification(self._blueprint()), Verified):
            return ALREADY, "", "a replay has proved these scripts"
        return DONE, self._do("verify-recording", self.analysis), ""

    def bake(self) -> tuple[str, str, str]:
        if not self._recorded:
            return LEFT_OUT, "", "there is nothing to bake: no provision/*.sh"
        return (
            DONE,
            self._do("bake-ami", "--stack", self.stack, *(["--unverified"] if self.unverified else [])),
            "",
        )

    def golden(self) -> tuple[str, str, str]:
        from blueprints.golden import FOLDER

        if not (self.root / "blueprints" / self.analysis / "provision" / FOLDER).is_dir():
            return LEFT_OUT, "", f"there is none in provision/{FOLDER}/ (docs/images.md)"
        return DONE, "", "the image was made, which it is only with the expected numbers"

    def deploy_image(self) -> tuple[str, str, str]:
        outputs = self.engine.outputs(self.stack)
        image = self._blueprint().image.baked(str(outputs["account"]), str(outputs["region"]))
        if image in (None, outputs["image_id"]):
            return ALREADY, "", f"machines start from {outputs['image_id']}"
        return DONE, self._do("deploy", self.stack, "--yes"), f"machines start from {image}"

    def try_it(self) -> tuple[str, str, str]:
        outputs = self.engine.outputs(self.stack)
        tried = sample(self.root / "blueprints" / self.analysis, sorted(outputs["groups"]))
        where = ("--bucket", self.stack, "--group", tried.group)
        self.job, ended = self._job(outputs, tried)
        if ended:
            return ALREADY, "", f"job {self.job} has ended well on this code, image and sample"
        data = [word for path in tried.data for word in ("--data", str(path.relative_to(self.root)))]
        config = ("--config", str(tried.config.relative_to(self.root))) if tried.config else ()
        return (
            DONE,
            self._do("submit", *where, *data, *config, "--timestamp", self.job, "--yes", "--follow"),
            f"job {self.job}",
        )

    def _job(self, outputs: Any, tried: ShipSample) -> tuple[str, bool]:
        """The name of the job that tries this code and image on this sample, and whether it has ended well
        already. Jobs of that name that failed are left as they are: the next one has the next number."""
        from neurocaas import Analysis

        what = [outputs[name] for name in ("code_sha256", "image_id", "blueprint_digest")]
        digest = hashlib.sha256(json_format.dumps([*what, tried.digest()]).encode()).hexdigest()
        analysis, number = Analysis(str(outputs["bucket"]), tried.group), 1
        known = set(analysis.job_names())
        while (name := f"ship-{digest[:12]}-{number}") in known:
            if analysis.job(name).status().succeeded:
                return name, True
            number += 1
        return name, False

    def fetch(self) -> tuple[str, str, str]:
        outputs = self.engine.outputs(self.stack)
        group = sample(self.root / "blueprints" / self.analysis, sorted(outputs["groups"])).group
        folder = f"{self.to}/{self.analysis}/{self.job}"
        where = ("--bucket", self.stack, "--group", group)
        command = self._do("results", self.job, *where, "--to", folder)
        self.results = sorted(
            str(path) for path in (self.root / folder).rglob("process_results/**/*") if path.is_file()
        )
        return DONE, command, f"{len(self.results)} files of results in {folder}/"
