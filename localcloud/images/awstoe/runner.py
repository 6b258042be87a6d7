"""Executes phases of component documents: conditions, loops, attempts, timeouts, chaining, failure
policies.
"""

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from awstoe import loops
from awstoe.actions import unknown_inputs
from awstoe.checks import load
from awstoe.document import Document, InvalidDocument, Step
from awstoe.references import Reference, mapped, resolve
from localcloud.images.awstoe import files, transfer
from localcloud.images.awstoe.conditions import BadCondition, decide, evaluate
from localcloud.images.awstoe.context import CONTEXT
from localcloud.images.awstoe.failure import StepFailed
from localcloud.images.awstoe.files import ActionError
from localcloud.images.awstoe.programs import Programs

_MAXIMUM_NESTING = 3


@dataclass(frozen=True)
class Failure:
    """Why a step failed, and where: ``script`` and ``line`` if the script said so, ``text`` the command or
    its last words of error.
    """

    phase: str
    step: str
    action: str
    message: str
    script: str | None = None
    line: int | None = None
    text: str | None = None


@dataclass
class Result:
    """The result of a run, with AWSTOE's own field names."""

    executionId: str = field(default_factory=lambda: str(uuid.uuid4()))  # noqa: N815 (the service's name)
    status: str = "success"
    failedStepCount: int = 0  # noqa: N815
    executedStepCount: int = 0  # noqa: N815
    ignoredFailedStepCount: int = 0  # noqa: N815
    failureMessage: str = ""  # noqa: N815
    logUrl: str = ""  # noqa: N815
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """For ``detailedoutput.json`` and the builder."""
        return asdict(self)


Event = Callable[[dict[str, Any]], None]


