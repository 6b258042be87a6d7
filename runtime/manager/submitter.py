"""Who submitted: the person behind the principal that S3 names in its event, which nobody else can write.

Trust policies see to it that a session of a group's role has the name of its person (`policies.people`), and
the roster of the group says whose name that is. "" is nobody that anybody can name: what the sweep tells of
again, because S3's event was lost, and what somebody has written with the rights of another role.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurocaas.protocol.problems import Problem, shown
from runtime.manager.delivery import Delivery
from runtime.manager.port import ManagerCloud


@dataclass(frozen=True)
class SubmittedBy:
    """`name`: as in groups.yaml, "" for nobody that anybody can name. `refused`: why nothing is done for
    them."""

    name: str = ""
    refused: Problem | None = None


def submitter_of(
    cloud: ManagerCloud, group: str, delivery: Delivery, asked: str | None = None
) -> SubmittedBy:
    """Whoever has written the file that a delivery tells of; `asked`: in whose name the service itself has.
    Errors of AWS are raised, but in the last delivery, which has to have an answer: there, nobody is named
    whom only the roster knows."""
    principal = delivery.event.principal
    if not (principal if asked is None else asked):
        return SubmittedBy()
    try:
        roster = cloud.roster(group)
    except Exception:
        if not delivery.last:
            raise
        return SubmittedBy(asked or "")
    name = roster.submitter(principal) if asked is None else asked
    if asked is not None and roster.left(asked):
        got = f"{shown(asked)}, who is not in group {shown(group)} any more"
        do = "Somebody of the group submits it, or turns the watch on, in their own name"
        return SubmittedBy(name, Problem("submitter", got, "somebody of the group", do))
    if not (name and roster.taken_out(name)):
        return SubmittedBy(name)
    problem = Problem(
        "submitter",
        f"{shown(name)}, whom a lead has taken out of group {shown(group)}",
        "somebody of the group",
        "Ask a lead of the group, who takes it back with `neurocaas members --add NAME`",
    )
    return SubmittedBy(name, problem)
