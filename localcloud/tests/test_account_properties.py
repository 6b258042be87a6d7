"""The account's properties are read from a file and a setting, all faults at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcloud.account_properties import (
    VARIABLE,
    LaunchBucket,
    Properties,
    PropertiesError,
    given,
    parse,
)
from localcloud.tests.homes import CloudHome


def test_nobody_says_anything() -> None:
    assert parse({}) == Properties()
    assert parse(dict.fromkeys(Properties().plain())) == Properties()


def test_a_difficult_account() -> None:
    said = {
        "default_vpc": False,
        "spot_role": False,
        "spot_launch_index": "zero",
        "taken_buckets": ["analysis", "dti"],
        "block_public_access": True,
        "snapshot_gib": 75,
        "root_device": "/dev/xvda",
        "default_ebs_key": "arn:aws:kms:us-east-1:111122223333:key/1",
        "role_delay_s": 10,
        "instance_profile_delay_s": 10,
        "credentials_delay_s": 2.5,
        "launch_bucket": {"size": 1000, "refill": 2},
        "quotas": {"vcpu": 32, "roles": 1000},
        "unverified_identities": True,
    }
    found = parse(said)
    assert found.plain() == said
    assert found.launch_bucket == LaunchBucket(1000, 2)


def test_all_faults_are_said_at_once() -> None:
    with pytest.raises(PropertiesError) as caught:
        parse(
            {
                "default_vcp": False,
                "spot_role": "no",
                "role_delay_s": -1,
                "taken_buckets": "analysis",
                "launch_bucket": {"size": 5},
                "quotas": {"users": 3},
                "snapshot_gib": 0,
                "root_device": "xvda",
                "default_ebs_key": "alias/ebs",
                "spot_launch_index": "one",
            }
        )
    text = str(caught.value)
    for name in (
        "default_vcp", "spot_role", "role_delay_s", "taken_buckets", "launch_bucket", "quotas",
        "snapshot_gib", "root_device", "default_ebs_key", "spot_launch_index",
    ):  # fmt: skip
        assert f"{name}: got" in text
    assert "it is true or false" in text


def test_the_setting_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps({"default_vpc": False, "spot_role": False}))
    both = given(file, {VARIABLE: '{"spot_role": null, "snapshot_gib": 30}'})
    assert parse(both) == Properties(default_vpc=False, snapshot_gib=30)
    assert given(tmp_path / "none.json", {}) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON"), ("[]", "A JSON object is needed"), ('{"quotas": 3}', "quotas: got 3")],
)
def test_a_wrong_source_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PropertiesError, match=words) as caught:
        given(tmp_path / "account.json", {VARIABLE: text})
    assert str(caught.value).startswith(VARIABLE)
    (tmp_path / "account.json").write_text(text)
    with pytest.raises(PropertiesError, match=words) as caught:
        given(tmp_path / "account.json", {})
    assert str(caught.value).startswith(str(tmp_path / "account.json"))


def test_a_cloud_does_not_start_with_wrong_properties(cloud_home: CloudHome) -> None:
    from localcloud.cloud import CloudError

    cloud_home.paths.home.mkdir(parents=True, mode=0o700)
    cloud_home.paths.account_file.write_text('{"default_vpc": 1}')
    with pytest.raises(CloudError, match="default_vpc: got 1"):
        cloud_home.up()
    assert not cloud_home.paths.cloud_file.exists()
