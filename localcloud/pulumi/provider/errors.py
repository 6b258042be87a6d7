"""What can go wrong, and how it is said: the service's code and message are never lost, the resource is
always named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class ProviderError(Exception):
    """An error whose text is meant for the person who runs Pulumi."""


class EndpointRefused(ProviderError):
    """The configured endpoint is missing or is not on this machine."""


class UnknownType(ProviderError):
    """A resource type that is not in the table."""

    def __init__(self, token: str, known: Iterable[str]) -> None:
        listing = "\n".join(f"  {name}" for name in sorted(known))
        super().__init__(
            f"the local AWS provider has no resource type {token}.\nIt knows:\n{listing}\n"
            "Use one of these, or deploy this stack with the real pulumi-resource-aws."
        )


class UnknownFunction(ProviderError):
    """A provider function (invoke) that is not implemented."""

    def __init__(self, token: str, known: Iterable[str]) -> None:
        super().__init__(
            f"the local AWS provider has no function {token}. It knows: {', '.join(sorted(known))}. "
            "Build the value in the program instead, or deploy this stack with the real pulumi-resource-aws."
        )


class OperationFailed(ProviderError):
    """A verb failed for one resource. The text names verb, type, logical name and what the service said."""

    def __init__(self, verb: str, token: str, name: str, cause: BaseException) -> None:
        super().__init__(f"{verb} {token} '{name}': {describe(cause)}")


@dataclass
class InitFailed(ProviderError):
    """The resource exists, but was not finished. The engine keeps it in the state, so that the next run mends
    or deletes it.
    """

    id: str
    outputs: Mapping[str, Any]
    inputs: Mapping[str, Any]
    reasons: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "; ".join(self.reasons)


class Cancelled(ProviderError):
    """The engine asked to stop while the provider was waiting."""


class Unsettled(ProviderError):
    """The service is still at work on what it was asked for."""


def code(error: BaseException) -> str:
    """The error code of a service's answer (`NoSuchBucket`), or `""` for any other exception."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def message(error: BaseException) -> str:
    """The message of a service's answer, or the text of any other exception."""
    response = getattr(error, "response", None)
    text = str(response.get("Error", {}).get("Message", "")) if isinstance(response, dict) else ""
    return text or str(error)


def describe(error: BaseException) -> str:
    """`Code: message (operation)` for a service's answer, the plain text for errors of ours, else type and
    text.
    """
    if isinstance(error, ProviderError):
        return str(error)
    if not code(error):
        return f"{type(error).__name__}: {error}"
    operation = getattr(error, "operation_name", "")
    return f"{code(error)}: {message(error)}" + (f" ({operation})" if operation else "")


_NOT_FOUND = frozenset({
    "404", "NoSuchBucket", "NoSuchKey", "NoSuchEntity", "NoSuchEntityException", "NotFound",
    "NotFoundException",
    "ResourceNotFoundException", "ResourceNotFound", "ParameterNotFound", "InvalidGroup.NotFound",
    "InvalidKeyPair.NotFound",
    "InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException",
    "InvalidSecurityGroupRuleId.NotFound",
    "InvalidVpcID.NotFound", "InvalidSubnetID.NotFound", "InvalidInternetGatewayID.NotFound",
    "InvalidRouteTableID.NotFound", "InvalidVpcEndpointId.NotFound",
    "InvalidPermission.NotFound", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist",
    "NoSuchTagSet",
    "NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "TrailNotFoundException",
    "ServerSideEncryptionConfigurationNotFoundError", "OwnershipControlsNotFoundError",
    "DashboardNotFoundError",
    "InvalidLaunchTemplateId.VersionNotFound",
})  # fmt: skip


def is_not_found(error: BaseException) -> bool:
    """Whether the service says that the thing asked for does not exist."""
    return code(error) in _NOT_FOUND


_IN_USE = frozenset({"DeleteConflict", "DeleteConflictException", "DependencyViolation",
    "ResourceDependencyException", "ResourceInUse",
                     "ResourceInUseException", "InvalidGroup.InUse"})  # fmt: skip


def is_in_use(error: BaseException) -> bool:
    """Whether a delete was refused since something else still refers to the thing, which may pass in a
    moment.
    """
    return code(error) in _IN_USE


class NotYetThere(ProviderError):
    """A read straight after a create found nothing."""


def is_not_yet_there(error: BaseException) -> bool:
    """Whether a read after a create may succeed a moment later."""
    return isinstance(error, NotYetThere) or is_not_found(error)
