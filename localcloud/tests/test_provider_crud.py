"""Every resource type through its whole life, as the engine drives it, against the emulator."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from localcloud.cloud import Cloud
from localcloud.pulumi.provider.codec import Unknown, contains_unknown, decode_struct, plain
from localcloud.pulumi.provider.compare import reconcile
from localcloud.pulumi.provider.table import TABLE
from localcloud.tests.provider_engine import Engine, Failed, Properties, Resource, init_failed, provider
from localcloud.tests.provider_scenarios import SCENARIOS, World, policy, trust

pytestmark = pytest.mark.local
DEFAULT_TAGS = {"Project": "provider-test"}


@pytest.fixture(scope="module")
def engine(emulator: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with provider(emulator, DEFAULT_TAGS, tmp_path_factory.mktemp("provider")) as engine:
        yield engine


@pytest.fixture
def world(engine: Engine) -> Iterator[World]:
    world = World(engine)
    yield world
    world.close()


def test_every_type_of_the_table_has_a_scenario() -> None:
    assert SCENARIOS.keys() == TABLE.keys()


@pytest.mark.parametrize("token", TABLE)
def test_life(token: str, engine: Engine, world: World) -> None:
    scenario = SCENARIOS[token]
    args = scenario.args(world)
    inputs = engine.check(token, "Subject", args)
    preview = engine.preview_create(token, "Subject", inputs)
    subject = engine.create(token, "Subject", args)
    try:
        _id_is_by_its_rule(subject)
        _preview_told_the_truth(preview, subject.outputs)
        assert subject.secrets == TABLE[token].schema.secrets & subject.outputs.keys()
        _refresh_is_clean(engine, subject)
        assert engine.diff(
            subject, engine.check(token, "Subject", args, subject.inputs, b"other" * 8)
        ).unchanged
        subject = _changes_in_place(engine, world, subject, args)
        _replaces(engine, world, subject, args)
        _imports(engine, subject, args)
    finally:
        engine.delete(subject)
    if not scenario.stays:
        assert engine.read(subject) is None
    engine.delete(subject)  # gone already: success


def _id_is_by_its_rule(subject: Resource) -> None:
    rule = TABLE[subject.token].id
    if "*" in rule:
        assert fnmatch.fnmatchcase(subject.id, rule)
    else:
        assert subject.id == re.sub(r"\{(\w+)\}", lambda match: str(subject.outputs[match[1]]), rule)
    assert subject.outputs["id"] == subject.id


def _preview_told_the_truth(preview: Properties, outputs: Properties) -> None:
    """Whatever the preview knew came true, and whatever came out and was not asked for was announced as
    unknown.
    """
    wrong = {
        key: (value, outputs.get(key))
        for key, value in preview.items()
        if not contains_unknown(value) and not _agrees(value, outputs.get(key))
    }
    assert not wrong
    silent = {
        key: value
        for key, value in outputs.items()
        if key not in preview and key != "id" and value not in (0, False, "", [], {})
    }
    assert not silent


def _agrees(expected: Any, actual: Any) -> bool:
    """Whether ``actual`` is ``expected`` with at most members added by AWS."""
    return bool(expected == actual or reconcile(expected, actual, extra=False) == expected)


def _refresh_is_clean(engine: Engine, subject: Resource) -> None:
    found = engine.read(subject)
    assert found is not None
    assert found.inputs == subject.inputs
    assert found.outputs == subject.outputs
    assert found.id == subject.id


def _changes_in_place(engine: Engine, world: World, subject: Resource, args: Properties) -> Resource:
    change = SCENARIOS[subject.token].change
    if change is None:
        return subject
    for new_args in (change(world, args), args):  # there, and back again
        news = engine.check(subject.token, subject.name, new_args, subject.inputs)
        plan = engine.diff(subject, news)
        assert not plan.unchanged
        assert plan.replaces == []
        preview = engine.preview_update(subject, news)
        subject = engine.update(subject, news)
        wrong = {key: (value, subject.outputs.get(key)) for key, value in preview.items()
                 if not isinstance(value, Unknown) and not _agrees(value,
                     subject.outputs.get(key))}  # fmt: skip
        assert not wrong
        _refresh_is_clean(engine, subject)
    return subject


def _replaces(engine: Engine, world: World, subject: Resource, args: Properties) -> None:
    scenario = SCENARIOS[subject.token]
    if scenario.replace is None:
        return
    news = engine.check(subject.token, subject.name, scenario.replace(world, args), subject.inputs)
    plan = engine.diff(subject, news)
    assert scenario.trigger in plan.replaces
    assert not plan.delete_first


def _imports(engine: Engine, subject: Resource, args: Properties) -> None:
    scenario = SCENARIOS[subject.token]
    found = engine.import_(subject.token, subject.name, scenario.import_id(subject))
    assert found is not None
    missed = {key: (value, found.inputs.get(key)) for key, value in args.items()
              if key not in scenario.unreported and not _agrees(value, found.inputs.get(key))}  # fmt: skip
    assert not missed
    # what was imported is a valid program, and running that program changes nothing
    program = {key: value for key, value in found.inputs.items() if not key.startswith("__")}
    for key in scenario.unreported:
        if key in TABLE[subject.token].schema.required | {"code", "value"} and key in args:
            program.setdefault(key, args[key])
            found.inputs.setdefault(key, args[key])
    assert engine.diff(found, engine.check(subject.token, subject.name, program, found.inputs)).unchanged


BUCKET = "aws:s3/bucket:Bucket"


def test_a_bucket_with_contents_goes_only_when_forced(engine: Engine, client: Any) -> None:
    kept = engine.create(BUCKET, "kept", {})
    forced = engine.create(BUCKET, "forced", {"forceDestroy": True})
    s3 = client("s3")
    for bucket in (kept.id, forced.id):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=bucket, Key="one", Body=b"first")
        s3.put_object(Bucket=bucket, Key="one", Body=b"second")
        s3.delete_object(Bucket=bucket, Key="one")
    engine.delete(forced)
    assert engine.read(forced) is None
    with pytest.raises(grpc.RpcError) as refused:
        engine.delete(kept)
    assert "deleting aws:s3/bucket:Bucket 'kept': BucketNotEmpty: " in refused.value.details()
    engine.delete(
        Resource(kept.token, kept.name, kept.id, kept.inputs, {**kept.outputs, "forceDestroy": True})
    )


def test_an_unknown_type_fails_at_check_with_the_known_ones(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        engine.check("aws:rds/instance:Instance", "database", {})
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "aws:rds/instance:Instance" in refused.value.details()
    assert all(token in refused.value.details() for token in TABLE)


def test_all_problems_come_at_once_with_their_paths(engine: Engine) -> None:
    with pytest.raises(Failed) as found:
        engine.check(
            "aws:lambda/function:Function",
            "f",
            {"timeut": 3, "memorySize": "much", "environment": {"variable": {"A": "b"}}},
        )
    assert {path for path, _ in found.value.failures} >= {
        "role",
        "timeut",
        "memorySize",
        "environment.variable",
    }


def test_an_unfinished_create_keeps_the_resource_in_the_state(engine: Engine, client: Any) -> None:
    inputs = engine.check("aws:iam/instanceProfile:InstanceProfile", "half", {"role": "no-such-role"})
    with pytest.raises(grpc.RpcError) as failed:
        engine.create("aws:iam/instanceProfile:InstanceProfile", "half", {"role": "no-such-role"})
    detail = init_failed(failed.value)
    assert detail.id == inputs["name"]
    assert plain(decode_struct(detail.inputs)) == inputs
    assert "NoSuchEntity" in detail.reasons[0]
    assert "'half'" in detail.reasons[0]
    outputs = plain(decode_struct(detail.properties))
    assert outputs["arn"].endswith(f":instance-profile/{inputs['name']}")
    engine.delete(Resource("aws:iam/instanceProfile:InstanceProfile", "half", detail.id, inputs, outputs))


def test_a_failed_create_names_type_logical_name_code_and_message(engine: Engine) -> None:
    args = {"role": "no-such-role", "policy": policy("s3:GetObject")}
    with pytest.raises(grpc.RpcError) as failed:
        engine.create("aws:iam/rolePolicy:RolePolicy", "rights", args)
    assert failed.value.details().startswith(
        "creating aws:iam/rolePolicy:RolePolicy 'rights': NoSuchEntity: "
    )


def test_a_name_given_in_words_is_deleted_before_it_is_made_again(engine: Engine) -> None:
    token = "aws:iam/role:Role"
    named = {"name": "in-words", "assumeRolePolicy": trust("ec2.amazonaws.com")}
    for args, first in ((named, True), ({**named, "name": None}, False)):
        olds = engine.check(token, "role", args)
        news = engine.check(token, "role", {**args, "path": "/other/"}, olds)
        assert engine.diff(Resource(token, "role", "in-words", olds, olds), news).delete_first is first


def test_a_role_s_unique_id_is_what_its_sessions_are_called_by(engine: Engine, client: Any) -> None:
    """``uniqueId`` is the first half of ``aws:userid``; unknown before the role is there, and the same after
    a change.
    """
    token, args = "aws:iam/role:Role", {"assumeRolePolicy": trust("ec2.amazonaws.com")}
    preview = engine.preview_create(token, "named", engine.check(token, "named", args))
    assert contains_unknown(preview["uniqueId"])
    role = engine.create(token, "named", args)
    session = client("sts").assume_role(RoleArn=role.outputs["arn"], RoleSessionName="i-1")["AssumedRoleUser"]
    assert session["AssumedRoleId"] == f"{role.outputs['uniqueId']}:i-1"
    changed = engine.update(role, engine.check(token, "named", {**args, "description": "other"}, role.inputs))
    assert changed.outputs["uniqueId"] == role.outputs["uniqueId"]
    engine.delete(changed)


def test_the_functions(engine: Engine, emulator: Cloud) -> None:
    assert engine.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == emulator.account
    with pytest.raises(grpc.RpcError) as refused:
        engine.invoke("aws:ec2/getKeyPair:getKeyPair")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_drift_shows_in_the_inputs(engine: Engine, client: Any) -> None:
    queue = engine.create(
        "aws:sqs/queue:Queue", "drifting", {"visibilityTimeoutSeconds": 60, "tags": {"own": "1"}}
    )
    client("sqs").set_queue_attributes(QueueUrl=queue.id, Attributes={"VisibilityTimeout": "61"})
    client("sqs").tag_queue(QueueUrl=queue.id, Tags={"foreign": "1"})
    found = engine.read(queue)
    assert found is not None
    assert found.inputs == {
        **queue.inputs,
        "visibilityTimeoutSeconds": 61,
        "tags": {"own": "1", "foreign": "1"},
    }
    engine.delete(queue)


def test_a_function_from_an_archive_runs(engine: Engine, world: World, client: Any) -> None:
    made = world.function()
    answer = client("lambda").invoke(FunctionName=made.id, Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == 1
