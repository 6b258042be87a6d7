"""`invoke doctor --account` counts and asks for what the program makes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from console.account_checks import wanted
from console.account_checks.rights import ACTIONS
from tests.program.recording import Recorded

SERVICES = {"aws:vpc": "ec2", "aws:cloudwatch": "cloudwatch"}
"""Services by another name than the one in the type."""
KINDS = {"LogGroup": "logs", "EventRule": "events", "EventTarget": "events"}


def test_it_counts_the_roles_profiles_and_groups_that_the_program_makes(
    project: Path, utils: Recorded, analysis: Recorded
) -> None:
    for stack, recorded in (("utils", utils), ("spikes-webdev", analysis)):
        made = Counter(one.type.rpartition(":")[2] for one in recorded.resources)
        want = wanted.of_stack(project, stack)
        assert (want.roles, want.profiles, want.groups) == (
            made["Role"],
            made["InstanceProfile"],
            made["Group"],
        ), stack


def test_it_asks_for_the_rights_of_every_service(utils: Recorded, analysis: Recorded) -> None:
    services = {
        KINDS.get(one.type.rpartition(":")[2]) or SERVICES.get(prefix, prefix.removeprefix("aws:"))
        for recorded in (utils, analysis)
        for one in recorded.resources
        if (prefix := one.type.partition("/")[0]).startswith("aws:")
    }
    assert services <= set(ACTIONS)
