"""A stack of version 1.0 had the developers' private key as a resource, and so in its state. The next deploy
takes the key over: the pair in EC2 stays, and the key leaves the state.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from account.developer_key import BEFORE, PRIVATE, PUBLIC
from tests.local.deployed import Deployed

pytestmark = [pytest.mark.local, pytest.mark.slow]

PARAMETER = "aws:ssm/parameter:Parameter"


def state_of(service: Deployed, *flags: str) -> dict[str, Any]:
    exported: dict[str, Any] = json.loads(
        service.ground.pulumi("stack", "export", *flags, "--stack", "utils").stdout
    )
    return exported


def as_in_version_1_0(service: Deployed) -> str:
    """Makes the account and the state what that version left; the private key."""
    ssm = service.client("ssm")
    private = str(ssm.get_parameter(Name=PRIVATE, WithDecryption=True)["Parameter"]["Value"])
    ssm.delete_parameters(Names=[PRIVATE, PUBLIC])
    kms = service.utils["kms_key_arn"]
    ssm.put_parameter(Name=BEFORE, Type="SecureString", KeyId=kms, Value=private)
    state = state_of(service)
    resources = state["deployment"]["resources"]
    (pair,) = (one for one in resources if one["type"] == "aws:ec2/keyPair:KeyPair")
    inputs = {"name": BEFORE, "type": "SecureString", "keyId": kms, "value": private, "__defaults": []}
    old = {
        "urn": pair["urn"].replace("aws:ec2/keyPair:KeyPair", PARAMETER),
        "custom": True,
        "id": BEFORE,
        "type": PARAMETER,
        "inputs": inputs,
        "outputs": {**inputs, "id": BEFORE, "version": 1},
        "parent": pair["parent"],
        "provider": pair["provider"],
    }
    resources.insert(resources.index(pair), old)
    pair["dependencies"] = [old["urn"]]
    pair["propertyDependencies"] = {"publicKey": [old["urn"]]}
    file = service.ground.root / "state.json"
    file.write_text(json.dumps(state))
    service.ground.pulumi("stack", "import", "--stack", "utils", "--file", str(file))
    file.unlink()
    return private


def test_a_deploy_takes_the_key_over_and_the_state_forgets_it(service: Deployed) -> None:
    private, ec2, ssm = as_in_version_1_0(service), service.client("ec2"), service.client("ssm")
    name = service.utils["key_pair_name"]
    (before,) = ec2.describe_key_pairs(KeyNames=[name])["KeyPairs"]
    assert "PRIVATE KEY" in json.dumps(state_of(service, "--show-secrets"))

    service.ground.pulumi("preview", "--stack", "utils")
    assert ssm.get_parameter(Name=BEFORE), "a preview changes nothing"
    service.ground.pulumi("up", "--yes", "--skip-preview", "--stack", "utils")

    (after,) = ec2.describe_key_pairs(KeyNames=[name])["KeyPairs"]
    assert after["KeyPairId"] == before["KeyPairId"]
    assert ssm.get_parameter(Name=PRIVATE, WithDecryption=True)["Parameter"]["Value"] == private
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name=BEFORE)
    assert "PRIVATE KEY" not in json.dumps(state_of(service, "--show-secrets"))
    service.ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "utils")
