"""What a difficult account would refuse in the middle of a deploy is said before, one property at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.account_checks.list import before_deploy, of_account
from console.account_checks.model import AccountCheck, CheckVerdict
from console.account_checks.wanted import Wanted
from localcloud.cloud import Cloud
from localcloud.tests.homes import Client
from tests.unit.account_answers import project

pytestmark = pytest.mark.local
Ask = Callable[..., list[AccountCheck]]
KEY = "arn:aws:kms:us-east-1:000000000000:key/11112222-3333-4444-5555-666677778888"


@pytest.fixture
def ask(emulator: Cloud, client: Client) -> Iterator[Ask]:
    def asked(wanted: Wanted, *, deploy: bool = False, **properties: Any) -> list[AccountCheck]:
        emulator.admin("POST", "account", properties)
        questions = before_deploy if deploy else of_account
        return questions(lambda service, **_: _plain_host(emulator, client(service)), emulator.region, wanted)

    yield asked
    emulator.admin("POST", "account", {})


def _plain_host(cloud: Cloud, client: Any) -> Any:
    """S3 Control puts the account before the host's name, which no resolver knows here."""

    def plain(request: Any, **_: Any) -> None:
        request.url = request.url.replace(f"//{cloud.account}.", "//")

    client.meta.events.register("before-sign.s3-control", plain)
    return client


def failed(checks: list[AccountCheck]) -> dict[str, str]:
    return {one.name: one.got for one in checks if one.verdict is CheckVerdict.FAIL}


def test_an_easy_account_has_nothing_that_fails(ask: Ask, tmp_path: Path) -> None:
    found = ask(project(tmp_path, market="spot"))
    assert failed(found) == {}
    assert {one.name for one in found if one.verdict is CheckVerdict.OK} >= {
        "network",
        "spot role",
        "virtual CPUs",
        "IAM",
        "bucket names",
        "parent images",
        "machines",
        "public access",
    }


DIFFICULT: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"default_vpc": False}, {}, "network", "no default VPC"),
    ({"spot_role": False}, {"market": "spot"}, "spot role", "AWSServiceRoleForEC2Spot"),
    ({"taken_buckets": ["spikes-of-a-lab"]}, {}, "bucket names", "spikes-of-a-lab"),
    ({"snapshot_gib": 75}, {}, "parent images", "75 GiB"),
    ({"quotas": {"roles": 1}}, {}, "IAM", "Roles: 1 allowed"),
]
"""Properties of the account, what the blueprint says, and which check fails with what words."""


@pytest.mark.parametrize(("properties", "blueprint", "name", "words"), DIFFICULT, ids=lambda one: str(one))
def test_a_deploy_hears_it_before_it_makes_anything(
    ask: Ask,
    tmp_path: Path,
    properties: dict[str, Any],
    blueprint: dict[str, Any],
    name: str,
    words: str,
) -> None:
    wanted = project(tmp_path, **blueprint)
    assert failed(ask(wanted, deploy=True)) == {}
    found = failed(ask(wanted, deploy=True, **properties))
    assert list(found) == [name]
    assert words in found[name]


def test_the_doctor_hears_what_a_deploy_does_not_ask(ask: Ask, tmp_path: Path) -> None:
    wanted = project(tmp_path, settings="  neurocaas:publicCatalogue: true\n")
    found = ask(wanted, quotas={"vcpu": 1}, block_public_access=True)
    assert set(failed(found)) == {"virtual CPUs", "public access"}


def test_a_key_that_cannot_be_looked_at_is_unknown_and_never_well(ask: Ask, tmp_path: Path) -> None:
    found = ask(project(tmp_path), default_ebs_key=KEY)
    assert [one.verdict for one in found if one.name == "disk key"] == [CheckVerdict.UNKNOWN]
