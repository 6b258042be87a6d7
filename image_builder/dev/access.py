"""The way into a development instance: the private key, and the one port that is opened while it is
needed.
"""

import ipaddress
import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from account.secret_file import create
from image_builder.dev.errors import DevelopmentError

WHO_AM_I = "https://checkip.amazonaws.com"
"""AWS's own answer to the question which address we come from."""


def write_key(path: Path, parameter: str, ssm: Any) -> None:
    """Write the developers' private key to a new file with mode 0400. Raises DevelopmentError when the
    parameter cannot be read; nothing is left behind then."""
    try:
        key = str(ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ParameterNotFound":
            raise DevelopmentError(
                f"parameter not found: {parameter} in region {ssm.meta.region_name}",
                "the region in which the stack `utils` is deployed",
                "set AWS_REGION to that region, or deploy it: `invoke deploy utils`",
            ) from None
        if code in ("AccessDenied", "AccessDeniedException"):
            raise DevelopmentError(
                f"{parameter} may not be read: {error.response['Error'].get('Message', code)}",
                "credentials of a developer (ssm:GetParameter on it, kms:Decrypt on its key)",
                "use other credentials, or ask your administrator",
            ) from None
        raise
    create(path, key.rstrip("\n") + "\n")


def over_ssh(key: Path, user: str, address: str, command: str) -> int:
    """An SSH session (or one command line); its exit status. The machine's host key is new at every launch,
    so it is kept apart.
    """
    path = key.expanduser()
    if not path.is_file():
        raise DevelopmentError(
            f"key file {path}, which does not exist",
            "the file of the private key",
            f"invoke print-key --out {path}",
        )
    options = [
        "-o",
        "StrictHostKeyChecking=accept-new",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        "-o",
        "IdentitiesOnly=yes",
    ]
    return _tool(
        ["ssh", "-i", str(path), *options, f"{user}@{address}", *([command] if command else [])],
        "the OpenSSH client",
    )


def over_ssm(instance_id: str, command: str) -> int:
    """An SSM session by the AWS CLI and its plugin; its exit status. A command line runs in the session's
    shell.
    """
    if shutil.which("session-manager-plugin") is None:
        raise DevelopmentError(
            "there is no session-manager-plugin on PATH",
            "the AWS CLI with its Session Manager plugin, or SSH",
            "install it, or use SSH: `invoke print-key --out ~/.ssh/neurocaas.pem`, then `invoke ssh … "
            "--key ~/.ssh/neurocaas.pem`",
        )
    arguments = ["aws", "ssm", "start-session", "--target", instance_id]
    if command:
        arguments += [
            "--document-name",
            "AWS-StartNonInteractiveCommand",
            "--parameters",
            json.dumps({"command": [command]}),
        ]
    return _tool(arguments, "the AWS CLI, version 2")


def _tool(arguments: list[str], what: str) -> int:
    try:
        return subprocess.run(arguments, check=False).returncode
    except FileNotFoundError:
        raise DevelopmentError(f"there is no {arguments[0]} on PATH", what, "install it") from None


def own_address() -> str:
    """The address that AWS sees this computer at, as a range of one."""
    try:
        with urllib.request.urlopen(WHO_AM_I, timeout=10) as answer:
            found = ipaddress.ip_address(answer.read().decode().strip())
    except (OSError, ValueError) as error:
        raise DevelopmentError(
            f"{WHO_AM_I} does not say which address this computer has: {error}",
            "an address to open port 22 for",
            "give it: address='192.0.2.7/32'",
        ) from None
    return f"{found}/{32 if found.version == 4 else 128}"


def open_port(security_group: str, address: str, ec2: Any) -> None:
    """Let one address range of at most 256 addresses reach port 22; nothing happens when it may already."""
    _rule(ec2.authorize_security_group_ingress, security_group, address, "InvalidPermission.Duplicate")


def close_port(security_group: str, address: str, ec2: Any) -> None:
    """Take that back; nothing happens when it is not there."""
    _rule(ec2.revoke_security_group_ingress, security_group, address, "InvalidPermission.NotFound")


def _rule(call: Any, security_group: str, address: str, harmless: str) -> None:
    """Change the rule for one address; the error code `harmless` means that there was nothing to do."""
    try:
        network = ipaddress.ip_network(address)
    except ValueError as error:
        raise DevelopmentError(
            f"address {address!r}: {error}", "a range such as 192.0.2.7/32", "correct it"
        ) from None
    if network.num_addresses > 256:
        raise DevelopmentError(
            f"address {address!r}, {network.num_addresses} addresses",
            "at most 256",
            "open the port for yourself only",
        )
    peer = (
        {"IpRanges": [{"CidrIp": str(network)}]}
        if network.version == 4
        else {"Ipv6Ranges": [{"CidrIpv6": str(network)}]}
    )
    try:
        call(
            GroupId=security_group,
            IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **peer}],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != harmless:
            raise
