"""The Pulumi CLI as a child process: updates that are summed up from the engine's own events, and stack
outputs.
"""

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

from blueprints.outputs import NO_CLI, NoOutputs, outputs_of
from blueprints.outputs import arguments as outputs_arguments
from console.errors import UserError
from console.interrupts import running

LOCKED = "the stack is currently locked"
"""What the CLI says of a stack that another update works on, or that a killed one left so."""
# What the engine calls an operation -> what a person reads.
_WORDS = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "same": "unchanged",
}


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
        counts = [
            f"{self.changes[operation]} {word}"
            for operation, word in _WORDS.items()
            if self.changes.get(operation)
        ]
        return f"{', '.join(counts) or 'no resources'} in {self.seconds:.1f} s"


class Engine:
    """The CLI in the project at `root`. `environ` is the whole environment of the child; by default that of
    this process.
    """

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None) -> None:
        self.root, self.environ = root, dict(os.environ if environ is None else environ)

    def command(self, *arguments: str) -> list[str]:
        return [self._pulumi(), *arguments]

    def up(self, stack: str, log: Path) -> Update:
        """Deploy without a preview. The CLI's whole output goes to the file `log`; a failure raises UserError
        with what failed.
        """
        return self._update("up", stack, log, ["--skip-preview", "--suppress-outputs"])

    def destroy(self, stack: str, log: Path) -> Update:
        """Destroy the stack's resources (the stack itself stays, empty)."""
        return self._update("destroy", stack, log, ["--skip-preview"])

    def outputs(self, stack: str, *, secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs; secrets stay "[secret]" unless asked for. Raises UserError when there is no
        such stack or it was never deployed."""
        try:
            return outputs_of(stack, self.capture(*outputs_arguments(stack, secrets=secrets)))
        except NoOutputs as error:
            raise UserError(*error.parts) from error

    def outputs_if_any(self, stack: str) -> dict[str, Any]:
        """The stack's outputs; none for a stack that is not there or was never deployed."""
        try:
            return outputs_of(stack, self.capture(*outputs_arguments(stack)))
        except NoOutputs:
            return {}

    def stacks(self) -> list[dict[str, Any]]:
        """The project's stacks in the backend of this environment: `name`, `resourceCount` (left out for
        none).
        """
        done = self.capture("stack", "ls", "--json", "--non-interactive")
        if done.returncode != 0:
            if cut := self.torn():
                stacks = [file.name.partition(".json")[0] for file in cut if "stacks" in file.parts]
                raise UserError(
                    f"the Pulumi backend has files whose writing was cut off: {', '.join(map(str, cut))}",
                    "files that a finished write has left",
                    f"when no deploy runs, one was killed: invoke unlock {stacks[0] if stacks else 'STACK'}",
                )
            raise UserError(
                f"the Pulumi backend does not answer: {_last(done.stderr)}",
                "a backend that this shell is logged in to",
                "`pulumi login`, or `invoke local.up` for the local one",
            )
        return list(json.loads(done.stdout))

    def torn(self) -> list[Path]:
        """Files of a backend on this machine that no engine can read."""
        from localcloud.pulumi import torn

        folder = torn.folder(self.environ.get("PULUMI_BACKEND_URL", ""))
        return torn.torn(folder) if folder else []

    def mend(self) -> list[Path]:
        """Make such a backend readable again; what was torn. Only when nobody deploys."""
        from localcloud.pulumi import torn

        folder = torn.folder(self.environ.get("PULUMI_BACKEND_URL", ""))
        return torn.mend(folder) if folder else []

    def stack_names(self) -> list[str]:
        """The names of these stacks."""
        return [str(one["name"]) for one in self.stacks()]

    def export(self, stack: str) -> dict[str, Any]:
        """The stack's state, its secrets sealed."""
        done = self.capture("stack", "export", "--stack", stack, "--non-interactive")
        if done.returncode != 0:
            raise UserError(
                f"no state of '{stack}': {_last(done.stderr)}",
                "a stack that exists",
                f"make it: invoke new-stack {stack}",
            )
        return dict(json.loads(done.stdout))

    def export_if_any(self, stack: str) -> dict[str, Any] | None:
        """The same; None for a stack that is not there. One call says all that a command wants to know."""
        done = self.capture("stack", "export", "--stack", stack, "--non-interactive")
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """What the stack's state knows; nothing for a stack that is not there."""
        return resources_of(self.export_if_any(stack))

    def import_state(self, stack: str, document: Mapping[str, Any]) -> None:
        """Put a state in the place of the stack's own. The engine refuses one that does not hold together."""
        with tempfile.TemporaryDirectory(prefix="neurocaas-") as scratch:
            file = Path(scratch) / "state.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps(document))
            done = self.capture("stack", "import", "--stack", stack, "--file", str(file), "--non-interactive")
        if done.returncode != 0:
            said = done.stderr.strip()
            do = unlocking(stack) if LOCKED in said else "this is a defect of the program: please report it"
            raise UserError(
                f"the state of stack '{stack}' cannot be written:\n{said}",
                "a state that holds together, and no lock",
                do,
            )

    def settings_file(self, stack: str) -> Path:
        """Where the stack's settings are, or would be (`stackConfigDir` of Pulumi.yaml)."""
        return self.root / "stacks" / f"Pulumi.{stack}.yaml"

    def region(self, stack: str) -> str | None:
        """The region that the settings of a stack name, its own before the project's."""
        done = self.capture("config", "get", "aws:region", "--stack", stack, "--non-interactive")
        return done.stdout.strip() or None

    def preview_steps(self, stack: str) -> list[dict[str, Any]]:
        """What a deploy would do, step by step."""
        done = self.capture("preview", "--json", "--stack", stack, "--non-interactive")
        try:
            digest = json.loads(done.stdout)
        except ValueError:
            digest = {}
        if done.returncode != 0 or "steps" not in digest:
            errors = [
                plain(one["message"]).strip()
                for one in digest.get("diagnostics") or ()
                if one.get("severity") == "error"
            ]
            said = "\n".join(f"  {line}" for line in dict.fromkeys(errors or [_last(done.stderr)]))
            raise UserError(
                f"the program of stack '{stack}' does not run:\n{said}",
                "a program and a cloud that agree",
                "put right what is said above",
            )
        return list(digest["steps"])

    def capture(self, *arguments: str, debug: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run the CLI quietly, with its output as text. `debug`: with the flags that it hides."""
        environ = {**self.environ, **({"PULUMI_DEBUG_COMMANDS": "1"} if debug else {})}
        return subprocess.run(
            self.command(*arguments), cwd=self.root, env=environ, capture_output=True, text=True, check=False
        )

    def show(self, *arguments: str) -> int:
        """Run the CLI on this terminal and return its exit code. Its warnings about plugins that the local
        cloud put there stay out, and of a lock it is said what to do here."""
        from localcloud.pulumi.environment import HARMLESS

        locked = False
        with running(
            self.command(*arguments), cwd=self.root, env=self.environ, stderr=subprocess.PIPE
        ) as child:
            for line in child.stderr or ():
                locked = locked or LOCKED in line
                if not any(warning in line for warning in HARMLESS):
                    sys.stderr.write(line)
        if locked and "--stack" in arguments:
            sys.stderr.write(
                "  allowed: one deploy of a stack at a time\n  do: "
                f"{unlocking(arguments[arguments.index('--stack') + 1])}\n"
            )
        return child.returncode

    def _update(self, verb: str, stack: str, log: Path, flags: Sequence[str]) -> Update:
        log.parent.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="neurocaas-") as scratch, log.open("w") as out:
            events = Path(scratch) / "events.jsonl"
            arguments = [
                verb,
                "--yes",
                "--non-interactive",
                "--color",
                "never",
                "--stack",
                stack,
                "--event-log",
                str(events),
                *flags,
            ]
            # the CLI hides --event-log; its automation API sets the same
            environ = {**self.environ, "PULUMI_DEBUG_COMMANDS": "1"}
            # Its own process group: a Ctrl-C reaches it once, so that it ends what it has begun and writes
            # down what there is.
            with running(
                self.command(*arguments), cwd=self.root, env=environ, process_group=0,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            ) as child:  # fmt: skip
                pass
            seen = (
                [json.loads(line) for line in events.read_text().splitlines() if line]
                if events.exists()
                else []
            )
        if child.returncode != 0:
            raise UserError(
                f"pulumi {verb} of stack '{stack}' failed:\n{failure(seen, log.read_text())}",
                "a program and a cloud that agree",
                f"put right what is said above, then try again; the whole output is in {log}",
            )
        return Update(stack, time.monotonic() - begun, resource_changes(seen))

    def _pulumi(self) -> str:
        from localcloud.pulumi.cli import on_path

        found = on_path(self.environ.get("PATH"))
        if found is None:
            raise UserError(*NO_CLI)
        return str(found)


def resources_of(state: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The resources in a state as `export` gives it."""
    deployment = (state or {}).get("deployment") or {}
    return list(deployment.get("resources") or ())


def outputs_in(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """The stack's outputs by its state; what is secret is sealed in it."""
    stacks = (one for one in resources_of(state) if one["type"] == "pulumi:pulumi:Stack")
    return next((dict(one.get("outputs") or {}) for one in stacks), {})


def resource_changes(events: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The engine's count of resources by operation, from its event log."""
    counts: dict[str, int] = {}
    for event in events:
        counts = (event.get("summaryEvent") or {}).get("resourceChanges") or counts
    return {str(operation): int(count) for operation, count in counts.items()}


def unlocking(stack: str) -> str:
    """What to do about a lock."""
    return f"wait for the deploy that runs; when none does, one was killed: invoke unlock {stack}"


def failure(events: Iterable[Mapping[str, Any]], output: str) -> str:
    """The engine's error messages, each once and with the resource it is about; without any, the end of its
    output.
    """
    said: list[str] = []
    for event in events:
        diagnostic = event.get("diagnosticEvent") or {}
        if diagnostic.get("severity") == "error":
            name = str(diagnostic.get("urn", "")).rpartition("::")[2]
            text = plain(str(diagnostic.get("message", ""))).strip()
            line = f"  {name}: {text}" if name else f"  {text}"
            if text and line not in said:
                said.append(line)
    return "\n".join(said) if said else "\n".join(f"  {line}" for line in output.splitlines()[-15:])


def plain(text: str) -> str:
    """The message without the engine's colour marks (`<{%reset%}>`)."""
    while "<{%" in text and "%}>" in text:
        before, _, rest = text.partition("<{%")
        text = before + rest.partition("%}>")[2]
    return text


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "the CLI said nothing"
