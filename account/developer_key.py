"""The developers' SSH key: made once, outside every stack, so that no state and no preview ever holds the
private half.

Both halves are parameters: the private one sealed by the stack's KMS key, the public one for everybody who
deploys. A deploy of `utils` makes them when they are missing; nobody changes them afterwards.
"""

from __future__ import annotations

import base64
from typing import Any

from account.clients import client
from neurocaas.protocol.tags import PROJECT_TAG, STACK_TAG

PRIVATE = "/neurocaas/keys/developers-ssh"
"""Parameter with the private half, in OpenSSH's format."""

PUBLIC = f"{PRIVATE}.pub"
"""Parameter with the public half."""

BEFORE = "/neurocaas/keys/developers"
"""Where the private half was up to version 1.0, as a resource of `utils` and so in its state."""

_MAGIC = b"openssh-key-v1\0"
_TAGS = [{"Key": PROJECT_TAG, "Value": "neurocaas"}, {"Key": STACK_TAG, "Value": "utils"}]


def ensure_in(region: str, kms_key: str) -> str:
    """`ensure`, with the credentials of this process: those of the shell, which the engine's provider uses
    as well.
    """
    return ensure(client("ssm", region_name=region), kms_key)


def ensure(ssm: Any, kms_key: str) -> str:
    """The public half, once both are there: the present key of an account that has one, else a new one.

    The private half is written first, and never over another: who comes second, or after a crash, takes what
    is there.
    """
    private = _read(ssm, PRIVATE)
    if private is None:
        private = _write(ssm, _read(ssm, BEFORE) or new_private(), kms_key)
    public = public_half(private)
    ssm.put_parameter(
        Name=PUBLIC,
        Type="String",
        Value=public,
        Description="Public SSH key of the developers' machines",
        Overwrite=True,
    )
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=PUBLIC, Tags=_TAGS)
    return public


def forget(ssm: Any) -> list[str]:
    """Delete both halves; the names of those that were there. For when nothing is left that uses them."""
    return list(ssm.delete_parameters(Names=[PRIVATE, PUBLIC])["DeletedParameters"])


def _read(ssm: Any, name: str) -> str | None:
    try:
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None


def _write(ssm: Any, private: str, kms_key: str) -> str:
    try:
        ssm.put_parameter(
            Name=PRIVATE,
            Type="SecureString",
            KeyId=kms_key,
            Value=private,
            Description="Private SSH key of the developers' machines (OpenSSH format)",
            Tags=_TAGS,
        )
    except ssm.exceptions.ParameterAlreadyExists:
        return _read(ssm, PRIVATE) or private
    return private


def new_private() -> str:
    """A new ed25519 key."""
    # imported late: 0.1 s, and only who makes a key needs it
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()


def public_half(private: str) -> str:
    """`ssh-ed25519 …` of an unencrypted OpenSSH private key (PROTOCOL.key of OpenSSH: the public key stands
    in clear in it).

    Raises ValueError for anything else.
    """
    lines = private.strip().splitlines()
    if len(lines) < 3 or "OPENSSH PRIVATE KEY" not in lines[0]:
        raise ValueError("the stored value is not an OpenSSH private key")
    data = base64.b64decode("".join(lines[1:-1]))
    if not data.startswith(_MAGIC):
        raise ValueError("the stored value is not an OpenSSH private key")
    rest = data[len(_MAGIC) :]
    for _ in range(3):  # cipher, key derivation, its options
        _, rest = _field(rest)
    public, _ = _field(rest[4:])  # after the number of keys
    kind, _ = _field(public)
    return f"{kind.decode()} {base64.b64encode(public).decode()} neurocaas"


def _field(data: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(data[:4], "big")
    return data[4 : 4 + length], data[4 + length :]
