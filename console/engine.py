"""The Pulumi CLI as a child process: updates that are summed up from the engine's own events, and stack outputs."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.errors import UserError
from console.interrupts import running

# What the engine calls an operation -> what a person reads.
_WORDS = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted", "same": "unchanged"}


@dataclass(frozen=True)
class Update:
    """What one `pulumi up` or `pulumi destroy` did: `changes` counts resources by operation."""

    stack: str
    seconds: float
    changes: Mapping[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        return sum(count for operation, count in self.changes.items() if operation != "same")

    def text(self) -> str:
        counts = [f"{self.changes[operation]} {word}" for operation, word in _WORDS.items() if self.changes.get(operation)]
        return f"{', '.join(counts) or 'no resources'} in {self.seconds:.1f} s"


class Engine:
    """The CLI in the project at `root`. `environ` is the whole environment of the child; by default that of this process."""

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None) -> None:
        self.root, self.environ = root, dict(os.environ if environ is None else environ)

    def command(self, *arguments: str) -> list[str]:
        return [self._pulumi(), *arguments]

    def up(self, stack: str, log: Path) -> Update:
        """Deploy without a preview. The CLI's whole output goes to the file `log`; a failure raises UserError with what failed."""
        return self._update("up", stack, log, ["--skip-preview", "--suppress-outputs"])

    def destroy(self, stack: str, log: Path) -> Update:
        """Destroy the stack's resources (the stack itself stays, empty)."""
        return self._update("destroy", stack, log, ["--skip-preview"])

    def outputs(self, stack: str, *, secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs; secrets stay "[secret]" unless asked for. Raises UserError when there is no such stack or it was never
        deployed."""
        shown = ("--show-secrets",) if secrets else ()
        done = self.capture("stack", "output", "--json", "--stack", stack, "--non-interactive", *shown)
        if done.returncode != 0:
            raise UserError(
                f"no outputs of stack '{stack}': {_last(done.stderr)}",
                "a stack that has been deployed",
                f"deploy it: `invoke deploy {stack}`",
            )
        outputs = json.loads(done.stdout)
        if not outputs:
            raise UserError(f"stack '{stack}' has no outputs", "a stack that has been deployed", f"deploy it: `invoke deploy {stack}`")
        return dict(outputs)

    def outputs_if_any(self, stack: str) -> dict[str, Any]:
        """The stack's outputs; none for a stack that is not there or was never deployed."""
        done = self.capture("stack", "output", "--json", "--stack", stack, "--non-interactive")
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    def stacks(self) -> list[dict[str, Any]]:
        """The project's stacks in the backend of this environment: `name`, `resourceCount` (left out for none)."""
        done = self.capture("stack", "ls", "--json", "--non-interactive")
        if done.returncode != 0:
            raise UserError(
                f"the Pulumi backend does not answer: {_last(done.stderr)}",
                "a backend that this shell is logged in to",
                "`pulumi login`, or `invoke local.up` for the local one",
            )
        return list(json.loads(done.stdout))

    def stack_names(self) -> list[str]:
        """The names of these stacks."""
        return [str(one["name"]) for one in self.stacks()]

    def capture(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the CLI quietly, with its output as text."""
        return subprocess.run(self.command(*arguments), cwd=self.root, env=self.environ, capture_output=True, text=True, check=False)

    def show(self, *arguments: str) -> int:
        """Run the CLI on this terminal and return its exit code. Its warnings about plugins that the local cloud put there stay out."""
        from localcloud.pulumi.environment import HARMLESS

        with running(self.command(*arguments), cwd=self.root, env=self.environ, stderr=subprocess.PIPE) as child:
            for line in child.stderr or ():
                if not any(warning in line for warning in HARMLESS):
                    sys.stderr.write(line)
        return child.returncode

    def _update(self, verb: str, stack: str, log: Path, flags: Sequence[str]) -> Update:
        log.parent.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="neurocaas-") as scratch, log.open("w") as out:
            events = Path(scratch) / "events.jsonl"
            arguments = [verb, "--yes", "--non-interactive", "--color", "never", "--stack", stack, "--event-log", str(events), *flags]
            environ = {**self.environ, "PULUMI_DEBUG_COMMANDS": "1"}  # the CLI hides --event-log; its automation API sets the same
            # Its own process group: a Ctrl-C reaches it once, so that it ends what it has begun and writes down what there is.
            with running(
                self.command(*arguments), cwd=self.root, env=environ, process_group=0,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            ) as child:  # fmt: skip
                pass
            seen = [json.loads(line) for line in events.read_text().splitlines() if line] if events.exists() else []
        if child.returncode != 0:
            raise UserError(
                f"pulumi {verb} of stack '{stack}' failed:\n{_failure(seen, log)}",
                "a program and a cloud that agree",
                f"put right what is said above, then try again; the whole output is in {log}",
            )
        return Update(stack, time.monotonic() - begun, resource_changes(seen))

    def _pulumi(self) -> str:
        from localcloud.pulumi.cli import on_path

        found = on_path(self.environ.get("PATH"))
        if found is None:
            raise UserError("there is no pulumi on PATH", "the Pulumi CLI", "`invoke setup` finds or makes one; `invoke local.up` as well")
        return str(found)


def resource_changes(events: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The engine's count of resources by operation, from its event log."""
    counts: dict[str, int] = {}
    for event in events:
        counts = (event.get("summaryEvent") or {}).get("resourceChanges") or counts
    return {str(operation): int(count) for operation, count in counts.items()}


def _failure(events: Iterable[Mapping[str, Any]], log: Path) -> str:
    """The engine's error messages, each once and with the resource it is about; without any, the end of its output."""
    said: list[str] = []
    for event in events:
        diagnostic = event.get("diagnosticEvent") or {}
        if diagnostic.get("severity") == "error":
            name = str(diagnostic.get("urn", "")).rpartition("::")[2]
            text = plain(str(diagnostic.get("message", ""))).strip()
            line = f"  {name}: {text}" if name else f"  {text}"
            if text and line not in said:
                said.append(line)
    return "\n".join(said) if said else "\n".join(f"  {line}" for line in log.read_text().splitlines()[-15:])


def plain(text: str) -> str:
    """The message without the engine's colour marks (`<{%reset%}>`)."""
    while "<{%" in text and "%}>" in text:
        before, _, rest = text.partition("<{%")
        text = before + rest.partition("%}>")[2]
    return text


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "the CLI said nothing"
