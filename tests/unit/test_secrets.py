"""Secrets of an analysis: their values reach the script, and nothing that anybody reads."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invoke.context import Context
from moto import mock_aws

from console import secret_store, secret_values
from console.errors import UserError
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.secrets import LONGEST, SHORTEST, hidden, parameter_name, reserved, value_problem
from runtime.instance.agent.masking import Mask, masked
from runtime.instance.agent.secret_values import values_of
from runtime.instance.agent.storage import LOCAL_ROOT, StorageError

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "s3cr3t-t0ken/with+signs"
JOB = {"analysis": "dti", "stage": "prod", "secrets": ["API_TOKEN", "LICENCE"]}


def through(mask: Mask, *pieces: bytes) -> bytes:
    return b"".join([*map(mask.feed, pieces), mask.rest()])


def test_a_value_is_hidden_wherever_the_pieces_end() -> None:
    text = f"before {TOKEN} after".encode()
    for cut in range(len(text)):
        assert through(Mask({"A": TOKEN}), text[:cut], text[cut:]) == b"before [secret A] after"


def test_of_values_that_begin_alike_the_longer_one_counts() -> None:
    mask = Mask({"SHORT": "abcdef", "LONG": "abcdefghi"})
    assert through(mask, b"x abcdef", b"ghi abcdef", b"!") == b"x [secret LONG] [secret SHORT]!"


@pytest.mark.parametrize("form", [base64.b64encode(TOKEN.encode()).decode(), "s3cr3t-t0ken%2Fwith%2Bsigns"])
def test_other_forms_of_a_value_are_hidden(form: str) -> None:
    assert through(Mask({"A": TOKEN}), f"got {form}\n".encode()) == b"got [secret A]\n"


def test_each_line_of_a_value_is_hidden() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nx\n-----END KEY-----\n"
    assert through(Mask({"KEY": key}), b"MIIEpAIBAAKCAQEA\nx\n") == b"[secret KEY]\nx\n"


def test_what_is_no_value_goes_on_at_once() -> None:
    assert Mask({"A": TOKEN}).feed(b"100 %\r") == b"100 %\r"


@given(st.data())
def test_where_pieces_end_makes_no_difference(data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.text("abc", min_size=SHORTEST, max_size=9), min_size=1, max_size=3, unique=True)
    )
    secrets = {f"S{number}": value for number, value in enumerate(values)}
    text = data.draw(st.lists(st.sampled_from(["a", "b", "c", "ab", *values]), max_size=12).map("".join))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    ends = [0, *cuts, len(text)]
    pieces = [text[start:end].encode() for start, end in itertools.pairwise(ends)]
    whole = through(Mask(secrets), text.encode())
    assert through(Mask(secrets), *pieces) == whole
    left = re.sub(rb"\[secret S\d\]", b"|", whole)
    assert not any(value.encode() in left for value in values)


def test_a_script_prints_into_the_mask(tmp_path: Path) -> None:
    out, err = (tmp_path / name for name in ("out", "err"))
    code = "import os, sys; print(os.environ['A']); sys.stderr.write(os.environ['A'][:-1])"
    with (
        out.open("wb") as first,
        err.open("wb") as second,
        masked({"A": TOKEN}, (first.fileno(), second.fileno())) as (to, to_err),
    ):
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "A": TOKEN}, stdout=to, stderr=to_err, check=True
        )
    assert out.read_text() == "[secret A]\n"
    assert err.read_text() == TOKEN[:-1]  # all but the last letter is not the value


def test_without_secrets_a_script_has_its_own_descriptors() -> None:
    with masked({}) as ends:
        assert ends == [1, 2]


class Store:
    """SSM with the parameters that it was given."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values, self.asked = values, list[Any]()

    def get_parameters(self, **asked: Any) -> Any:
        self.asked.append(asked)
        return {
            "Parameters": [
                {"Name": name, "Value": self.values[name]} for name in asked["Names"] if name in self.values
            ]
        }


def test_a_machine_reads_them_below_its_own_stack_in_one_request() -> None:
    store = Store(
        {"/neurocaas/secrets/dti-prod/API_TOKEN": TOKEN, "/neurocaas/secrets/dti-prod/LICENCE": "L" * 9}
    )
    assert values_of(JOB, {}, store) == {"API_TOKEN": TOKEN, "LICENCE": "L" * 9}
    assert store.asked == [
        {
            "Names": ["/neurocaas/secrets/dti-prod/API_TOKEN", "/neurocaas/secrets/dti-prod/LICENCE"],
            "WithDecryption": True,
        }
    ]


