"""What the client says when it cannot go on: every message names what was got, what is allowed, and what to
do next.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from neurocaas.protocol.problems import UserFacingError

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds for which those who follow a job bear with a network, or a service, that is away: the job goes on
without them.
"""


class AnalysisError(UserFacingError):
    """Something a person can put right: a missing file, a name that is not allowed, a bucket that answers no.

    `got`, `allowed` and `do` are the three parts of the message; `exit_code` is that of a command that ends
    with it.
    """

    exit_code = 2


class UnreachableError(AnalysisError):
    """The service cannot be reached now, or has a fault of its own: it may work again in a moment."""


class SeveralErrors(AnalysisError):
    """All that is wrong at once; `errors` has each."""

    def __init__(self, errors: Sequence[AnalysisError]) -> None:
        first = errors[0]
        super().__init__(first.got, first.allowed, first.do)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\nerror: ".join(str(error) for error in self.errors)


def raise_all(errors: Sequence[AnalysisError]) -> None:
    """Raise what there is to raise: nothing, the only error, or all of them at once."""
    if errors:
        raise errors[0] if len(errors) == 1 else SeveralErrors(errors)


def every(tasks: Iterable[Callable[[], T]]) -> list[T]:
    """What the tasks return. All are tried before what went wrong is raised, all of it; a service that is
    away ends it at once.
    """
    done, errors = list[T](), list[AnalysisError]()
    for task in tasks:
        try:
            done.append(task())
        except UnreachableError:
            raise
        except AnalysisError as error:
            errors.append(error)
    raise_all(errors)
    return done


_MEMBER = "a deployed analysis, and credentials of a member of the group"
_NAMES = (
    "check the names of the analysis and the group, and this shell's AWS environment (`invoke local.env` "
    "prints the local one)"
)
_FAULTS = frozenset({"500", "503", "InternalError", "ServiceUnavailable", "SlowDown"})
_LOG_IN = "log in again, or set AWS_PROFILE or a key pair (`invoke local.env` prints the local ones)"
_KEYS = "credentials that the service knows and that have not expired"
_SAID_BY_S3 = {
    "NoSuchBucket": ("there is no bucket '{bucket}'", _MEMBER, _NAMES),
    "PermanentRedirect": (
        "bucket '{bucket}' is in another region",
        "the region of the analysis",
        "set AWS_REGION to it",
    ),
    "InvalidBucketName": ("'{bucket}' is no name of a bucket", "the bucket of a deployed analysis", _NAMES),
    "AccessDenied": ("access to s3://{bucket}/{key} was denied", _MEMBER, _NAMES),
    "403": ("access to s3://{bucket}/{key} was denied", _MEMBER, _NAMES),
    "InvalidAccessKeyId": ("the access key in this shell is not known to the service", _KEYS, _LOG_IN),
    "SignatureDoesNotMatch": (
        "the secret key in this shell does not belong to its access key",
        _KEYS,
        _LOG_IN,
    ),
    "ExpiredToken": ("the session token in this shell has expired", _KEYS, _LOG_IN),
    "InvalidToken": ("the session token in this shell is not valid", _KEYS, _LOG_IN),
    "RequestTimeTooSkewed": (
        "the clock of this computer is wrong",
        "the time of the service, to within 15 minutes",
        "set the clock",
    ),
}


@contextmanager
def s3_errors(bucket: str, key: str) -> Iterator[None]:
    """Turn the errors of an S3 call that a person can put right into `AnalysisError`; let every other error
    pass.
    """
    import boto3.exceptions
    import botocore.exceptions

    try:
        yield
    except (botocore.exceptions.ClientError, boto3.exceptions.S3UploadFailedError) as error:
        # A failed upload hides the service's answer behind an error of its own.
        code = code_of(error) or code_of(error.__context__)
        if code in _FAULTS:
            raise UnreachableError(
                f"S3 cannot answer now ({code})", "a service that works", "try again in a moment"
            ) from error
        said = _SAID_BY_S3.get(code)
        if said is None:
            raise
        raise AnalysisError(*(part.format(bucket=bucket, key=key) for part in said)) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise AnalysisError(
            "no AWS credentials in this shell",
            "AWS_PROFILE, or a key pair in the environment",
            "log in, or run `invoke local.up`",
        ) from error
    except botocore.exceptions.SSLError:
        raise
    except (
        botocore.exceptions.ConnectionError,
        botocore.exceptions.HTTPClientError,
        botocore.exceptions.IncompleteReadError,
    ) as error:
        place = urlsplit(str(error.kwargs.get("endpoint_url", "")))
        raise UnreachableError(
            f"no answer from {f'{place.scheme}://{place.netloc}' if place.netloc else 'S3'}",
            "an endpoint that answers",
            "start the local cloud (`invoke local.up`), or unset AWS_ENDPOINT_URL for a real account",
        ) from error


class Patient(Generic[T]):
    """Asks again and again: while the service cannot be reached the answer is None, until that has lasted for
    `PATIENCE` seconds.
    """

    def __init__(self, ask: Callable[[], T], clock: Any = time) -> None:
        self._ask, self._clock = ask, clock
        self._since: float | None = None

    def __call__(self) -> T | None:
        """Raises UnreachableError after all that time, and every other error of the question at once."""
        try:
            answer = self._ask()
        except UnreachableError:
            now = self._clock.monotonic()
            self._since = now if self._since is None else self._since
            if now - self._since >= PATIENCE:
                raise
            return None
        self._since = None
        return answer


def code_of(error: Any) -> str:
    """The service's code in a botocore ClientError ("NoSuchKey", "404", …); "" when it has none."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
