"""What a person can do about an error of AWS's library or of the system that nobody has put into words nearer
to where it comes from.
"""

import errno

from neurocaas.errors import AnalysisError

# Names instead of classes: importing botocore to know its exceptions would cost every command its start-up
# time.
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
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def remedy(error: BaseException) -> str | None:
    """What to do about credentials or a network that do not answer; None for another error."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((_NETWORK[name] for name in names if name in _NETWORK), None)


def explained(error: BaseException) -> AnalysisError | None:
    """The error as a message in three parts; None when it is not one that a person can put right."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return AnalysisError(str(error), "a disk with room", "make room, and repeat the command")
    do = remedy(error)
    return AnalysisError(str(error), "credentials and an endpoint that answer", do) if do else None
