"""The way into a development instance: the private key, and the one port that is opened while it is needed."""

import ipaddress
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from image_builder.dev.errors import DevelopmentError

WHO_AM_I = "https://checkip.amazonaws.com"
"""AWS's own answer to the question which address we come from."""


def write_key(out: Path, parameter: str, ssm: Any) -> None:
    """Write the developers' private key to a new file with mode 0400.

    Raises DevelopmentError for a file that exists or is under version control, and when the parameter cannot be read; nothing is left
    behind then.
    """
    path = out.expanduser()
    if path.exists() or path.is_symlink():
        raise DevelopmentError(f"{path}, which exists", "a file that does not exist yet", "delete it, or choose another name with --out")
    if not path.parent.is_dir():
        raise DevelopmentError(f"{path}, whose folder does not exist", "a file in an existing folder", f"mkdir -p -m 700 {path.parent}")
    tree = work_tree(path.resolve().parent)
    if tree is not None:
        raise DevelopmentError(
            f"{path}, which is in the git work tree {tree}",
            "a place outside version control: a committed key is everybody's",
            "write it to ~/.ssh, for instance --out ~/.ssh/neurocaas.pem",
        )
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
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.rstrip("\n") + "\n")


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
        raise DevelopmentError(f"address {address!r}: {error}", "a range such as 192.0.2.7/32", "correct it") from None
    if network.num_addresses > 256:
        raise DevelopmentError(f"address {address!r}, {network.num_addresses} addresses", "at most 256", "open the port for yourself only")
    peer = {"IpRanges": [{"CidrIp": str(network)}]} if network.version == 4 else {"Ipv6Ranges": [{"CidrIpv6": str(network)}]}
    try:
        call(GroupId=security_group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **peer}])
    except ClientError as error:
        if error.response["Error"]["Code"] != harmless:
            raise
