"""What the program knows of the developers' key: its public half, and nothing that a state could hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from account.developer_key import PRIVATE, new_private, public_half
from components import keys, program
from tests.program.recording import Recorded, Recorder, deploy


def utils_without_key(project: Path, **more: Any) -> Recorded:
    recorder = Recorder({})
    recorder.public_key = None
    return deploy(lambda: program.outputs(project), "utils", recorder=recorder, **more)


def test_the_stack_holds_the_public_half_alone(utils: Recorded) -> None:
    assert utils.one("KeyPair").inputs["publicKey"].startswith("ssh-ed25519 ")
    assert not utils.of_type("Parameter")
    everything = json.dumps([one.inputs for one in utils.resources] + [utils.outputs], default=str)
    assert "PRIVATE KEY" not in everything
    assert utils.outputs["private_key_parameter"] == PRIVATE


def test_a_deploy_makes_the_key_that_is_missing_and_seals_it_with_the_stacks_key(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, asked = new_private(), list[str]()

    def ensure(region: str, kms_key: str) -> str:
        asked.append(kms_key)
        assert region == "us-east-1"
        return public_half(private)

    monkeypatch.setattr(keys, "ensure_in", ensure)
    utils = utils_without_key(project)
    assert asked == ["arn:aws:kms:us-east-1:111122223333:key/neurocaas-utils-key-1a2b3c4"]
    assert utils.one("KeyPair").inputs["publicKey"] == public_half(private)
    assert "PRIVATE KEY" not in json.dumps([one.inputs for one in utils.resources], default=str)


def test_a_preview_makes_none_and_changes_no_pair(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with credentials that may not read the public half: these of CI that reviews."""
    monkeypatch.setattr(keys, "ensure_in", lambda *_: pytest.fail("a preview made a key"))
    utils = utils_without_key(project, preview=True)
    assert utils.one("KeyPair").inputs["publicKey"] == keys.UNMADE
    (ignored,) = [names for urn, names in utils.ignored.items() if "KeyPair" in urn]
    assert ignored == ("publicKey",)


def test_a_deploy_ignores_no_change(utils: Recorded) -> None:
    """The pair is always that of the private half."""
    assert [names for urn, names in utils.ignored.items() if "KeyPair" in urn] == [()]
