"""The key that encrypts what is secret or sensitive: the developers' private key and the notices."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies import resources

DELETION_DAYS = 30
"""Between the order to delete the key and its end: the longest that KMS offers."""


@dataclass(frozen=True, kw_only=True)
class EncryptionKeyArgs:
    """`place`: whose account may use the key."""

    place: Place


class EncryptionKey(pulumi.ComponentResource):
    """A KMS key that rotates every year, with an alias for people."""

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: EncryptionKeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:access:EncryptionKey", name, {}, opts)
        key = aws.kms.Key(
            name,
            description="NeuroCAAS: the developers' private key and the notices",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=json.dumps(resources.key(args.place), sort_keys=True),
            opts=child(self),
        )
        aws.kms.Alias(name, target_key_id=key.key_id, opts=child(self))
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})
