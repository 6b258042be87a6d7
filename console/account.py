"""Checks of the account that this shell names. Without credentials nothing is asked of AWS: the local cloud
needs none.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from console.cloud import Choice, choose, lay_over, running_local
from console.health import Check, Surroundings, bad, good, note

_TIMEOUT = 5
_VCPU_QUOTA = ("ec2", "L-1216C47A")
"""Running On-Demand Standard instances, in virtual CPUs (Service Quotas user guide, Amazon EC2)."""
_ENOUGH_VCPU = 32


def checks(around: Surroundings) -> Iterator[Check]:
    """The account's checks in order; the later ones are left out when an earlier one makes them pointless."""
    choice = choose(around.environ, running_local(around.root), want_local=False, home=around.home)
    environ = dict(around.environ)
    lay_over(environ, choice.variables)
    lay_over(os.environ, choice.variables)
    yield good("cloud", choice.name)
    session, found = _credentials()
    yield found
    if session is None:
        return
    region = _region(session, around)
    yield region
    if session.get_credentials() is None:
        yield note(
            "account", "not asked: no credentials", "nothing to do for the local cloud; else see credentials"
        )
        return
    where = session.region_name or "us-east-1"
    endpoint = environ.get("AWS_ENDPOINT_URL") or session.client("sts", region_name=where).meta.endpoint_url
    reached = _network(endpoint, environ)
    yield reached
    if reached.fix:
        return
    identity = _identity(session)
    yield identity
    if not identity.fix:
        yield _quota(session)
    yield _backend(around, choice)


def _credentials() -> tuple[Any, Check]:
    import boto3
    from botocore.exceptions import BotoCoreError

    fix = "set AWS_PROFILE, or a key pair, to use an account; the local cloud needs none (invoke local.up)"
    try:
        session = boto3.Session()
        found = session.get_credentials()
    except BotoCoreError as error:
        from neurocaas.remedies import remedy

        return None, bad(
            "credentials",
            str(error),
            remedy(error) or "correct ~/.aws/config and the AWS_… variables of this shell",
        )
    if found is None:
        return session, note("credentials", "none in this shell", fix)
    return session, good("credentials", f"by {found.method}")


def _region(session: Any, around: Surroundings) -> Check:
    from neurocaas.protocol import yaml12

    stacks: str = yaml12.load((around.root / "Pulumi.yaml").read_text(), "Pulumi.yaml")["config"][
        "aws:region"
    ]["value"]
    chosen = session.region_name
    if chosen is None:
        return note("region", f"none in this shell; stacks are in {stacks}", f"export AWS_REGION={stacks}")
    if chosen != stacks:
        do = (
            f"export AWS_REGION={stacks}, or give the stacks yours: pulumi config set aws:region {chosen} "
            "--stack STACK"
        )
        return note("region", f"{chosen}, but stacks are in {stacks} unless their config says otherwise", do)
    return good("region", str(chosen))


def _network(endpoint: str, environ: dict[str, str]) -> Check:
    proxy = environ.get("HTTPS_PROXY") or environ.get("https_proxy") if endpoint.startswith("https") else None
    address = proxy if proxy and "//" in proxy else f"//{proxy}" if proxy else endpoint
    try:
        place = urlsplit(address)
        host, port = place.hostname, place.port or (443 if endpoint.startswith("https") else 80)
    except ValueError:
        host = None
    if not host:
        return bad(
            "network",
            f"{address} is no address",
            f"correct {'HTTPS_PROXY' if proxy else 'AWS_ENDPOINT_URL'}, or unset it",
        )
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT):
            return good("network", f"{'the proxy ' if proxy else ''}{host}:{port} answers")
    except OSError as error:
        return bad(
            "network",
            f"{host}:{port} does not answer ({error})",
            "check the network, HTTPS_PROXY and AWS_ENDPOINT_URL",
        )


def _client(session: Any, service: str) -> Any:
    from botocore.config import Config

    settings = Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2})
    return session.client(service, region_name=session.region_name or "us-east-1", config=settings)


def _identity(session: Any) -> Check:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        who = _client(session, "sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        return bad(
            "account",
            str(error),
            "renew the credentials of this shell (aws sso login, or new keys), then try again",
        )
    return good("account", f"{who['Account']} as {who['Arn']}")


def _quota(session: Any) -> Check:
    from botocore.exceptions import BotoCoreError, ClientError

    service, code = _VCPU_QUOTA
    try:
        quota = _client(session, "service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)[
            "Quota"
        ]
        count = int(quota["Value"])
    except (BotoCoreError, ClientError, KeyError, ValueError) as error:
        reason = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        return note(
            "quotas",
            f"not told ({reason})",
            "allow servicequotas:GetServiceQuota; without, a full account shows when jobs start",
        )
    if count < _ENOUGH_VCPU:
        do = (
            "ask for more: console, Service Quotas, Running On-Demand Standard instances; each dataset "
            "takes a machine"
        )
        return note("quotas", f"{count} virtual CPUs at once", do)
    return good("quotas", f"{count} virtual CPUs at once")


def _backend(around: Surroundings, choice: Choice) -> Check:
    from console.engine import Engine
    from console.errors import UserError

    try:
        done = Engine(around.root).capture("whoami", "--non-interactive")
    except (UserError, OSError, subprocess.SubprocessError) as error:
        return note("backend", str(error).splitlines()[0], "invoke setup")
    if done.returncode != 0:
        return note(
            "backend",
            "not logged in to a Pulumi backend",
            "pulumi login (a bucket of yours: pulumi login s3://BUCKET)",
        )
    return good("backend", f"logged in as {done.stdout.strip()}")
