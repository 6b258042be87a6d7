"""`stack_config_template.json` of the first implementation: what each field meant, and what becomes of it.

The fields are those of the 41 files that the first implementation shipped. A field that nothing ever read is
dropped with these words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from blueprints import machine_kinds, old_command, old_types
from blueprints.checks import near_types
from blueprints.finding import Path
from blueprints.old_fields import DEAD, Field, ImportContext, drop
from blueprints.reserved import RESERVED
from blueprints.starter import NAME_RULE
from blueprints.verdicts import Draft, as_json
from neurocaas.protocol.names import ANALYSIS_NAME

_VOLUME_GIB = 200
"""Root volume of a machine of an old image, whose size nobody wrote down: EC2 starts none whose volume is
smaller than the image's.
"""
_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_STAGES = {"webdev": "webdev", "develop": "develop", "websubstack": "prod"}
_HANDLERS = {
    "submit_start.handler_develop": "the manager does what it did",
    "submit_start.handler_ensemble": "the manager does what it did; members are submitted as jobs of their own",  # noqa: E501
    "submit_start.handler_multisession": "the manager does what it did; sessions of one machine are a folder: a dataname that ends in '/'",  # noqa: E501
    "submit_start_legacy_wfield_preprocess.handler": "the manager takes its place; its preparing step is not part of this service",  # noqa: E501
}
"""The handlers that its last version has; it deploys the others as well, and every job of theirs fails."""
_POST_HANDLERS = ("postprocess.postprocess_prediction", "data_format_lambda.lambda_handler")


def _name(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    if context.name is not None:
        draft.set("name", context.name)
        if ANALYSIS_NAME.fullmatch(value) and value != context.name:
            draft.set("bucket", value)
            draft.mapped(path, value, "bucket", f"the analysis is called {context.name}, as --name says")
        else:
            draft.mapped(path, value, "name", f"as --name says: {context.name}")
    elif ANALYSIS_NAME.fullmatch(value) and value not in {*RESERVED, *context.taken}:
        draft.set("name", value)
        draft.mapped(path, value, "name")
    elif context.otherwise is not None:
        draft.set("name", context.otherwise)
        do = "Rename the folder and its name, if it is to be called otherwise"
        allowed = "a name that no other has" if value in {*RESERVED, *context.taken} else NAME_RULE
        draft.decide(
            path, value, "name", f"it is called {context.otherwise}, after its folder or file", allowed, do
        )
    else:
        allowed = f"any other name: {RESERVED[value]}" if value in RESERVED else NAME_RULE
        draft.impossible(path, as_json(value), allowed, "Correct it, or give another with --name NAME")


def _region(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    if REGION.fullmatch(value):
        do = (
            f"where it runs is the stack's setting aws:region (pulumi config set aws:region {value} --stack "
            "STACK)"
        )
        draft.dropped(path, value, do)
    else:
        draft.impossible(
            path, as_json(value), "the name of a region, for instance us-east-1", "Correct it, or remove it"
        )


def _stage(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    if value in _STAGES:
        draft.stage = _STAGES[value]
        draft.mapped(path, value, "the stack's name", f"…-{draft.stage}")
    else:
        allowed = ", ".join(_STAGES)
        draft.impossible(
            path,
            as_json(value),
            allowed,
            "Choose one; a stage is part of the stack's name here: <analysis>-<stage>",
        )


def _handler(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    """Whatever it was: nothing here needs it."""
    unknown = (
        "the manager takes its place; the first implementation, as it was last, has no such handler, and "
        "every job would fail there"
    )
    draft.mapped(path, value, "the manager", _HANDLERS.get(value, unknown))


def _post_handler(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    why = "a step after a job, which is not part of this service"
    if value not in _POST_HANDLERS:
        why += "; the first implementation, as it was last, has no such handler, so it was none there either"
    draft.decide(
        path,
        value,
        "",
        why,
        "no step after a job",
        "Submit the second step as a job of its own on the results, if there is one",
    )


def _ami(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    if _AMI.fullmatch(value):
        draft.set("image.parent", value)
        draft.set("image.required", False)
        draft.set("instance.volume_gib", _VOLUME_GIB)
        why = (
            "an image of one region and account, whose making nobody recorded: write provision/*.sh. There "
            "a disk was as large as the "
            f"image and __dataset_size__; here instance.volume_gib says it, {_VOLUME_GIB} until you know "
            "what the image needs"
        )
        draft.mapped(path, value, "image.parent", why)
    else:
        do = "Correct it, or import --anyway to start from ubuntu24"
        draft.impossible(path, as_json(value), "the id of an image, ami- and 8 to 17 hexadecimal digits", do)


def _instance_type(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    if value in context.types:
        draft.set("instance.type", value)
        draft.mapped(path, value, "instance.type", _may_ask(value, context))
        return
    place = old_types.same_kind(value, context.types)
    if place is None:
        do = "Choose one of these, or import --anyway with m5.large"
        draft.impossible(path, as_json(value), near_types(value, context.types), do)
        return
    was, now = machine_kinds.kind(value), machine_kinds.kind(place)
    covers = was is not None and now is not None and now.covers(was)
    price = (
        f", {old_types.cost(place, context.types):g} US dollars an hour"
        if isinstance(context.types, Mapping)
        else ""
    )
    much = "has as much" if covers else "lacks least of what it had"
    why = (
        f"{value} ({was}) is not on offer any more; {place} ({now}{price}) {much}. {_may_ask(place, context)}"
    )
    draft.set("instance.type", place)
    do = (
        "Try it with a real dataset, and choose another type if it is not right: an old image may have no "
        "driver for a newer GPU"
    )
    draft.decide(path, value, f"instance.type {place}", why, near_types(place, context.types), do)


def _may_ask(value: str, context: ImportContext) -> str:
    count = len(old_types.askable(value, context.types))
    return f"A submission may ask for {count} types (instance.types); there it could ask for any"


def _command(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    wrong = old_command.fault(value)
    if wrong is not None:
        allowed = f"a shell line with four placeholders {{}}: {', '.join(old_command.PLACEHOLDERS)}"
        do = "Correct it, or import --anyway: machines run run_main.sh with the blueprint's script"
        draft.impossible(path, f"{as_json(value)}, {wrong}", allowed, do)
        return
    command = old_command.read(value)
    draft.command, draft.command_text = command, value
    kept = "; ".join(step.text for step in command.steps if step.text) or "nothing else"
    runs = (
        f"runs {command.script}"
        if command.script
        else "runs what it ran"
        if command.runs
        else "says what is missing"
    )
    out = f". Not in it: {'; '.join(command.left_out)}" if command.left_out else ""
    why = f"The run script was written from it: it {runs}, with the same four arguments, and does {kept}{out}"
    if command.doubts:
        allowed = f"four placeholders {{}} behind one script: {', '.join(old_command.PLACEHOLDERS)}"
        draft.decide(
            path, value, "script", f"{'; '.join(command.doubts)}. {why}", allowed, "Look at the run script"
        )
    else:
        draft.mapped(path, value, "script", why)


def _directory(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    draft.directory = value
    draft.mapped(
        path,
        value,
        "script",
        "the run script changes to it, where it is there; else it stays in /home/ubuntu, where jobs start",
    )


def _role(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    draft.dropped(
        path,
        value,
        "machines get a role of their own, which reads its group's inputs and writes its group's results, "
        "and nothing else: "
        "what this one let the script do besides needs `outside_buckets` in the blueprint",
    )


def _shutdown(draft: Draft, path: Path, value: str, context: ImportContext) -> None:
    if value == "terminate":
        draft.mapped(path, value, "the launch template", "machines always terminate")
    else:
        draft.impossible(
            path,
            as_json(value),
            "terminate",
            "Write terminate: a machine that is only stopped keeps data and costs money",
        )


def _launch(draft: Draft, path: Path, value: bool, context: ImportContext) -> None:
    if value:
        draft.mapped(path, value, "the manager", "it starts a machine for each dataset")
    else:
        draft.impossible(
            path,
            as_json(value),
            "true",
            "Write true: the first implementation does not have the other either",
        )


def _monitor(draft: Draft, path: Path, value: bool, context: ImportContext) -> None:
    if value:
        draft.mapped(path, value, "the monitor", "it watches every machine")
    else:
        draft.dropped(
            path,
            value,
            "every machine is watched: without that no job would end. The first "
            "implementation ignored false, too",
        )


def _job_limit(draft: Draft, path: Path, value: int, context: ImportContext) -> None:
    minutes = -(-value // 60)
    if 1 <= minutes <= 43200:
        draft.set("instance.max_duration_minutes", minutes)
        draft.set("instance.duration_minutes", min(60, minutes))
        why = f"seconds, as {minutes} minutes; a job without __duration__ has 60 at most"
        draft.mapped(path, value, "instance.max_duration_minutes", why)
    else:
        draft.impossible(
            path, as_json(value), "1 to 2592000 seconds", "Correct it, or import --anyway with 2880 minutes"
        )


def _machines(draft: Draft, path: Path, value: int, context: ImportContext) -> None:
    if 1 <= value <= 10000:
        draft.set("limits.datasets", value)
        why = "there: machines of this type in the whole account; here: datasets of one submission"
        draft.mapped(path, value, "limits.datasets", why)
    else:
        draft.impossible(path, as_json(value), "1 to 10000", "Correct it, or import --anyway with 500")


def _budget(draft: Draft, path: Path, value: float | str, context: ImportContext) -> None:
    try:
        dollars = float(value)
    except (ValueError, OverflowError):
        dollars = -1.0
    if 0 <= dollars < math.inf:
        draft.set("budget_usd", int(dollars) if dollars.is_integer() else dollars)
        draft.mapped(path, value, "budget_usd", "there: for ever; here: each month")
    else:
        draft.impossible(
            path,
            as_json(value),
            "a number of US dollars, 0 or more",
            "Write a number, or import --anyway with 300",
        )


_TEXT_DROPPED = {
    "SECURITY_GROUPS": "the stack makes one that lets nothing in",
    "KEY_NAME": "machines have no key; see `invoke print-key` for development",
    "CONFIG": DEAD, "MISSING_CONFIG_ERROR": DEAD,
    "LOGFILE": "the Lambdas log to CloudWatch", "INDIR": "always inputs", "OUTDIR": "always results",
    "LOGDIR": "always logs",
    "CONFIGDIR": "always configs", "SUBMITDIR": "always submissions",
    "figlambid": "made when a stack is deployed",
    "figlambarn": "made when a stack is deployed", "cwrolearn": "made when a stack is deployed",
    "versionid": "the stack's outputs say the commit",
}  # fmt: skip
LAMBDA_CONFIG: dict[str, Field] = {
    "AMI": Field("text", _ami, ("image.parent", "ubuntu24"), required=True),
    "INSTANCE_TYPE": Field("text", _instance_type, ("instance.type", "m5.large"), required=True),
    "REGION": Field("text", _region),
    "COMMAND": Field("text", _command, ("script", "run_main.sh calls it"), required=True),
    "IAM_ROLE": Field("text", _role),
    "WORKING_DIRECTORY": Field("text", _directory),
    "SHUTDOWN_BEHAVIOR": Field("text", _shutdown, ("the launch template", "terminate")),
    "EXECUTION_TIMEOUT": Field(
        "number", drop("seconds that the Lambda may take: the manager waits for no machine")
    ),
    "SSM_TIMEOUT": Field("number", _job_limit, ("instance.max_duration_minutes", "2880")),
    "LAUNCH": Field("flag", _launch, ("the manager", "true")),
    "DEPLOY_LIMIT": Field("number", _machines, ("limits.datasets", "500")),
    "MAXCOST": Field("amount", _budget, ("budget_usd", "300")),
    "MONITOR": Field("flag", _monitor, ("the monitor", "true")),
    **{key: Field("text", drop(why)) for key, why in _TEXT_DROPPED.items()},
}
LAMBDA: dict[str, Field] = {
    "CodeUri": Field("text", drop("the manager is part of the service")),
    "Handler": Field("text", _handler, ("the manager", "it takes the place of every handler")),
    "Launch": Field("flag", drop(DEAD)),
    "PostCodeUri": Field("text", drop("belongs to PostHandler")),
    "PostHandler": Field("text", _post_handler),
    "PostTrigger": Field("text", drop("belongs to PostHandler")),
    "Requirements": Field("text", drop(DEAD)),
}
TOP: dict[str, Field] = {
    "PipelineName": Field("text", _name, ("name", "none"), required=True),
    "PipelineVersion": Field("text", drop(DEAD)),
    "REGION": Field("text", _region, ("aws:region of the stack", "us-east-1"), required=True),
    "STAGE": Field("text", _stage, ("the stack's name", "webdev")),
    **{
        key: Field("any", drop("the state of one developer's machine does not belong into a blueprint"))
        for key in (
            "container_history",
            "image_history",
            "localenv",
            "script",
            "develop_history",
            "remote_hist",
        )
    },
}
OBJECTS = ("Lambda", "UXData")
"""Required objects at the top."""
