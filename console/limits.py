"""`invoke limit`: what a lead of a group lets it spend of its budget."""

import sys
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

BUDGETS = "/neurocaas/budgets"
"""Parameters `<this>/<group>/<analysis>` and `…/limit`: names that other tools know, as the managers of the
analyses do.
"""
MOST = 1_000_000_000


@task(
    help={
        "group": "The group.",
        "analysis": "The analysis.",
        "usd": "US dollars a month, less than the budget.",
        "remove": "Take the limit away.",
        "json": "One JSON document.",
    }
)
def limit(
    c: Context, group: str, analysis: str, usd: str = "", remove: bool = False, json: bool = False
) -> None:
    """Show, set (--usd) or take away (--remove) the monthly limit that a group's lead gives an analysis.

    The lower of budget and limit counts, from the next submission on. Only an administrator changes the
    budget (groups.yaml).
    """
    import json as document

    import boto3

    from blueprints.finding import some
    from blueprints.groups import using
    from console.cloud import project_root
    from console.errors import UserError

    if usd and remove:
        raise UserError("--usd and --remove", "one of them", "leave one out")
    groups = using(analysis, project_root())
    if group not in groups:
        got, allowed = (
            f"group {group} and analysis {analysis}",
            f"groups that may use {analysis}: {some(groups)}",
        )
        raise UserError(got, allowed, "correct the names, or let the group use it (groups.yaml)")
    ssm = boto3.client("ssm")
    name = f"{BUDGETS}/{group}/{analysis}"
    budget = _value(ssm, name, group)
    if usd:
        amount = _amount(usd)
        if budget is not None and amount >= budget:
            raise UserError(
                f"--usd {usd}",
                f"less than the budget, {budget:.2f}",
                "leave it, or have the budget changed in groups.yaml",
            )
        _asked(
            lambda: ssm.put_parameter(
                Name=f"{name}/limit", Value=f"{amount:.2f}", Type="String", Overwrite=True
            ),
            group,
        )
    elif remove:
        try:
            _asked(lambda: ssm.delete_parameter(Name=f"{name}/limit"), group)
        except ssm.exceptions.ParameterNotFound:
            sys.stderr.write("there was no limit\n")
    now = _value(ssm, f"{name}/limit", group)
    if json:
        found = {"group": group, "analysis": analysis, "budget_usd": budget, "limit_usd": now}
        sys.stdout.write(document.dumps(found, indent=2) + "\n")
        return
    for what, value, otherwise in (("budget", budget, "the blueprint's"), ("limit", now, "none")):
        sys.stdout.write(f"{what}: {otherwise if value is None else f'${value:.2f} a month'}\n")


def _amount(text: str) -> float:
    from console.errors import UserError

    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount <= MOST:
        raise UserError(f"--usd {text}", f"a number of dollars from 0 to {MOST}", "write it as 50 or 49.90")
    return amount


def _value(ssm: Any, name: str, group: str) -> float | None:
    try:
        return float(_asked(lambda: ssm.get_parameter(Name=name), group)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None


def _asked(call: Any, group: str) -> Any:
    """The answer. Raises UserError for a caller who leads another group, or none."""
    from botocore.exceptions import ClientError

    from console.errors import UserError

    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
            raise
        do = f'a lead\'s shell is one that has evaluated: eval "$(invoke credentials --group {group} --lead)"'
        raise UserError(
            f"no right to the limits of {group}", f"the leads of {group}, and administrators", do
        ) from None


collection = Collection(limit)
