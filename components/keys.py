"""The SSH key of the developers' machines: the private half kept as a secret parameter, the public half in
EC2.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child

PARAMETER = "/neurocaas/keys/developers"
"""Name of the private half in the Parameter Store."""

_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, kw_only=True)
class DeveloperKeyArgs:
    """`kms_key_id`: key that encrypts the private half."""

    kms_key_id: pulumi.Input[str]


class DeveloperKey(pulumi.ComponentResource):
    """An ed25519 key pair, made once.

    Every run of the program makes a new private key, and Pulumi ignores all but the first: the parameter's
    stored value is the one that counts, and the public half is derived from it, so the two always match.
    """

    key_name: pulumi.Output[str]
    parameter_name: pulumi.Output[str]

    def __init__(self, name: str, args: DeveloperKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:DeveloperKey", name, {}, opts)
        parameter = aws.ssm.Parameter(
            name,
            name=PARAMETER,
            type="SecureString",
            key_id=args.kms_key_id,
            description="Private SSH key of the developers' machines (OpenSSH format)",
            value=pulumi.Output.secret(_private_key()),
            opts=child(self, ignore_changes=["value"]),
        )
        public = pulumi.Output.unsecret(parameter.value.apply(public_half))
        pair = aws.ec2.KeyPair(name, public_key=public, opts=child(self))
        self.key_name, self.parameter_name = pair.key_name, parameter.name
        self.register_outputs({"key_name": self.key_name, "parameter_name": self.parameter_name})


def _private_key() -> str:
    # imported late: 0.1 s, and only this stack needs it
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
