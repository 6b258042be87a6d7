"""The SSH key of the developers' machines in EC2: its public half, which is all that a stack knows of it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from account.developer_key import PRIVATE, PUBLIC, ensure_in
from components.options import child
from components.place import Place

UNMADE = "ssh-ed25519 AAAA made-by-the-deploy"
"""What a preview shows of a key that the deploy will make, or that it may not read."""


@dataclass(frozen=True, kw_only=True)
class DeveloperKeyArgs:
    """`kms_key_id`: ARN of the key that seals the private half."""

    place: Place
    kms_key_id: pulumi.Input[str]


class DeveloperKey(pulumi.ComponentResource):
    """The key pair. Its private half is made beside the stack (`account.developer_key`): a resource would
    have it in its inputs, and so in the state, sealed for everybody who may preview.

    A deploy that finds no public half makes both, or takes over the key of a stack of version 1.0. A preview
    makes nothing, and shows no change of a pair whose public half it does not know.
    """

    key_name: pulumi.Output[str]
    parameter_name: str

    def __init__(self, name: str, args: DeveloperKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:DeveloperKey", name, {}, opts)
        self.parameter_name = PRIVATE
        public: pulumi.Input[str] | None = self._public()
        known = public is not None or not pulumi.runtime.is_dry_run()
        if public is None:
            region = args.place.region
            public = (
                pulumi.Output.from_input(args.kms_key_id).apply(lambda key: ensure_in(region, key))
                if known
                else UNMADE
            )
        pair = aws.ec2.KeyPair(
            name, public_key=public, opts=child(self, ignore_changes=() if known else ["publicKey"])
        )
        self.key_name = pair.key_name
        self.register_outputs({"key_name": self.key_name, "parameter_name": self.parameter_name})

    def _public(self) -> str | None:
        """The public half as it is stored; None when it is not there, or may not be read."""
        try:
            found = aws.ssm.get_parameter(name=PUBLIC, opts=pulumi.InvokeOptions(parent=self))
        except Exception:  # noqa: BLE001  (pulumi raises a plain Exception with what the provider said)
            return None
        return str(found.insecure_value)
