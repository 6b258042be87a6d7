"""What a deploy asks of the account before it makes anything: only what concerns its stack, and only what
takes a second.
"""

from __future__ import annotations

import sys
from pathlib import Path

from console.account_checks.model import AccountCheck, CheckVerdict
from console.shareable import shareable
from neurocaas.protocol.problems import InvalidInput, Problem

SKIP = "--no-check"


def require(stack: str, root: Path) -> None:
    """Say what is doubtful. Raises InvalidInput with all that the deploy, or the first job, would fail on."""
    import boto3

    from console.account_checks import list as questions
    from console.account_checks import wanted

    try:
        project = wanted.of_stack(root, stack)
    except InvalidInput:
        return  # the program tells all mistakes of blueprints, with their lines
    region = wanted.region_of(root, stack)
    if not region:
        return  # and that a region is missing
    found = questions.before_deploy(boto3.client, region, project)
    for check in found:
        if check.verdict is CheckVerdict.WARN:
            sys.stderr.write(f"account: {check.name}: {check.got}\n  do: {check.do}\n")
    unasked = [
        f"{check.name} ({shareable(check.got)})" for check in found if check.verdict is CheckVerdict.UNKNOWN
    ]
    if unasked:
        sys.stderr.write(f"account: not checked: {'; '.join(unasked)}\n")
    problems = [_problem(check) for check in found if check.verdict is CheckVerdict.FAIL]
    if problems:
        raise InvalidInput(problems)


def _problem(check: AccountCheck) -> Problem:
    do = f"{check.do}. Nothing was made; without this check: {SKIP}"
    return Problem(f"account: {check.name}", check.got, check.allowed, do)
