"""Why a script failed, and in which line: from what it wrote on standard error."""

import re
from pathlib import Path

from awstoe.document import Step
from localcloud.images.awstoe.process import Finished

_MARKERS = (
    re.compile(r"::error file=(?P<file>[^,]*),line=(?P<line>\d+)::(?P<text>.*)"),
    re.compile(r"^(?P<file>/\S*?script-\d+\.sh): line (?P<line>\d+): (?P<text>.*)"),
)


class StepFailed(Exception):
    """A step did not succeed."""

    def __init__(
        self, message: str, script: str | None = None, line: int | None = None, text: str | None = None
    ) -> None:
        super().__init__(message)
        self.script, self.line, self.text = script, line, text


def explain(step: Step, done: Finished, script: Path | None) -> StepFailed:
    """The failure of a program that ended with another status than 0, or ran out of time."""
    if done.status is None:
        return StepFailed(f"it took longer than {step.timeout} s and was ended with all its processes")
    message = f"exit status {done.status}" if done.status > 0 else f"ended by signal {-done.status}"
    if step.disable_logging:
        return StepFailed(f"{message} (the step hides its output)")
    match = _marker(done.stderr)
    if match is not None:
        name, number = match["file"], int(match["line"])
        own = script is not None and name == str(script)
        text = _line(script, number) if own and script else match["text"]
        name = step.name if own else name
        return StepFailed(f"{message} at line {number} of {name}: {match['text']}", name, number, text)
    last = [line for line in done.stderr if line.strip()][-3:]
    return StepFailed(f"{message}{': ' + ' | '.join(last) if last else ''}", text="\n".join(last) or None)


def _marker(stderr: tuple[str, ...]) -> re.Match[str] | None:
    """Where a script says that it failed.

    A failure inside a function is reported for each caller too: the first of the last reports is the place.
    """
    for pattern in _MARKERS:
        found: re.Match[str] | None = None
        for line in reversed(stderr):
            match = pattern.search(line)
            if match is not None:
                found = match
            elif found is not None:
                break
        if found is not None:
            return found
    return None


def _line(script: Path, number: int) -> str | None:
    lines = script.read_text(encoding="utf-8").splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else None
