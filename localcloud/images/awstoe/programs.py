"""The actions that start programs: ExecuteBash, ExecuteBinary, UpdateOS."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from awstoe.document import Step
from localcloud.images.awstoe.failure import StepFailed, explain
from localcloud.images.awstoe.files import ActionError
from localcloud.images.awstoe.process import run

REBOOT_STATUS = 194
_MAXIMUM_REBOOTS = 10


class Programs:
    """Starts programs in ``directory`` with ``environment``; ``log`` hears each line of theirs, unless a step
    hides its output.
    """

    def __init__(self, environment: dict[str, str], directory: str, log: Callable[[str], None]) -> None:
        self._environment, self._directory, self._log = environment, directory, log
        self._scripts = 0

    def bash(self, step: Step, inputs: dict[str, Any], deadline: float | None) -> dict[str, str]:
        """All commands as one file, run by plain ``bash``, as the service does it."""
        self._scripts += 1
        folder = Path(tempfile.gettempdir()) / f"AWSTOE{self._scripts}"
        folder.mkdir(mode=0o700, exist_ok=True)
        script = folder / f"script-{self._scripts}.sh"
        script.write_text(
            "\n".join(command.rstrip("\n") for command in inputs["commands"]) + "\n", encoding="utf-8"
        )
        try:
            return self._execute(step, ["bash", str(script)], deadline, script)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def binary(self, step: Step, inputs: dict[str, Any], deadline: float | None) -> dict[str, str]:
        """A program by its path or name, with arguments."""
        path = shutil.which(inputs["path"], path=self._environment.get("PATH"))
        if path is None:
            raise ActionError(f"the program {inputs['path']} does not exist or cannot be executed")
        return self._execute(step, [path, *(inputs.get("arguments") or [])], deadline, None)

    def update(self, step: Step, inputs: dict[str, Any], deadline: float | None) -> dict[str, str]:
        """New versions of all packages, or of those that are named."""
        if shutil.which("apt-get", path=self._environment.get("PATH")) is None:
            raise ActionError("UpdateOS needs apt-get here")
        include, exclude = inputs.get("include") or [], inputs.get("exclude") or []
        commands = [
            ["apt-get", "update"],
            *([["apt-mark", "hold", *exclude]] if exclude else []),
            ["apt-get", "install", "-y", "--only-upgrade", *include]
            if include
            else ["apt-get", "upgrade", "-y"],
            *([["apt-mark", "unhold", *exclude]] if exclude else []),
        ]
        quiet = Programs(
            {**self._environment, "DEBIAN_FRONTEND": "noninteractive"}, self._directory, self._log
        )
        for command in commands:
            quiet._execute(step, command, deadline, None)
        return {}

    def _execute(
        self, step: Step, command: list[str], deadline: float | None, script: Path | None
    ) -> dict[str, str]:
        Path(self._directory).mkdir(parents=True, exist_ok=True)

        def say(stream: str, line: str) -> None:
            if not step.disable_logging:
                self._log(f"{'Stdout' if stream == 'stdout' else 'Stderr'}: {line}")

        for _ in range(_MAXIMUM_REBOOTS + 1):
            left = None if deadline is None else max(1, int(deadline - time.monotonic()))
            done = run(command, cwd=self._directory, environment=self._environment, timeout=left, say=say)
            if done.status == 0:
                return {"stdout": done.stdout.rstrip("\n")}
            if done.status != REBOOT_STATUS:
                raise explain(step, done, script)
            self._log(
                f"exit status {REBOOT_STATUS}: the machine would restart now; the same step is run again"
            )
        raise StepFailed(
            f"it asked for a restart (exit status {REBOOT_STATUS}) more than {_MAXIMUM_REBOOTS} times"
        )
