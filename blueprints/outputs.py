"""The outputs of a deployed stack: how the Pulumi CLI is asked for them, and what its answer means. The
console and the image builder run it in ways of their own and read it in this one.
"""

from __future__ import annotations

import json
from subprocess import CompletedProcess
from typing import Any

NO_CLI = (
    "there is no pulumi on PATH",
    "the Pulumi CLI",
    "`invoke setup` finds or makes one; `invoke local.up` as well",
)
"""What is told when the CLI cannot be run: got, allowed, what to do."""


class NoOutputs(Exception):
    """A stack that is not there, or was never deployed: `parts` are got, allowed, what to do."""

    def __init__(self, stack: str, why: str) -> None:
        super().__init__(why)
        self.parts = (
            f"stack '{stack}' has no outputs: {why}",
            "a stack that has been deployed",
            f"deploy it: `invoke deploy {stack}`",
        )


def arguments(stack: str, *, secrets: bool = False) -> list[str]:
    """What the CLI is called with. Values of secrets are "[secret]" unless asked for."""
    shown = ["--show-secrets"] if secrets else []
    return ["stack", "output", "--json", "--non-interactive", "--stack", stack, *shown]


def outputs_of(stack: str, done: CompletedProcess[str]) -> dict[str, Any]:
    """The outputs that the CLI told. Raises NoOutputs when there are none."""
    outputs: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    if not outputs:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise NoOutputs(stack, lines[-1] if lines else "it was never deployed")
    return outputs
