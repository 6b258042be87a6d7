"""The secrets of a job: from the environment where they are there already (on a developer's computer), else
from the parameter store, with the machine's own role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurocaas.protocol.secrets import parameter_name

from .storage import LOCAL_ROOT, StorageError


def values_of(
    job: Mapping[str, Any], environment: Mapping[str, str], client: Any | None = None
) -> dict[str, str]:
    """The values by name. Raises StorageError, for all that are missing at once. `client`: of SSM."""
    names = [str(name) for name in job.get("secrets") or ()]
    given = {name: environment[name] for name in names if environment.get(name)}
    missing = [name for name in names if name not in given]
    if missing and not environment.get(LOCAL_ROOT):
        given |= _stored(f"{job.get('analysis')}-{job.get('stage')}", missing, client or _ssm(environment))
    elif missing:
        raise StorageError(
            f"got no value of the secrets {', '.join(missing)}. Allowed: a variable of the environment for "
            f"each. Type `export {missing[0]}=…`, and run it again."
        )
    return given


def _stored(stack: str, names: Sequence[str], client: Any) -> dict[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    at = {parameter_name(stack, name): name for name in names}
    try:
        answer = client.get_parameters(Names=sorted(at), WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise StorageError(f"the secrets {', '.join(names)} could not be read: {error}") from error
    found = {at[one["Name"]]: str(one["Value"]) for one in answer["Parameters"]}
    if missing := [name for name in names if name not in found]:
        raise StorageError(
            f"got no value of the secrets {', '.join(missing)} of {stack}. Allowed: one for each. The "
            f"analysis's developer types `invoke secret {stack} {missing[0]}`; then submit again."
        )
    return found


def _ssm(environment: Mapping[str, str]) -> Any:
    import botocore.session
    from botocore.config import Config

    session = botocore.session.get_session()
    region = session.get_config_variable("region") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    config = Config(
        connect_timeout=10, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 5}
    )
    return session.create_client("ssm", region_name=region, config=config)
