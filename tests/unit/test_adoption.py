"""What recovery rests on: which things are a stack's own, states that are completed, and a backend whose
files were cut off.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from console import adoption
from console.own import messages, people, storage
from console.own.model import Account, Identity, Owner, WantedResource, autonamed
from console.own.table import LISTED, PLACED, PUT
from localcloud.pulumi import torn
from localcloud.pulumi.provider.table import TABLE

TAGS = {"neurocaas:project": "neurocaas", "neurocaas:stack": "dti-prod"}


def test_every_type_that_a_program_may_make_is_found_in_one_way() -> None:
    ways = [set(LISTED), set(PLACED), set(PUT)]
    assert sum(map(len, ways)) == len(set().union(*ways))
    assert set(TABLE) - set().union(*ways) == set()


def test_names_of_pulumis_making() -> None:
    named = autonamed("neurocaas-dti-prod-manager")
    assert named.fullmatch("neurocaas-dti-prod-manager-0a1b2c3")
    for other in (
        "neurocaas-dti-prod-manager",
        "neurocaas-dti-prod-manager-errors-0a1b2c3",
        "neurocaas-dti-prod-manager-0a1b2c",
        "x",
    ):
        assert not named.fullmatch(other)
    assert autonamed("a.b").fullmatch("a.b-0000000")
    assert not autonamed("a.b").fullmatch("acb-0000000")


@pytest.mark.parametrize(
    ("tags", "own"),
    [(TAGS, True), ({**TAGS, "more": "x"}, True), ({}, False), ({"neurocaas:stack": "dti-prod"}, False),
     ({**TAGS, "neurocaas:stack": "dti-prod2"}, False), ({**TAGS, "neurocaas:project": "other"}, False)],
)  # fmt: skip
def test_only_both_tags_make_a_thing_a_stacks_own(tags: dict[str, str], own: bool) -> None:
    assert Owner("dti-prod").owns(tags) is own


def policy(*sids: str, resource: str = "arn:aws:s3:::dti") -> str:
    statements = [
        {"Sid": sid, "Effect": "Allow", "Action": "s3:GetObject", "Resource": [resource]} for sid in sids
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_a_policy_is_known_by_its_statements_and_what_they_are_about() -> None:
    assert people.alike(policy("a", "b"), policy("b", "a"))
    for other in (
        policy("a"),
        policy("a", "b", resource="arn:aws:s3:::other"),
        policy("a", "b", resource="*"),
        None,
        '{"Statement": []}',
    ):
        assert not people.alike(other, policy("a", "b"))
    assert not people.alike(policy("a", resource="*"), policy("a", resource="*"))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        make: Any = boto3.client
        yield Account(make, "us-east-1")


def wanted(name: str, inputs: dict[str, Any], *, exact: bool = False) -> WantedResource:
    return WantedResource(
        f"urn:pulumi:dti-prod::neurocaas::{storage.BUCKET}::{name}", storage.BUCKET, inputs, exact=exact
    )


def found(account: Account, of: WantedResource) -> tuple[str | None, list[str]]:
    result = adoption._Found()
    thing = adoption._find(account, Owner("dti-prod"), adoption.StackState({"deployment": {}}), of, result)
    return thing.id if thing else None, result.refused


def test_a_bucket_is_taken_by_its_tags_and_no_look_alike_is(account: Account) -> None:
    s3, logical = account.client("s3"), "neurocaas-dti-prod-logs"
    for number, tags in enumerate(({}, {**TAGS, "neurocaas:stack": "dti-webdev"}, TAGS)):
        s3.create_bucket(Bucket=f"{logical}-000000{number}")
        if tags:
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            s3.put_bucket_tagging(Bucket=f"{logical}-000000{number}", Tagging={"TagSet": pairs})
    auto = {"bucket": f"{logical}-fffffff", "__defaults": ["bucket"]}
    assert found(account, wanted(logical, auto)) == (f"{logical}-0000002", [])


def test_a_queue_is_known_at_whatever_address_its_cloud_is_asked(account: Account) -> None:
    """AWS has several endpoints, a local cloud a port of its choice; only the ARN names the queue."""
    sqs = account.client("sqs")
    for name in ("neurocaas-dti-prod-known", "neurocaas-dti-prod-stray"):
        sqs.create_queue(QueueName=name, tags=TAGS)
    known, stray = messages.queues(account, "neurocaas-dti-prod")
    elsewhere = "http://localhost:4566/000000000000/neurocaas-dti-prod-known"
    resource = {"urn": "a", "type": known.type, "id": elsewhere, "outputs": {"arn": known.arn}}
    state = adoption.StackState({"deployment": {"resources": [resource]}})
    assert (state.knows(known), state.knows(stray)) == (True, False)


def test_a_name_of_our_choosing_that_somebody_has_is_refused(account: Account) -> None:
    account.client("s3").create_bucket(Bucket="dti")
    thing, refused = found(account, wanted("neurocaas-dti-prod-data", {"bucket": "dti", "__defaults": []}))
    assert thing is None
    assert refused == ["Bucket dti exists already, and it has no tags"]


def test_a_bucket_that_an_engine_had_begun_is_taken_only_as_it_was_made(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="dti")
    begun = wanted("neurocaas-dti-prod-data", {"bucket": "dti", "__defaults": []}, exact=True)
    assert found(account, begun) == ("dti", [])
    s3.put_object(Bucket="dti", Key="somebodys", Body=b"x")
    assert found(account, begun)[0] is None


def test_a_group_without_a_policy_of_ours_is_nobodys(account: Account) -> None:
    iam, logical = account.client("iam"), "neurocaas-dti-prod-lab1-analysts"
    for number in range(3):
        iam.create_group(GroupName=f"{logical}-000000{number}")
    iam.put_group_policy(
        GroupName=f"{logical}-0000001", PolicyName=f"{logical}-0000001", PolicyDocument=policy("mine")
    )
    iam.put_group_policy(
        GroupName=f"{logical}-0000002", PolicyName=f"{logical}-0000002", PolicyDocument=policy("a", "b")
    )
    of = WantedResource(f"urn::{logical}", people.GROUP, {"policy": policy("a", "b")})
    assert [thing.name for thing in people.groups(account, of)] == [f"{logical}-0000002"]
    begun = WantedResource(f"urn::{logical}", people.GROUP, {"name": f"{logical}-0000000"}, exact=True)
    assert [thing.name for thing in people.groups(account, begun)] == [f"{logical}-0000000"]


def test_parts_are_looked_for_on_their_home_only(account: Account) -> None:
    iam = account.client("iam")
    for name in ("ours", "others"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        iam.put_role_policy(
            RoleName=name, PolicyName="neurocaas-dti-prod-manager-0000000", PolicyDocument=policy("a")
        )
    of = WantedResource(
        "urn::neurocaas-dti-prod-manager", people.ROLE_POLICY, {}, {"role": Identity("ours", "ours")}
    )
    assert [thing.id for thing in people.role_policies(account, of)] == [
        "ours:neurocaas-dti-prod-manager-0000000"
    ]
    assert list(people.role_policies(account, WantedResource(of.urn, of.type, {}, {"role": None}))) == []


def test_an_import_is_unfinished_until_its_name_counts_as_pulumis() -> None:
    resource = {"urn": "urn::neurocaas-dti-prod-logs", "type": storage.BUCKET, "custom": True, "id": "x"}
    name = "neurocaas-dti-prod-logs-0a1b2c3"
    assert adoption._unfinished({**resource, "inputs": {"bucket": name, "__defaults": []}})
    assert not adoption._unfinished({**resource, "inputs": {"bucket": name, "__defaults": ["bucket"]}})
    assert not adoption._unfinished({**resource, "inputs": {"bucket": "dti", "__defaults": []}})
    setting = {
        **resource,
        "type": "aws:s3/bucketVersioning:BucketVersioning",
        "inputs": {"bucket": name, "__defaults": []},
    }
    assert not adoption._unfinished(setting)  # its bucket's name


def test_a_backend_whose_files_were_cut_off_is_mended(tmp_path: Path) -> None:
    stacks, locks = tmp_path / "stacks" / "neurocaas", tmp_path / "locks"
    stacks.mkdir(parents=True)
    locks.mkdir()
    files = {
        stacks / "a.json": '{"whole": 1}', stacks / "a.json.attrs": "",
        stacks / "b.json": '{"cut', stacks / "b.json.bak": '{"before": 1}',
        stacks / "c.json": "", locks / "l.json": "{",
    }  # fmt: skip
    for file, text in files.items():
        file.write_text(text)
    cut = {stacks / "a.json.attrs", stacks / "b.json", stacks / "c.json", locks / "l.json"}
    assert set(torn.torn(tmp_path)) == cut
    assert set(torn.mend(tmp_path)) == cut
    assert torn.torn(tmp_path) == []
    assert (stacks / "a.json").read_text() == '{"whole": 1}'
    assert (stacks / "b.json").read_text() == '{"before": 1}'
    assert (stacks / "b.json.torn").read_text() == '{"cut'
    assert not (stacks / "c.json").exists()
    assert not (locks / "l.json").exists()


@pytest.mark.parametrize(
    ("url", "folder"),
    [("file:///srv/state", "/srv/state/.pulumi"), ("file:///srv/state?no_tmp_dir=true", "/srv/state/.pulumi"),
                        ("s3://state", None), ("https://api.pulumi.com", None), ("", None)]
)  # fmt: skip
def test_only_a_file_backend_has_files_here(url: str, folder: str | None) -> None:
    assert torn.folder(url) == (Path(folder) if folder else None)


def test_a_file_backend_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert torn.folder("file://~") == tmp_path / ".pulumi"


def test_a_successor_that_was_begun_stands_before_what_depends_on_it() -> None:
    """A component whose successor was being made, its recipe, and the pipeline of both."""
    component = {"urn": "c", "delete": True, "id": "old", "dependencies": []}
    recipe = {
        "urn": "r", "dependencies": ["p", "c"], "propertyDependencies": {"components": ["c"], "name": ["p"]},
    }  # fmt: skip
    pipeline = {"urn": "l", "dependencies": ["r", "c"]}
    resources = [{"urn": "p"}, component, recipe, pipeline]
    state = adoption.StackState({"deployment": {"resources": copy.deepcopy(resources)}})
    kept = state.loosen({"c"})
    assert [one.get("dependencies") for one in state.resources] == [None, [], ["p"], ["r"]]
    assert state.resources[2]["propertyDependencies"] == {"components": [], "name": ["p"]}
    # As the engine leaves it after the import: what is to be deleted at the end, the new one before it.
    engine = [state.resources[0], *state.resources[2:], {"urn": "c", "id": "new"}, state.resources[1]]
    imported = adoption.StackState({"deployment": {"resources": engine}})
    imported.tie(kept)
    assert [(one["urn"], one.get("id")) for one in imported.resources] == [
        ("p", None), ("c", "new"), ("c", "old"), ("r", None), ("l", None),
    ]  # fmt: skip
    assert [one["dependencies"] for one in imported.resources[3:]] == [["p", "c"], ["r", "c"]]
    assert imported.resources[3]["propertyDependencies"] == recipe["propertyDependencies"]
