"""`invoke doctor`: is everything here that the tasks need? Works without credentials, without a network and
without a cloud.
"""

import json as json_format
import sys

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from console.names import TaskOfNames


@task(
    klass=TaskOfNames,
    positional=["names"],
    help={
        "names": "Stacks: check only that all is there that they need to answer a submission.",
        "json": "One JSON object for a program.",
        "machine": "Only this machine; leave the account alone.",
        "account": "Only the account: all that a first deploy, a bake and a job need of it (docs/aws.md).",
    },
)
def doctor(
    c: Context, names: list[str], json: bool = False, machine: bool = False, account: bool = False
) -> None:
    """Check this machine and the account, or deployed stacks: one line each, and what to do.

    Exit code 1 only when something essential is broken; with --account, when a deploy or a job would fail.
    Nothing is changed anywhere.
    """
    if account:
        _account(names, machine, json)
    else:
        _here(names, machine, json)


def _account(names: list[str], machine: bool, json: bool) -> None:
    import os

    import boto3

    from console.account_checks import list as questions
    from console.account_checks import report, wanted
    from console.cloud import choose, lay_over, project_root, running_local
    from console.errors import UserError
    from localcloud.cache import user_home

    if names or machine:
        got = "--account with " + ("--machine" if machine else f"the stack {names[0]}")
        raise UserError(got, "--account alone", "ask one after the other")
    root = project_root()
    choice = choose(os.environ, running_local(root), want_local=False, home=user_home())
    lay_over(os.environ, choice.variables)
    sys.stderr.write(f"cloud: {choice.name}\n")
    region = boto3.Session().region_name or wanted.region_of(root)
    found = questions.of_account(boto3.client, region, wanted.of_project(root))
    if json:
        made = report.document(choice.name, region, found)
        sys.stdout.write(json_format.dumps(made, indent=2) + "\n")
    else:
        sys.stdout.write(report.text(found) + "\n")
    if not report.sound(found):
        raise Exit(code=1)


def _here(names: list[str], machine: bool, json: bool) -> None:
    from console import account, health
    from console import machine as own
    from console.cloud import add_pulumi, project_root

    around = health.Surroundings.here(project_root())
    if names:
        from console import stack_health

        found = stack_health.of_stacks(names, around)
    else:
        found = [health.asked(check, around) for check in own.CHECKS]
        found += health.all_asked("local cloud", own.local_cloud(around))
    if not machine and not names:
        import os

        add_pulumi(os.environ)
        found += health.all_asked("account", account.checks(around))
    broken = [check.name for check in found if check.state is health.CheckState.BAD]
    if json:
        report = {"schema_version": 1, "ok": not broken, "checks": [check.to_dict() for check in found]}
        sys.stdout.write(json_format.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write(health.text(found) + "\n")
        sys.stdout.write(
            f"\nBroken: {', '.join(broken)}\n" if broken else "\nEverything essential is here.\n"
        )
    if broken:
        raise Exit(code=1)


collection = Collection(doctor)
