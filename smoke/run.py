"""A run from its first step to the proof that nothing is left, whatever happens between."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from console.errors import message
from image_builder.pipeline import BakeError
from smoke import clean, diagnosis, image, jobs, probes, proof, stacks
from smoke.bench import Bench, SmokeError
from smoke.proof import LeftThing
from smoke.report import DONE, FAILED, LEFT_OUT, SmokeStep


@dataclass(frozen=True)
class Part:
    """One step, and the steps without which it makes no sense."""

    name: str
    do: Callable[[Bench], str]
    needs: tuple[str, ...] = ()


PARTS = (
    Part("account", stacks.look),
    Part("utils", stacks.utils, ("account",)),
    Part("deploy", stacks.deploy, ("utils",)),
    Part("jobs", jobs.first, ("deploy",)),
    Part("cancel", jobs.cancelled, ("deploy",)),
    Part("budget", jobs.budget, ("jobs",)),
    Part("bake", image.bake, ("deploy",)),
    Part("deploy again", stacks.again, ("bake",)),
    Part("spot", jobs.spot, ("deploy again",)),
    Part("launch index", probes.launch_index, ("deploy",)),
    Part("metrics", probes.metrics, ("jobs",)),
)
DESTROY, PROOF = "destroy", "proof"


@dataclass
class EndedRun:
    """How a run ended: its steps, what is left, and why it stopped before the last step."""

    steps: list[SmokeStep]
    left: Sequence[LeftThing]
    why: str


class Deadline:
    """Interrupts its body as Ctrl-C does when its time is over, and never what comes after."""

    def __init__(self, seconds: float) -> None:
        self.passed, self._over, self._lock = False, False, threading.Lock()
        self._timer = threading.Timer(seconds, self._interrupt)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:  # an interrupt that was on its way has come when this is left
            self._over = True

    def _interrupt(self) -> None:
        with self._lock:
            if not self._over:
                self.passed = True
                os.kill(os.getpid(), signal.SIGINT)


def run(bench: Bench, seconds: float, parts: Sequence[Part] = PARTS) -> EndedRun:
    """All steps, then the destruction and the proof, also after Ctrl-C and when the time is over. A second
    Ctrl-C while it destroys leaves the rest to `invoke smoke --remove`."""
    steps: list[SmokeStep] = []
    why, deadline, begun = "", Deadline(seconds), time.monotonic()
    try:
        with deadline:
            for part in parts:
                begun = time.monotonic()
                steps.append(_step(bench, part, {one.name for one in steps if one.state == DONE}))
    except KeyboardInterrupt:
        why = f"the deadline of {seconds / 60:g} minutes" if deadline.passed else "interrupted"
        under_way = parts[len(steps)].name if len(steps) < len(parts) else ""
        if under_way:
            steps.append(SmokeStep(under_way, FAILED, round(time.monotonic() - begun, 1), why))
        bench.say(f"{why}: all that was made is taken away now")
    left = take_away(bench, steps)
    return EndedRun(steps, left, why)


def take_away(bench: Bench, steps: list[SmokeStep]) -> list[LeftThing]:
    """Destroy, and prove it; two more steps."""
    left: list[LeftThing] = []

    def prove(bench: Bench) -> str:
        left.extend(proof.left(bench))
        if left:
            raise SmokeError(f"{len(left)} things are left")
        return "nothing is left, by tags and by names"

    for part in (Part(DESTROY, _destroy), Part(PROOF, prove)):
        try:
            steps.append(_step(bench, part, set()))
        except KeyboardInterrupt:
            steps.append(SmokeStep(part.name, FAILED, 0.0, "interrupted"))
    return left


def _destroy(bench: Bench) -> str:
    if bench.utils:
        bench.spent_usd = _spent(bench)
    failed = clean.away(bench)
    if failed:
        raise SmokeError("; ".join(failed))
    return "the run's stacks, data, images and records"


def _spent(bench: Bench) -> float | None:
    try:
        return jobs.spent_usd(bench)
    except Exception:  # noqa: BLE001  (a table that does not answer has been told by the steps)
        return None


def _step(bench: Bench, part: Part, done: set[str]) -> SmokeStep:
    missing = [name for name in part.needs if name not in done]
    if missing:
        return SmokeStep(part.name, LEFT_OUT, 0.0, f"needs {', '.join(missing)}")
    bench.say(f"== {part.name}")
    begun = time.monotonic()
    try:
        state, said = DONE, part.do(bench)
    except Exception as error:  # noqa: BLE001  (a step that fails is what the report is for)
        state, said = FAILED, _why(error)
        if found := diagnosis.told(bench):
            said = f"{said}. {found}"
    seconds = round(time.monotonic() - begun, 1)
    bench.say(f"   {state} in {seconds} s: {said}")
    return SmokeStep(part.name, state, seconds, said)


def _why(error: Exception) -> str:
    """The error in one line. A call that AWS refused is named."""
    if isinstance(error, (SmokeError, BakeError)):
        return " ".join(str(error).split())
    return f"{type(error).__name__}: {' '.join((message(error) or str(error)).split())}"
