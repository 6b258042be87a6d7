"""Why a launch stopped before all machines were there, for people and for the queue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from neurocaas.protocol.job import Job
from neurocaas.protocol.problems import Problem
from runtime.manager import refusals
from runtime.manager.budget import Reserved
from runtime.manager.launch import LaunchResult
from runtime.manager.port import LaunchError

_CONTACT = "Please contact your NeuroCAAS administrator"
_ACCEPTED = "a launch that AWS accepts"
_ACCOUNT = {
    refusals.NO_SPOT_ROLE: (
        "has never had a spot machine: it lacks the service-linked role AWSServiceRoleForEC2Spot",
        "an account that may use spot machines",
        "The administrator makes the role, once for the account: aws iam create-service-linked-role "
        "--aws-service-name spot.amazonaws.com. Or the developer sets instance.market to on-demand, and "
        "deploys",
    ),
    "PendingVerification": (
        "AWS is still verifying, for this region",
        "an account that AWS has verified",
        "Submit again in some hours: AWS writes to the account's owner when it is done",
    ),
    "OptInRequired": (
        "has not signed up for EC2, or has not enabled this region",
        "an account that may use EC2 here",
        "The administrator completes the account's registration, or enables the region",
    ),
    "Blocked": (
        "AWS has blocked",
        "an account that AWS serves",
        "The account's owner asks AWS Support",
    ),
}
"""What an account lacks, by EC2's code: what is so, what is needed, what to do."""


class NextStep(Enum):
    """What is to become of the launch: nothing more; it is tried again while the queue is patient; or it goes
    on at the pace at which EC2 starts machines."""

    END = "end"
    WAIT = "wait"
    GO_ON = "go on"


@dataclass(frozen=True)
class Shortfall:
    """`exit_class` is the job's if it ends here."""

    exit_class: str
    problem: Problem
    then: NextStep


def shortfall(result: LaunchResult, job: Job, missing: int | None = None) -> Shortfall:
    """Why `result` has not all machines of `job`. So many are `missing`: all from its next dataset on, if
    nothing else is said."""
    total = len(job.datasets)
    missing = total - result.next if missing is None else missing
    if result.full:
        got = (
            f"no room for {missing} of {total} machines: as many are running as the analysis, or the "
            "account, may have"
        )
        do = "Submit again when other jobs have ended, or ask the analysis's developer for larger limits"
        allowed = "the machines that limits.machines and limits.account_machines leave"
        return Shortfall("capacity", Problem("machines", got, allowed, do), NextStep.WAIT)
    if result.late or (result.error is not None and refusals.paced(result.error)):
        code = f" ({result.error.code})" if result.error and not result.late else ""
        got = f"AWS starts machines one after another{code}: {missing} of {total} machines missing so far"
        do = "Submit again with fewer datasets, or when no other large job is being started"
        return Shortfall(
            "capacity", Problem("machines", got, "as many machines as AWS starts in time", do), NextStep.GO_ON
        )
    assert result.error is not None
    return _refused(result, result.error, job, missing)


def unpaid(reserved: Reserved) -> Shortfall:
    """Why datasets have no machine whose budget has no room for them."""
    return Shortfall("quota", reserved.problems[0], NextStep.END if reserved.hopeless else NextStep.WAIT)


def _refused(result: LaunchResult, error: LaunchError, job: Job, missing: int) -> Shortfall:
    if error.code in refusals.CAPACITY_CODES:
        tried = ", ".join(f"{option} ({refusal.code})" for option, refusal in result.refused.items())
        got = (
            f"Instances not launched. AWS capacity reached: {missing} of {len(job.datasets)} machines "
            f"missing, tried {tried}"
        )
        do = (
            "Submit again later, with fewer datasets or another instance_type; the administrator can raise "
            "the account's limits"
        )
        return Shortfall(
            "capacity", Problem("machines", got, "as many machines as AWS gives now", do), NextStep.WAIT
        )
    if error.code in _ACCOUNT:
        lacks, allowed, do = _ACCOUNT[error.code]
        got = f"an AWS account that {lacks} ({error.code})"
        return Shortfall("platform", Problem("machines", got, allowed, do), NextStep.END)
    if refusals.young_profile(error):
        got = f"an instance profile that EC2 does not know, or not yet ({error.code})"
        do = "Submit again in some minutes; if it stays so, the administrator deploys the stack again"
        return Shortfall("platform", Problem("machines", got, _ACCEPTED, do), NextStep.WAIT)
    if refusals.transient(error):
        got = f"AWS ERROR. Transient AWS Communication Error ({error.code})"
        return Shortfall("platform", Problem("machines", got, _ACCEPTED, "Please Try Again"), NextStep.WAIT)
    if error.code in refusals.IMAGE_CODES:
        got = f"machine image {job.image.id} that AWS does not have ({error.code})"
        do = "Ask the analysis's developer to bake its image again (invoke bake-ami) and to deploy"
        return Shortfall("image", Problem("machine image", got, "an existing image", do), NextStep.END)
    got = f"AWS ERROR. RunInstances was refused ({error.code})"
    return Shortfall("platform", Problem("machines", got, _ACCEPTED, _CONTACT), NextStep.END)
