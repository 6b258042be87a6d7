"""The steps that make stacks, by the engine alone: nothing that exists is ever adopted."""

from __future__ import annotations

from blueprints.model import UTILS
from console.account_checks import list as questions
from console.account_checks import wanted
from console.account_checks.model import CheckVerdict
from console.errors import UserError
from neurocaas.protocol import yaml12
from smoke.bench import Bench, SmokeError


def look(bench: Bench) -> str:
    """What the account says of what the run needs. Raises SmokeError for what would fail."""
    stack, project = bench.place.stack, bench.place.project
    checks = questions.of_account(
        lambda service, **settings: bench.make(service),
        bench.place.record.region,
        wanted.of_stack(project, stack),
    )
    failed = [f"{one.name}: {one.got}. Do: {one.do}" for one in checks if one.verdict is CheckVerdict.FAIL]
    if failed:
        raise SmokeError("; ".join(failed))
    counts = [f"{sum(one.verdict is verdict for one in checks)} {verdict}" for verdict in CheckVerdict]
    return ", ".join(counts)


def utils(bench: Bench) -> str:
    """The stack that all analyses share: the one that is there, or one of the run's own."""
    record = bench.place.record
    if record.made_utils:
        _refuse_another(bench)
        _begin(bench, UTILS)
        _set(bench, UTILS, "neurocaas:protectUtilities", "false")
        done = bench.engine.up(UTILS, bench.place.logs / "utils.log")
        bench.answers.yes("utils", "it was made")
        said = done.text()
    else:
        bench.answers.unknown("utils", "there was one already")
        said = "the one that is there is used, and stays"
    bench.utils = bench.engine.outputs(UTILS)
    return said


def _refuse_another(bench: Bench) -> None:
    """A second service in a region would end the first one's machines. Raises UserError."""
    # the tagging API would list for weeks what waits for its deletion, such as the key of an earlier run
    if bench.strays(UTILS):
        bench.place.record.made_utils = False
        bench.place.save()
        raise UserError(
            "a stack utils in this account and region that this backend does not know",
            "a backend that knows it, or a region without the service",
            "log in to its backend (pulumi login), or choose another region",
        )


def deploy(bench: Bench) -> str:
    """The run's analysis, for the first time."""
    _begin(bench, bench.place.stack)
    return _up(bench, "deploy")


def again(bench: Bench) -> str:
    """The baked image, spot machines, and another recipe in the place of the one whose image exists."""
    bench.place.change()
    before = bench.outputs["image_recipe_arn"]
    said = _up(bench, "deploy-again")
    replaced = bench.outputs["image_recipe_arn"] != before
    bench.answers.judge("replaced-recipe", replaced, "by a deploy" if replaced else "the recipe stayed")
    return said


def _begin(bench: Bench, stack: str) -> None:
    """An empty stack, unless there is one. Its secrets are sealed as those of `utils` are."""
    if stack not in bench.engine.stack_names():
        sealed = _sealed_with(bench)
        flags = ("--secrets-provider", sealed) if sealed else ()
        bench.place.record.began.append(stack)
        bench.place.save()
        made = bench.engine.capture("stack", "init", stack, *flags, "--no-select", "--non-interactive")
        if made.returncode != 0:
            raise SmokeError(f"pulumi stack init: {made.stderr.strip()}")
    _set(bench, stack, "aws:region", bench.place.record.region)


def _sealed_with(bench: Bench) -> str:
    settings = bench.engine.settings_file(UTILS)
    if not settings.is_file():
        return ""
    found = yaml12.load(settings.read_text(encoding="utf-8"), settings.name) or {}
    return str(found.get("secretsprovider") or "")


def _set(bench: Bench, stack: str, name: str, value: str) -> None:
    done = bench.engine.capture("config", "set", name, value, "--stack", stack, "--non-interactive")
    if done.returncode != 0:
        raise SmokeError(f"pulumi config set {name}: {done.stderr.strip()}")


def _up(bench: Bench, log: str) -> str:
    done = bench.engine.up(bench.place.stack, bench.place.logs / f"{log}.log")
    bench.outputs = bench.engine.outputs(bench.place.stack)
    return done.text()
