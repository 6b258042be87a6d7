"""The AWS clients of a function. That of S3 expects its buckets to be of the account that the function's
environment names (`neurocaas.protocol.owner`)."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import botocore
import botocore.session
from botocore.config import Config

from neurocaas.protocol.owner import VARIABLE, expect_owner


class OutdatedError(Exception):
    """The AWS library that the function's runtime has is too old for what the service does: every message
    fails with this, and is delivered again when it has been updated."""


class Clients:
    """One client a service, made at first use, once per container. `attempts`: how often a call is made that
    fails for a while; `ec2_attempts` of EC2's, where that is another number. `elsewhere`: registered outside
    buckets, which may be anybody's; more may be put in."""

    def __init__(self, attempts: int, ec2_attempts: int | None = None) -> None:
        self.elsewhere: set[str] = set()
        self.session = botocore.session.get_session()
        self.config = Config(
            retries={"mode": "standard", "max_attempts": attempts}, connect_timeout=5, read_timeout=30
        )
        self._ec2_attempts = ec2_attempts or attempts

    def _made(self, service: str) -> Any:
        return self.session.create_client(service, config=self.config)

    @cached_property
    def s3(self) -> Any:
        """Raises OutdatedError."""
        made = self._made("s3")
        writing = made.meta.service_model.operation_model("PutObject").input_shape.members
        if "IfNoneMatch" not in writing:
            raise OutdatedError(
                f"botocore {botocore.__version__} of the function's runtime has no conditional writes to S3. "
                "Allowed: 1.35.2 or newer. Update the runtime (Lambda's runtime management: Auto), or "
                "deploy with a newer one"
            )
        return expect_owner(made, os.environ.get(VARIABLE, ""), ours=lambda one: one not in self.elsewhere)

    @cached_property
    def ec2(self) -> Any:
        config = Config(retries={"mode": "standard", "max_attempts": self._ec2_attempts})
        return self.session.create_client("ec2", config=self.config.merge(config))

    @cached_property
    def dynamodb(self) -> Any:
        return self._made("dynamodb")

    @cached_property
    def sns(self) -> Any:
        return self._made("sns")

    @cached_property
    def sqs(self) -> Any:
        return self._made("sqs")

    @cached_property
    def sts(self) -> Any:
        return self._made("sts")

    @cached_property
    def ssm(self) -> Any:
        return self._made("ssm")
