"""Whether a call is refused for lack of rights."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

DENIALS = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
    # What the emulator says to calls without a signature.
    | {
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "AuthFailure",
    }
)


def denied(call: Callable[[], Any]) -> bool:
    """Whether the call is refused for lack of rights. Any other error is raised, but for things that are not
    there.
    """
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # An unsigned call does not say which service it is for, so the emulator may ask the wrong one.
        wrong_service = code == "InvalidAction" and "not valid for this web service" in str(error)
        if code in DENIALS or "AWSAccessKeyId" in str(error) or wrong_service:
            return True
        if code in (
            "NoSuchKey",
            "404",
            "ParameterNotFound",
            "ResourceNotFoundException",
            "InvalidInstanceID.NotFound",
        ):
            return False
        raise
    return False