def test_all_that_have_no_value_are_said_at_once() -> None:
    with pytest.raises(
        StorageError, match=r"API_TOKEN, LICENCE of dti-prod.*invoke secret dti-prod API_TOKEN"
    ):
        values_of(JOB, {}, Store({}))


def test_on_a_developers_computer_they_come_from_the_environment() -> None:
    there = {"API_TOKEN": TOKEN, "LICENCE": "licence", LOCAL_ROOT: "/x"}
    assert values_of(JOB, there) == {"API_TOKEN": TOKEN, "LICENCE": "licence"}
    with pytest.raises(StorageError, match=r"LICENCE.*export LICENCE="):
        values_of(JOB, {"API_TOKEN": TOKEN, LOCAL_ROOT: "/x"})


def test_a_job_without_secrets_asks_nobody() -> None:
    store = Store({})
    assert values_of({"analysis": "dti", "stage": "prod"}, {}, store) == {}
    assert store.asked == []


@pytest.mark.parametrize("value", ["", "abcde", "x" * (LONGEST + 1), " " * 8, "with\0nul"])
def test_values_that_cannot_be_hidden_or_stored_are_refused(value: str) -> None:
    problem = value_problem("API_TOKEN", value)
    assert problem is not None
    if value.strip():
        assert value not in json.dumps([problem.got, problem.allowed, problem.do])


def test_names_that_a_machine_goes_by_are_no_secrets() -> None:
    assert all(
        map(reserved, ("PATH", "AWS_SECRET_ACCESS_KEY", "NEUROCAAS_STATE", "LD_PRELOAD", "PYTHONPATH"))
    )
    assert not reserved("API_TOKEN")
    assert parameter_name("dti-prod", "API_TOKEN") == "/neurocaas/secrets/dti-prod/API_TOKEN"
    assert hidden("API_TOKEN") == "[secret API_TOKEN]"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A project whose dti has one secret, the parameter store, and what `utils` has put out."""
    shutil.copytree(ROOT / "blueprints", tmp_path / "blueprints")
    blueprint = tmp_path / "blueprints/dti/blueprint.yaml"
    blueprint.write_text(blueprint.read_text() + "\nsecrets: [API_TOKEN]\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
        engine = SimpleNamespace(root=tmp_path, outputs=lambda stack: {"kms_key_arn": key})
        monkeypatch.setattr("console.commands.engine_of", lambda stack: (engine, stack))
        yield boto3.client("ssm")


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_value_comes_by_standard_input_and_is_never_shown(
    world: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret_values.secrets(Context(), "dti-prod")
    assert capsys.readouterr().out == "API_TOKEN: no value: invoke secret dti-prod API_TOKEN\n"
    type_in(monkeypatch, f"{TOKEN}\n")
    secret_values.secret(Context(), "dti-prod", "API_TOKEN")
    stored = world.get_parameter(Name="/neurocaas/secrets/dti-prod/API_TOKEN", WithDecryption=True)
    assert (stored["Parameter"]["Value"], stored["Parameter"]["Type"]) == (TOKEN, "SecureString")
    secret_values.secrets(Context(), "dti-prod", json=True)
    said = capsys.readouterr()
    assert TOKEN not in said.out + said.err
    (one,) = json.loads(said.out)["secrets"]
    assert one["stored"]
    assert secret_store.without_value(world, "dti-prod", ["API_TOKEN", "OTHER"]) == ["OTHER"]
    secret_values.secret(Context(), "dti-prod", "API_TOKEN", remove=True)
    assert secret_store.without_value(world, "dti-prod", ["API_TOKEN"]) == ["API_TOKEN"]


def test_names_and_values_that_will_not_do_are_refused_and_nothing_is_stored(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="named by the blueprint: API_TOKEN"):
        secret_values.secret(Context(), "dti-prod", "OTHER")
    with pytest.raises(UserError, match="stored: there is none"):
        secret_values.secret(Context(), "dti-prod", "API_TOKEN", remove=True)
    type_in(monkeypatch, "12345\n")
    with pytest.raises(InvalidInput) as refused:
        secret_values.secret(Context(), "dti-prod", "API_TOKEN")
    assert "12345" not in str(refused.value)
    assert secret_store.without_value(world, "dti-prod", ["API_TOKEN"]) == ["API_TOKEN"]


def test_the_values_of_a_stack_go_with_it_and_no_others(world: Any) -> None:
    for stack in ("dti-prod", "dti-prod-x"):
        world.put_parameter(Name=f"/neurocaas/secrets/{stack}/A", Value=TOKEN, Type="SecureString")
    assert secret_store.remove_all(world, "dti-prod") == ["A"]
    assert secret_store.remove_all(world, "dti-prod") == []
    assert world.get_parameter(Name="/neurocaas/secrets/dti-prod-x/A")
