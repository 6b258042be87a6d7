"""What the client says when it cannot go on: every message names what was got, what is allowed, and what to
do next.
"""

import re
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
_NAMES = "check the names of analysis and group, the region, and who you are: `neurocaas whoami`"
_FAULTS = frozenset(
    {
        "500",
        "502",
        "503",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_LOG_IN = "sign in again: `neurocaas login`; or set AWS_PROFILE or a key pair in this shell"
_KEYS = "credentials that the service knows and that have not expired"
_UNKNOWN = ("the access key in this shell is not known to the service", _KEYS, _LOG_IN)
_NOT_ITS_SECRET = ("the secret key in this shell does not belong to its access key", _KEYS, _LOG_IN)
_EXPIRED = ("the session token in this shell has expired", _KEYS, _LOG_IN)
_CLOCK = (
    "the clock of this computer is wrong",
    "the time of the service, to within 5 minutes",
    "set the clock",
)
_REGION = (
    "the region {region} is not that of the analysis",
    "the region of the analysis",
    "set AWS_REGION to it, or sign in with `neurocaas login --region REGION`",
)
_SAID_BY_AWS = {
    "InvalidAccessKeyId": _UNKNOWN,
    "InvalidClientTokenId": _UNKNOWN,
    "UnrecognizedClientException": _UNKNOWN,
    "AuthFailure": _UNKNOWN,
    "SignatureDoesNotMatch": _NOT_ITS_SECRET,
    "InvalidSignatureException": _NOT_ITS_SECRET,
    "IncompleteSignature": _NOT_ITS_SECRET,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestInTheFuture": _CLOCK,
    "InvalidToken": ("the session token in this shell is not valid", _KEYS, _LOG_IN),
    "TokenRefreshRequired": _EXPIRED,
    "MissingAuthenticationToken": ("no AWS credentials in this shell", _KEYS, _LOG_IN),
    "MissingAuthenticationTokenException": ("no AWS credentials in this shell", _KEYS, _LOG_IN),
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "RegionDisabledException": _REGION,
}
"""The codes of all its services that say something about who asks, when, and where."""

_SKEW = re.compile(r"Signature (expired|not yet current)|must have expired|is in the future", re.IGNORECASE)
"""Some services say with one code that a clock is wrong and that a key is."""

_SAID_BY_S3 = {
    "NoSuchBucket": ("there is no bucket '{bucket}'", _MEMBER, _NAMES),
    "PermanentRedirect": (
        "bucket '{bucket}' is in another region",
        "the region of the analysis",
        "set AWS_REGION to it, or sign in with `neurocaas login --region REGION`",
    ),
    "InvalidBucketName": ("'{bucket}' is no name of a bucket", "the bucket of a deployed analysis", _NAMES),
    "AccessDenied": ("access to s3://{bucket}/{key} was denied", _MEMBER, _NAMES),
    "403": ("access to s3://{bucket}/{key} was denied", _MEMBER, _NAMES),
}
_SAID_BY_CLIENT = {
    "NoCredentialsError": (
        "no AWS credentials in this shell, and no profile of `neurocaas login`",
        "one of the two",
        "sign in: `neurocaas login`; or set AWS_PROFILE or a key pair in this shell",
    ),
    "PartialCredentialsError": ("half a key pair in this shell", "both halves, or none", _LOG_IN),
    "ProfileNotFound": (
        "{error}",
        "a profile of the AWS tools, in ~/.aws/config",
        "correct AWS_PROFILE, or unset it; or sign in another way: `neurocaas login`",
    ),
    "NoRegionError": (
        "no region",
        "the region of the analysis",
        "set AWS_REGION, or sign in with `neurocaas login --region REGION`",
    ),
    "InvalidRegionError": ("{error}", "the name of a region, for instance us-east-1", "correct AWS_REGION"),
    "InvalidEndpoint": ("{error}", "an address", "correct AWS_ENDPOINT_URL"),
    "SSOError": ("{error}", "a sign-in that has not expired", "sign in again: `aws sso login`"),
    "TokenRetrievalError": ("{error}", "a sign-in that has not expired", "sign in again: `aws sso login`"),
    "CredentialRetrievalError": ("{error}", "a source of credentials that works", _LOG_IN),
    "MetadataRetrievalError": ("{error}", "a source of credentials that works", _LOG_IN),
    "RefreshWithMFAUnsupportedError": ("{error}", "credentials that can be renewed without a code", _LOG_IN),
    "ConfigParseError": ("{error}", "a file that the AWS tools can read", "correct it"),
    "SSLError": (
        "{error}",
        "a certificate that this computer trusts",
        "set AWS_CA_BUNDLE to your network's certificates, or correct the endpoint",
    ),
    "ProxyConnectionError": ("{error}", "a proxy that answers", "correct HTTPS_PROXY, or unset it"),
}
"""By the name of the class, or of one above it: what never left this computer, or got no answer."""

_NO_ANSWER = ("ConnectionError", "HTTPClientError", "IncompleteReadError", "ResponseStreamingError")


@contextmanager
def aws_errors(place: str = "AWS") -> Iterator[None]:
    """Turn what is wrong with credentials, clock, region or network into `AnalysisError`, whatever service of
    AWS is called; let every other error pass. `place` is what is called."""
    import botocore.exceptions

    try:
        yield
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        told = told_of_aws(error, place)
        if told is None:
            raise
        raise told from error


@contextmanager
def s3_errors(bucket: str, key: str) -> Iterator[None]:
    """The same for a call to S3, and what S3 says of a bucket and a key."""
    import boto3.exceptions
    import botocore.exceptions

    try:
        yield
    except (
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
        boto3.exceptions.S3UploadFailedError,
    ) as error:
        # A failed upload hides the service's answer behind an error of its own.
        said = _SAID_BY_S3.get(code_of(error)) or _SAID_BY_S3.get(code_of(error.__context__))
        told = told_of_aws(error, "S3") or told_of_aws(error.__context__, "S3")
        if said is not None:
            told = AnalysisError(*(part.format(bucket=bucket, key=key) for part in said))
        if told is None:
            raise
        raise told from error


def told_of_aws(error: BaseException | None, place: str = "AWS") -> AnalysisError | None:
    """An error of boto3 or botocore that a person can put right, as it is told; None for every other one."""
    if error is None:
        return None
    code = code_of(error)
    if code in _FAULTS:
        return UnreachableError(
            f"{place} cannot answer now ({code})", "a service that works", "try again in a moment"
        )
    said = _SAID_BY_AWS.get(code)
    if said is not None and _SKEW.search(str(error)):
        said = _CLOCK
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("botocore")]
    said = said or next((_SAID_BY_CLIENT[name] for name in names if name in _SAID_BY_CLIENT), None)
    if said is not None:
        return AnalysisError(*(part.format(error=error, region=_region(error)) for part in said))
    if not set(names).intersection(_NO_ANSWER):
        return None
    where = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    return UnreachableError(
        f"no answer from {f'{where.scheme}://{where.netloc}' if where.netloc else place}",
        "an endpoint that answers",
        "check the network; AWS_ENDPOINT_URL in this shell, or endpoint_url of a profile, names another "
        "cloud than AWS (the local one starts with `invoke local.up`)",
    )


def _region(error: BaseException) -> str:
    """The region in which a call was made, as far as the answer says it."""
    found = re.search(r"the region '([a-z0-9-]+)' is wrong|The ([a-z0-9-]+) location", str(error))
    return next((one for one in found.groups() if one), "asked") if found else "asked"


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


def client_error() -> type[BaseException]:
    """The class of what botocore raises for a service's answer, for `except client_error()`: it is loaded
    when there is such an answer, not when a module is.
    """
    from botocore.exceptions import ClientError

    return ClientError


def code_of(error: Any) -> str:
    """The service's code in a botocore ClientError ("NoSuchKey", "404", …); "" when it has none."""
    answer = getattr(error, "response", None)  # other errors of botocore have something else there
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""
