"""What EC2 means when it refuses a launch (EC2 API reference, "Error codes"): whether another way to get the
machine may do, whether fewer machines would, whether waiting helps, and whom the refusal concerns.
"""

from __future__ import annotations

from runtime.manager.port import LaunchError

LIMIT_CODES = frozenset(
    {
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "InsufficientFreeAddressesInSubnet",
    }
)
"""A limit that the whole call would exceed. AWS does not say that it then starts the part that fits, as it
does where capacity is short: smaller calls are tried.
"""

CAPACITY_CODES = LIMIT_CODES | {
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientVolumeCapacity",
    "SpotMaxPriceTooLow",
    "Unsupported",
}
"""EC2 has none of this type now, or the account may have no more; `Unsupported` is a type that the zone does
not have.
"""

NO_SPOT_ROLE = "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
"""The account has never had a spot machine, so it lacks the role by which AWS runs them, and the manager may
not make it (EC2 user guide, "Service-linked role for Spot Instance requests")."""

PACE_CODES = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException"})
"""More calls, or more machines, than EC2 starts at once (EC2 user guide, "Request throttling"): the same call
goes through a little later.
"""

TRANSIENT_CODES = PACE_CODES | {"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"}

IMAGE_CODES = frozenset(
    {
        "InvalidAMIID.NotFound",
        "InvalidAMIID.Malformed",
        "InvalidAMIID.Unavailable",
        "InvalidSnapshot.NotFound",
        "InvalidLaunchTemplateId.VersionNotFound",
    }
)


def elsewhere(error: LaunchError) -> bool:
    """Whether another type, zone or market may have what was refused."""
    return error.code in CAPACITY_CODES or error.code == NO_SPOT_ROLE


def smaller(error: LaunchError) -> bool:
    """Whether fewer machines might be had in the same way: a limit leaves room for some, or EC2 may start
    some at once."""
    return error.code in LIMIT_CODES or error.code in PACE_CODES


def paced(error: LaunchError) -> bool:
    """Whether EC2 only wants the call to be made later."""
    return error.code in PACE_CODES


def young_profile(error: LaunchError) -> bool:
    """Whether EC2 does not know the machine's instance profile: what IAM has made is known everywhere only
    after some seconds (IAM user guide, "Changes that I make are not always immediately visible")."""
    return error.code == "InvalidParameterValue" and "iam instance profile" in error.text.lower()


def transient(error: LaunchError) -> bool:
    """Whether waiting may help, though nothing is short."""
    return error.code in TRANSIENT_CODES or young_profile(error)
