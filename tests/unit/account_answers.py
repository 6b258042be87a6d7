"""An account for tests of `invoke doctor --account`: each service answers what a test says, in its order, and
botocore checks every answer against the service's own model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import ANY, Stubber

from console.account_checks.asking import asked
from console.account_checks.at import At
from console.account_checks.list import QUESTIONS
from console.account_checks.model import AccountCheck
from console.account_checks.wanted import Wanted, of_stack

ACCOUNT, REGION = "111122223333", "us-east-1"
IDENTITY = {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/ann", "UserId": "AROA"}


@dataclass(frozen=True)
class Said:
    """One answer of a service, or the code (and HTTP status) of a refusal."""

    operation: str
    answer: Mapping[str, Any] | None = None
    refused: str = ""
    status: int = 400


Answers = Mapping[str, list[Said]]


@contextmanager
def account(answers: Answers, identity: Mapping[str, Any] = IDENTITY) -> Iterator[At]:
    """The account; at the end every answer must have been asked for."""
    stubs: dict[str, Stubber] = {}

    maker: Any = boto3.client

    def make(service: str, **_: Any) -> Any:
        client = maker(
            service,
            region_name=REGION,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )
        stubs[service] = stub = Stubber(client)
        for said in answers.get(service, ()):
            if said.refused:
                stub.add_client_error(said.operation, said.refused, http_status_code=said.status)
            else:
                stub.add_response(said.operation, dict(said.answer or {}))
        stub.activate()
        return client

    yield At(make, REGION, dict(identity))
    for service in answers:
        assert service in stubs, f"{service} was not asked"
        stubs[service].assert_no_pending_responses()


def ask(
    name: str, wanted: Wanted, answers: Answers, identity: Mapping[str, Any] = IDENTITY
) -> list[AccountCheck]:
    """What is said to one question."""
    with account(answers, identity) as at:
        return asked([one for one in QUESTIONS if one.name == name], at, wanted)


BLUEPRINT = """\
schema_version: 1
name: spikes
title: Spike sorting
script: run_spikes.sh
instance:
  type: {type}
  types: [{type}]
  volume_gib: {volume}
  market: {market}
image:
  parent: {parent}
  required: false
bucket: spikes-of-a-lab
groups: [lab1, lab2]
"""


def project(
    root: Path,
    *,
    type: str = "m5.large",  # noqa: A002  (the field's name)
    volume: int = 16,
    market: str = "on-demand",
    parent: str = "ubuntu24",
    settings: str = "",
) -> Wanted:
    """What the stack spikes-webdev of a small project wants."""
    folder = root / "blueprints" / "spikes"
    folder.mkdir(parents=True)
    (root / "stacks").mkdir()
    (root / "Pulumi.yaml").write_text(f"config:\n  aws:region:\n    value: {REGION}\n")
    (root / "stacks" / "Pulumi.utils.yaml").write_text(
        f"config:\n  neurocaas:logRetentionDays: 30\n{settings}"
    )
    text = BLUEPRINT.format(type=type, volume=volume, market=market, parent=parent)
    (folder / "blueprint.yaml").write_text(text)
    (folder / "run_spikes.sh").write_text("#!/bin/bash\n")
    return of_stack(root, "spikes-webdev")


__all__ = ["ACCOUNT", "ANY", "IDENTITY", "REGION", "Said", "account", "ask", "project"]
