"""One place where an exception becomes a message for a person and an exit code.

A task's body may raise whatever its room raises. Exceptions that a person can act on are printed without a
traceback, with exit code 1; anything else is a defect of ours and keeps its traceback.
"""

import errno
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from invoke.exceptions import Exit

from neurocaas.protocol.printable import printable
from neurocaas.protocol.problems import UserFacingError, three_parts


class UserError(UserFacingError):
    """A mistake in how a task was called, or in what it found."""


# Names instead of classes: importing botocore to know its exceptions would cost every `invoke --list` its
# start-up time.
_NETWORK = {
    "botocore.exceptions.NoCredentialsError": "set AWS_PROFILE or a key pair, or start the local cloud: `invoke local.up`",  # noqa: E501
    "botocore.exceptions.PartialCredentialsError": "set both halves of the key pair in this shell",
    "botocore.exceptions.ProfileNotFound": "set AWS_PROFILE to a profile of ~/.aws/config, or unset it",
    "botocore.exceptions.NoRegionError": "set AWS_REGION",
    "botocore.exceptions.EndpointConnectionError": "start the local cloud (`invoke local.up`), or unset AWS_ENDPOINT_URL for a real one",  # noqa: E501
    "botocore.exceptions.HTTPClientError": "check the network, HTTPS_PROXY and AWS_ENDPOINT_URL (`invoke doctor`)",  # noqa: E501
    "botocore.exceptions.ConnectionError": "check the network, HTTPS_PROXY and AWS_ENDPOINT_URL (`invoke doctor`)",  # noqa: E501
    "botocore.exceptions.TokenRetrievalError": "log in again: aws sso login",
    "botocore.exceptions.SSOError": "log in again: aws sso login",
    "botocore.exceptions.CredentialRetrievalError": "log in again, or check the profile in ~/.aws/config",
    "botocore.exceptions.ConfigParseError": "correct the file, ~/.aws/config or ~/.aws/credentials",
    "botocore.exceptions.InvalidRegionError": "set AWS_REGION to the name of a region, for instance us-east-1",  # noqa: E501
    "botocore.exceptions.ClientError": "check the credentials of this shell and the stack's names (`invoke outputs --stack STACK`)",  # noqa: E501
}


def remedy(error: BaseException) -> str | None:
    """What to do about credentials or a network that do not answer; None for another error."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((_NETWORK[name] for name in names if name in _NETWORK), None)


def message(error: BaseException) -> str | None:
    """The text for a person, or None when the exception is not one that a person can put right."""
    if hasattr(error, "exit_code"):  # of ours, or of the local cloud, which has no class in common with us
        return str(getattr(error, "told", error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return three_parts(str(error), "a disk with room", "make room, and repeat the command")
    do = remedy(error)
    return do and three_parts(str(error), "credentials and an endpoint that answer", do)


def _shown(text: str) -> str:
    """Lines stay whole where a program may read them."""
    from console.layout import fitted

    return fitted(text) if sys.stderr.isatty() else text


def user_errors(body: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a task's body so that mistakes end in one message and exit code 1 (or the exception's own),
    without a traceback.
    """

    @functools.wraps(body)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return body(*args, **kwargs)
        except Exit:
            raise
        except Exception as error:
            text = message(error)
            if text is None:
                raise
            raise Exit(_shown(printable(f"error: {text}")), code=getattr(error, "exit_code", 1)) from error
        except KeyboardInterrupt:
            raise Exit("interrupted", code=130) from None

    guarded.__signature__ = inspect.signature(body)  # type: ignore[attr-defined]
    return guarded
