"""The way into a development instance: the private key, and the one port that is opened while it is
needed.
"""

import ipaddress
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from image_builder.dev.errors import DevelopmentError

WHO_AM_I = "https://checkip.amazonaws.com"
"""AWS's own answer to the question which address we come from."""


def new_file(out: str | Path, example: str = "~/.ssh/neurocaas.pem") -> Path:
    """Where a secret may be written. Raises DevelopmentError for a file that exists, that cannot be made, or
    is under version control.
    """
    path = Path(out).expanduser()
    if not str(out) or str(out).endswith("/"):
        raise DevelopmentError(
            f"--out {str(out)!r}", "the name of a new file", f"for instance --out {example}"
        )
    if path.exists() or path.is_symlink():
        raise DevelopmentError(
            f"{path}, which exists",
            "a file that does not exist yet",
            "delete it, or choose another name with --out",
        )
    if not path.parent.is_dir():
        raise DevelopmentError(
            f"{path}, whose folder does not exist",
            "a file in an existing folder",
            f"mkdir -p -m 700 {path.parent}",
        )
    tree = work_tree(path.resolve().parent)
    if tree is not None:
        raise DevelopmentError(
            f"{path}, which is in the git work tree {tree}",
            "a place outside version control: a committed key is everybody's",
            f"write it to your home folder, for instance --out {example}",
        )
    try:
        create(path, "")
        path.unlink()
    except OSError as error:
        raise DevelopmentError(
            f"{path}, which cannot be made: {error.strerror}",
            "a folder in which you may make files",
            f"for instance --out {example}",
        ) from None
    return path


def create(path: Path, text: str) -> None:
    """Make the file with mode 0400 from the first moment on. Raises FileExistsError when it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


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


def work_tree(folder: Path) -> Path | None:
    """The git work tree that a folder is in, None when it is in none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--show-toplevel"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
    return Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


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