class Runner:
    """Runs documents in the current root. ``event`` hears ``step`` and ``log`` events, without the values of
    SSM parameters. Scripts get
    ``environment``: PATH, LANG, and what the host needs to reach package registries; no HOME, as on AWS.
    """

    def __init__(
        self,
        environment: dict[str, str],
        working_directory: str,
        event: Event,
        aws: transfer.Aws,
        nesting: int = 0,
    ) -> None:
        self._environment = {key: value for key, value in environment.items() if key != "HOME"}
        self._directory = working_directory
        self._hear = event
        self._aws = aws
        self._nesting = nesting
        self._programs = Programs(self._environment, working_directory, self._log)
        self._parameters: dict[str, str] = {}
        self._execution = ""
        self._at = ("", "")  # phase and step
        self._chained: dict[tuple[int, str, str], dict[str, Any]] = {}

    def run(self, documents: list[Document], phases: list[str], execution: str = "") -> Result:
        """Run each phase over all documents before the next phase begins. Naming phases that nothing has is a
        failure, not a success.
        """
        result = Result(execution or str(uuid.uuid4()))
        self._execution = result.executionId
        for name in phases:
            for number, document in enumerate(documents):
                phase = document.phase(name)
                if phase is None:
                    continue
                for step in phase.steps:
                    if not self._step(result, document, number, name, step):
                        result.status = "failed"
                        return result
        if result.executedStepCount == 0:
            found = sorted({phase.name for document in documents for phase in document.phases})
            result.status, result.failedStepCount = "failed", 1
            result.failureMessage = (
                f"no step was run: the documents have the phases {', '.join(found) or 'none'}, asked for "
                f"{', '.join(phases)}"
            )
            result.failure = Failure(",".join(phases), "", "", result.failureMessage)
        elif result.failedStepCount:
            result.status = "failed"
        elif result.ignoredFailedStepCount:
            result.status = "successWithIgnoredFailure"
        return result

    def chaining(self, documents: list[Document]) -> dict[str, Any]:
        """What steps had and gave, by phase.step, for ``chaining.json``: without parameters, and without
        steps that hide their output.
        """
        hidden = {
            (number, phase.name, step.name)
            for number, document in enumerate(documents)
            for phase in document.phases
            for step in phase.steps
            if step.disable_logging
        }
        shown = {key: record for key, record in self._chained.items() if key not in hidden}
        return {f"{phase}.{step}": mapped(record, self._masked) for (_, phase, step), record in shown.items()}

    def _event(self, event: dict[str, Any]) -> None:
        self._hear(
            {key: self._masked(value) if isinstance(value, str) else value for key, value in event.items()}
        )

    def _log(self, line: str) -> None:
        self._event({"type": "log", "line": line})

    def _masked(self, text: str) -> str:
        for name, value in self._parameters.items():
            text = text.replace(value, f"<value of {name}>") if len(value) > 3 else text
        return text

    def _step(self, result: Result, document: Document, number: int, phase: str, step: Step) -> bool:
        """Run a step and report it. False: stop here."""
        started = time.time()
        self._at = (phase, step.name)
        label = {
            "type": "step",
            "name": step.name,
            "phase": phase,
            "action": step.action,
            "component": number,
            "started": started,
        }
        self._event({**label, "status": "RUNNING", "message": ""})
        result.executedStepCount += 1
        try:
            skipped = self._attempts(document, number, phase, step)
        except StepFailed as error:
            ignored = step.on_failure == "Ignore"
            if step.on_failure != "Abort":
                self._log(f"{phase}.{step.name} failed, and the next step runs ({step.on_failure}): {error}")
            self._event(
                {
                    **label,
                    "status": "IGNORED" if ignored else "FAILED",
                    "message": str(error),
                    "ended": time.time(),
                }
            )
            if ignored:
                result.ignoredFailedStepCount += 1
                return True
            result.failedStepCount += 1
            if result.failure is None:
                message = self._masked(str(error))
                text = self._masked(error.text) if error.text else None
                result.failure = Failure(
                    phase, step.name, step.action, message, error.script, error.line, text
                )
                result.failureMessage = (
                    f"Document {document.name} failed: phase {phase}, step {step.name} ({step.action}): "
                    f"{message}"
                )
            return step.on_failure == "Continue"
        self._event(
            {**label, "status": "SKIPPED" if skipped else "COMPLETED", "message": "", "ended": time.time()}
        )
        return True

    def _attempts(self, document: Document, number: int, phase: str, step: Step) -> bool:
        """Run a step up to ``maxAttempts`` times. True: its condition said to skip it."""
        try:
            if step.condition is not None:
                decision = decide(self._resolved(step.condition, document, number, None))
                if decision == "Skip":
                    return True
                if decision == "Abort":
                    raise StepFailed("its condition says Abort")
        except (BadCondition, ActionError) as error:
            raise StepFailed(f"condition: {error}") from error
        for attempt in range(1, step.attempts + 1):
            try:
                self._chained[(number, phase, step.name)] = self._iterations(document, number, step)
                return False
            except StepFailed as error:
                if attempt == step.attempts:
                    raise
                self._log(f"attempt {attempt} of {step.attempts} failed: {error}")
        return False

    def _iterations(self, document: Document, number: int, step: Step) -> dict[str, Any]:
        deadline = None if step.timeout is None else time.monotonic() + step.timeout
        if step.loop is None:
            return self._once(document, number, step, None, deadline)
        try:
            values = loops.values(self._resolved(step.loop, document, number, None))
        except ActionError as error:
            raise StepFailed(f"loop: {error}") from error
        name = step.loop.get("name", "loop")
        records: list[dict[str, Any]] = []
        failures: list[tuple[int, StepFailed]] = []
        for index, value in enumerate(values):
            if deadline is not None and time.monotonic() > deadline:
                raise StepFailed(
                    f"it took longer than {step.timeout} s and was ended before iteration {index}"
                )
            try:
                records.append(self._once(document, number, step, (name, str(index), value), deadline))
            except StepFailed as error:
                failures.append((index, error))
        if failures:
            first = failures[0][1]
            indices = ", ".join(str(index) for index, _ in failures)
            raise StepFailed(f"iterations {indices} failed: {first}", first.script, first.line, first.text)
        stdout = "\n".join(
            str(record["outputs"][0].get("stdout", "")) for record in records if record["outputs"]
        )
        return {"inputs": records[-1]["inputs"] if records else [], "outputs": [{"stdout": stdout}]}

    def _once(
        self,
        document: Document,
        number: int,
        step: Step,
        loop: tuple[str, str, str] | None,
        deadline: float | None,
    ) -> dict[str, Any]:
        try:
            inputs = self._resolved(step.inputs, document, number, loop)
            items: list[dict[str, Any]] = inputs if isinstance(inputs, list) else [inputs or {}]
            outputs = [self._act(step, item, deadline) for item in items]
        except (ActionError, BadCondition, OSError, shutil.Error, UnicodeError) as error:
            raise StepFailed(str(error)) from error
        return {"inputs": items, "outputs": outputs}

    def _resolved(
        self, value: Any, document: Document, number: int, loop: tuple[str, str, str] | None
    ) -> Any:
        def look_up(reference: Reference) -> str:
            if reference.kind == "value":
                return document.values[reference.text]
            if reference.kind == "ssm":
                name = (
                    document.values.get(reference.variable, reference.variable)
                    if reference.direction
                    else reference.variable
                )
                self._parameters[name] = self._aws.parameter(name)
                return self._parameters[name]
            if reference.kind == "env":
                if reference.variable not in self._environment:
                    raise ActionError(f"the environment has no {reference.variable}")
                return self._environment[reference.variable]
            if reference.kind == "imds":
                return self._aws.metadata(f"meta-data/{reference.variable.lstrip('/')}")
            if reference.kind == "context":
                return CONTEXT[reference.variable](self._aws, self._execution, *self._at)
            if reference.kind == "loop" and loop is not None and reference.step in ("loop", loop[0]):
                return loop[1] if reference.variable == "index" else loop[2]
            if reference.kind == "chain":
                return self._chain(reference, number)
            return "{{ " + reference.text + " }}"

        return resolve(value, look_up)

    def _chain(self, reference: Reference, number: int) -> str:
        """What an earlier step had or gave. Outputs of several items, without an index: one a line."""
        record = self._chained.get((number, reference.phase, reference.step))
        sides = record[reference.direction] if record else []
        if reference.index is not None or reference.direction == "inputs":
            sides = sides[reference.index or 0 :][:1]
        found = [str(side[reference.variable]) for side in sides if reference.variable in side]
        if not found:
            raise ActionError(
                f"{{{{ {reference.text} }}}} has no value: that step was skipped, failed, or "
                f"gives no {reference.variable}"
            )
        return "\n".join(found)

    def _act(self, step: Step, inputs: dict[str, Any], deadline: float | None) -> dict[str, str]:
        if unknown := unknown_inputs(step.action, inputs):
            self._log(f"warning: {step.action} does not know {', '.join(unknown)}")
        if step.action in files.FILE_ACTIONS:
            outputs = files.FILE_ACTIONS[step.action](inputs)
            if (
                step.action == "ReadFile"
                and files.true(inputs, "printFileContent", "false")
                and not step.disable_logging
            ):
                for line in outputs["content"].splitlines():
                    self._log(line)
            return outputs
        match step.action:
            case "ExecuteBash":
                return self._programs.bash(step, inputs, deadline)
            case "ExecuteBinary":
                return self._programs.binary(step, inputs, deadline)
            case "ExecuteDocument":
                return self._document(inputs)
            case "Assert":
                if not evaluate(inputs):
                    raise StepFailed(f"the assertion does not hold: {inputs}")
                return {}
            case "Reboot":
                self._log(
                    "Reboot: a local build has no machine to restart; the steps after it go on in the "
                    "same root"
                )
                return {}
            case "UpdateOS":
                return self._programs.update(step, inputs, deadline)
            case "S3Download":
                return transfer.s3_download(inputs, self._aws)
            case "S3Upload":
                return transfer.s3_upload(inputs, self._aws)
            case _:
                return transfer.web_download(inputs)

    def _document(self, inputs: dict[str, Any]) -> dict[str, str]:
        if self._nesting >= _MAXIMUM_NESTING:
            raise ActionError(f"documents nested more than {_MAXIMUM_NESTING} deep")
        source = inputs["document"]
        if source.startswith("arn:"):
            raise ActionError(
                f"{source}: a component by its ARN cannot be run locally; name a file or an s3:// location"
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(source)
            if source.startswith("s3://"):
                path = Path(folder) / "document.yaml"
                transfer.s3_download({"source": source, "destination": str(path)}, self._aws)
            given = {entry["name"]: str(entry["value"]) for entry in inputs.get("parameters") or []}
            try:
                document = load(path.read_text(encoding="utf-8"), given, name=source)
            except InvalidDocument as error:
                raise ActionError(str(error)) from error
        wanted = [name.strip() for name in str(inputs.get("phases") or "").split(",") if name.strip()]
        wanted = wanted or [phase.name for phase in document.phases]
        inner = Runner(self._environment, self._directory, self._event, self._aws, self._nesting + 1)
        if (result := inner.run([document], wanted, self._execution)).failedStepCount:
            raise ActionError(result.failureMessage)
        return {}
