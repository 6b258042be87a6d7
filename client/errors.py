"""What the client says when it cannot go on: every message names what was got, what is allowed, and what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class AnalysisError(Exception):
    """Something a person can put right: a missing file, a name that is not allowed, a bucket that answers no.

    `got`, `allowed` and `do` are the three parts of the message; `exit_code` is that of a command that ends with it.
    """

    exit_code = 2

    def __init__(self, got: str, allowed: str, do: str) -> None:
        super().__init__(f"{got}\n  allowed: {allowed}\n  do: {do}")
        self.got, self.allowed, self.do = got, allowed, do


_SAID_BY_S3 = {
    "NoSuchBucket": "there is no bucket '{bucket}'",
    "AccessDenied": "access to s3://{bucket}/{key} was denied",
    "InvalidAccessKeyId": "the access key in this shell is not known to the service",
    "SignatureDoesNotMatch": "the secret key in this shell does not belong to its access key",
    "ExpiredToken": "the session token in this shell has expired",
}


@contextmanager
def s3_errors(bucket: str, key: str) -> Iterator[None]:
    """Turn the errors of an S3 call that a person can put right into `AnalysisError`; let every other error pass."""
    import botocore.exceptions

    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        said = _SAID_BY_S3.get(code)
        if said is None:
            raise
        raise AnalysisError(
            said.format(bucket=bucket, key=key),
            "a deployed analysis, and credentials of a member of the group",
            "check the names of the analysis and the group, and this shell's AWS environment (`invoke local.env` prints the local one)",
        ) from error
    except botocore.exceptions.NoCredentialsError as error:
        raise AnalysisError(
            "no AWS credentials in this shell", "AWS_PROFILE, or a key pair in the environment", "log in, or run `invoke local.up`"
        ) from error
    except botocore.exceptions.EndpointConnectionError as error:
        raise AnalysisError(
            str(error),
            "an endpoint that answers",
            "start the local cloud (`invoke local.up`), or unset AWS_ENDPOINT_URL for a real account",
        ) from error


def code_of(error: Any) -> str:
    """The service's code in a botocore ClientError ("NoSuchKey", "404", …); "" when it has none."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
