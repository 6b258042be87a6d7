"""One contract a hook into MiniStack, run by the emulator's own Python: ``python emulator_contracts.py``
prints ``{name: null | error}``.

``localcloud/aws/hooks.py`` says which names we touch; each contract says what we rely on. Not a test module:
it has another interpreter.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.metadata
import inspect
import json
import os
import pathlib
import re
import sys
import tempfile
import traceback
import types
import unittest.mock
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def contract_version(h: Any) -> None:
    from localcloud.aws.settings import MINISTACK

    assert importlib.metadata.version("ministack") == MINISTACK


def contract_asgi_application(h: Any) -> None:
    assert parameters(h.app.app) == ["scope", "receive", "send"]
    assert asyncio.iscoroutinefunction(h.app.app)


def contract_service_handlers(h: Any) -> None:
    table = h.app.SERVICE_HANDLERS
    assert {"s3", "ec2", "iam", "lambda", "sqs", "events", "ssm", "dynamodb", "kms", "logs"} <= table.keys()
    assert parameters(table["s3"]) == ["method", "path", "headers", "body", "query_params"]


def contract_dispatch_looks_handlers_up_late(h: Any) -> None:
    source = inspect.getsource(h.app._dispatch_service_request)
    assert "SERVICE_HANDLERS.get(service)" in source


def contract_s3_judges_who_has_no_credentials(h: Any) -> None:
    assert parameters(h.s3._bucket_owner_account) == ["name"]
    assert h.iam_evaluator._signed_request.get() is None
    gate = inspect.getsource(h.s3._apply_bucket_scope)
    assert (
        "if anonymous:\n        if not _foreign_bucket_allows(owner, bucket, key, method, query_params"
        in gate
    )
    judged = inspect.getsource(h.s3._foreign_bucket_allows)
    assert '_public_access_blocked(owner_account, bucket_name, "RestrictPublicBuckets")' in judged
    assert (
        "unsigned = anonymous_ok and not access_key_id and _signed_request.get() is None"
        in inspect.getsource(h.iam_evaluator.enforce)
    )


def contract_buckets_have_owners(h: Any) -> None:
    assert parameters(h.s3._parse_bucket_key) == ["path", "headers"]
    assert parameters(h.s3.handle_request)[:5] == ["method", "path", "headers", "body", "query_params"]
    assert "internal" in parameters(h.s3.handle_request)
    assert h.s3._parse_bucket_key("/bucket/a/b", {}) == ("bucket", "a/b")
    assert parameters(h.s3._error)[:4] == ["code", "message", "status", "resource"]
    with h.scope("222222222222", "us-east-1"):
        h.s3._buckets["strangers"] = {}
    assert h.s3._bucket_owner_account("strangers") == "222222222222"
    assert h.s3._bucket_owner_account("nobodys") is None
    arn = "arn:aws:s3:::strangers/key"
    context = types.SimpleNamespace(resource_arn=arn, principal_account="1" * 12)
    # what we correct: it is nobody's but the caller's
    assert h.iam_evaluator._resolve_condition_key("aws:ResourceAccount", context) == "1" * 12
    from localcloud.aws.iam import conditions

    assert conditions.bucket_owner(arn) == "222222222222"
    assert conditions.bucket_owner("arn:aws:s3:::nobodys/key") is None


def contract_service_registry(h: Any) -> None:
    registry = h.app.SERVICE_REGISTRY
    assert registry["lambda"]["state_key"] == "lambda"
    assert registry["s3"]["module"] == "s3"
    assert set(h.state_keys()["s3"]) <= set(h.app._state_map)


def contract_run_command_asks_ec2(h: Any) -> None:
    assert parameters(h.ec2.instance_is_managed) == ["instance_id"]
    assert parameters(h.ec2.exec_in_instance_blocking) == ["instance_id", "argv"]
    assert "ec2_svc.instance_is_managed(instance_id)" in inspect.getsource(h.ssm._managed_instance_ids)
    running = inspect.getsource(h.ssm._finish_invocation)
    assert "exit_code, stdout, stderr = ec2_svc.exec_in_instance_blocking(instance_id, argv)" in running


def contract_state_readers(h: Any) -> None:
    readers = h.app._build_persistence_save_dict()
    assert callable(readers["ec2"])
    assert "instances" in readers["ec2"]()


def contract_state_is_read_back(h: Any) -> None:
    from ministack.core import persistence

    with h.scope("000000000000", "us-east-1"):
        h.ec2._tags["i-1"] = [{"Key": "a", "Value": "ü"}]
    pathlib.Path(persistence.STATE_DIR).mkdir(parents=True, exist_ok=True)
    document = h.state_document("ec2", h.encode_state(h.state_readers()["ec2"]()), {"journal": 1})
    (pathlib.Path(persistence.STATE_DIR) / "ec2.json").write_text(document)
    h.ec2._tags.clear()
    h.ec2.load_persisted_state(persistence.load_state("ec2"))
    with h.scope("000000000000", "us-east-1"):
        assert h.ec2._tags["i-1"] == [{"Key": "a", "Value": "ü"}]


def contract_places_in_a_state(h: Any) -> None:
    """A record of the journal names an item and a message by where they are in the state's file."""
    with h.scope("000000000000", "us-east-1"):
        h.dynamodb._tables["t'1"] = {"items": {"p": {"s": {"pk": {"S": "p"}}}}}
        h.sqs._queues["u"] = {"messages": [{"id": "m"}]}
    key = h.scoped_key("000000000000", "us-east-1", "t'1")
    tables = json.loads(h.encode_state(h.state_readers()["dynamodb"]()))["tables"]["data"]
    assert tables[key]["items"]["p"]["s"] == {"pk": {"S": "p"}}
    queues = json.loads(h.encode_state(h.state_readers()["sqs"]()))["queues"]["data"]
    assert queues[h.scoped_key("000000000000", "us-east-1", "u")]["messages"] == [{"id": "m"}]
    with h.scope("000000000000", "us-east-1"):
        del h.dynamodb._tables["t'1"], h.sqs._queues["u"]


def contract_items_change_in_two_places(h: Any) -> None:
    assert parameters(h.dynamodb._set_item) == ["table", "pk_val", "sk_val", "item"]
    assert parameters(h.dynamodb._remove_item) == ["table", "pk_val", "sk_val"]
    assert parameters(h.dynamodb._items_replaced) == ["table"]
    assert inspect.getsource(h.dynamodb).count('["items"].setdefault(') == 1, "another place writes items"


def contract_transaction_tokens(h: Any) -> None:
    assert parameters(h.dynamodb._txn_token_store) == ["crt", "entry"]
    assert isinstance(h.dynamodb._txn_idempotency, h.responses.AccountRegionScopedDict)
    assert "_txn_idempotency" not in inspect.getsource(h.dynamodb.get_state), "MiniStack keeps tokens itself"
    assert json.loads(h.encode_state(h.dynamodb._txn_idempotency)) == {h.SCOPED: True, "data": {}}
    assert parameters(h.dynamodb.load_persisted_state) == ["data"]


def contract_messages(h: Any) -> None:
    with h.scope("000000000000", "us-east-1"):
        url = h.sqs._act_create_queue({"QueueName": "contract"}, "")["QueueUrl"]
        h.sqs._act_send_message({"QueueUrl": url, "MessageBody": "b"}, url)
        [message] = h.sqs._queues[url]["messages"]
        assert {"id", "visible_at", "receive_count", "receipt_handle"} <= message.keys()
        [taken] = h.sqs._receive_messages_for_esm(url, 10)
        assert (taken["receive_count"], taken["id"]) == (1, message["id"])
        h.sqs._delete_messages_for_esm(url, {taken["receipt_handle"]})
        assert h.sqs._queues[url]["messages"] == []
        assert [
            queue["attributes"]["QueueArn"].rsplit(":", 1)[-1] for _, queue in h.sqs._queues.all_items()
        ] == ["contract"]
        assert {"dedup_cache", "fifo_seq", "is_fifo"} <= h.sqs._queues[url].keys()
        del h.sqs._queues[url]


def contract_mappings_in_a_state(h: Any) -> None:
    """A start gives back what the queues of these mappings had handed out."""
    with h.scope("000000000000", "us-east-1"):
        h.lambda_svc._esms["e"] = {"UUID": "e", "EventSourceArn": "arn:q"}
    state = json.loads(h.encode_state(h.state_readers()["lambda"]()))
    assert [one["EventSourceArn"] for one in state["esms"]["data"].values()] == ["arn:q"]
    with h.scope("000000000000", "us-east-1"):
        del h.lambda_svc._esms["e"]


def contract_object_events(h: Any) -> None:
    names = ["bucket_name", "key", "event_name", "size", "etag", "deletion_type"]
    assert parameters(h.s3._fire_s3_event_async)[:6] == names
    assert parameters(h.s3._fire_s3_event)[:6] == names
    assert set(parameters(h.s3._fire_s3_event_async)[6:]) < set(parameters(h.s3._fire_s3_event)[6:])
    assert {"sequencer", "record_extra"} <= set(parameters(h.s3._fire_s3_event))
    assert '"Records"][0].update(record_extra)' in inspect.getsource(h.s3._fire_s3_event)
    assert parameters(h.router.extract_access_key_id) == ["headers", "query_params"]
    assert parameters(h.iam_evaluator.resolve_credential)[:2] == ["access_key_id", "account_id"]
    assert parameters(h.s3._next_event_sequencer) == ["event_name"]
    assert hasattr(h.s3._bucket_notifications, "get")


def contract_trails(h: Any) -> None:
    assert isinstance(h.cloudtrail._trails, h.responses.AccountRegionScopedDict)
    assert isinstance(h.cloudtrail._event_selectors, h.responses.AccountRegionScopedDict)
    source = inspect.getsource(h.cloudtrail)
    assert all(f'"{name}"' in source for name in ("IsLogging", "S3BucketName", "S3KeyPrefix"))
    assert parameters(h.s3._parse_bucket_key) == ["path", "headers"]


def contract_trust_policies(h: Any) -> None:
    """They are looked up late, and judged without the variables of policies."""
    assert parameters(h.iam_evaluator.evaluate_trust_policy) == ["trust_doc", "caller_arn", "ctx"]
    source = inspect.getsource(h.sts)
    assert source.count("import EvalContext, evaluate_trust_policy") == 2
    assert '"sts:rolesessionname": _p(params, "RoleSessionName", None)' in source


def contract_objects_are_written_in_one_place(h: Any) -> None:
    assert parameters(h.s3._atomic_write) == ["fpath", "data", "text"]
    source = inspect.getsource(h.s3)
    assert source.count("os.open(") == 1, "objects are written in another way"


def contract_uploads_in_parts(h: Any) -> None:
    assert isinstance(h.s3._multipart_uploads, h.responses.AccountScopedDict)
    assert isinstance(h.s3._completed_multipart_uploads, h.responses.AccountScopedDict)
    source = inspect.getsource(h.s3)
    assert '_completed_multipart_uploads[upload_id] = {"key": key, "response": response}' in source
    assert '_multipart_uploads[upload_id]["parts"][part_number] = {' in source
    assert 'upload["parts"][pn] = {' in source


def contract_saving_at_the_end(h: Any) -> None:
    assert parameters(h.app.save_all) == ["services"]
    assert "save_all(_build_persistence_save_dict())" in inspect.getsource(h.app)


def contract_request_scope(h: Any) -> None:
    with h.scope("111122223333", "eu-west-1"):
        assert (h.account(), h.region()) == ("111122223333", "eu-west-1")
        h.ec2._snapshots["x"] = {"a": 1}
    with h.scope("111122223333", "eu-west-2"):
        assert "x" not in h.ec2._snapshots
    assert h.ec2._snapshots.pop_scoped("111122223333", "eu-west-1", "x") == {"a": 1}


def contract_scoped_stores(h: Any) -> None:
    for name in ("_images", "_instances", "_key_pairs", "_launch_templates", "_security_groups",
        "_snapshots", "_subnets", "_tags",
                 "_volumes", "_iam_instance_profile_associations"):  # fmt: skip
        assert isinstance(getattr(h.ec2, name), h.responses.AccountRegionScopedDict), name


def contract_default_network(h: Any) -> None:
    with h.scope("000000000000", "us-east-1"):
        h.ec2._ensure_defaults_initialized()
        (vpc,) = [vpc for vpc in h.ec2._vpcs.values() if vpc["IsDefault"]]
        (table,) = [table for table in h.ec2._route_tables.values() if table["VpcId"] == vpc["VpcId"]]
        assert table["Associations"][0]["Main"]
        assert "DestinationCidrBlock" in table["Routes"][0]
        assert any(
            a["VpcId"] == vpc["VpcId"]
            for gateway in h.ec2._internet_gateways.values()
            for a in gateway["Attachments"]
        )
        for subnet in h.ec2._subnets.values():
            assert {"SubnetId", "VpcId", "AvailabilityZone", "CidrBlock"} <= subnet.keys()
        assert any(group["GroupName"] == "default" for group in h.ec2._security_groups.values())


def contract_endpoints(h: Any) -> None:
    with h.scope("000000000000", "us-east-1"):
        status, _, body = h.ec2._ACTION_MAP["CreateVpcEndpoint"](
            {"ServiceName": ["com.amazonaws.us-east-1.s3"]}
        )
        assert status == 200
        assert b"<vpcEndpointId>" in body
        (endpoint,) = h.ec2._vpc_endpoints.values()
        assert h.ec2._vpce_fields_xml(endpoint, "item").endswith("</item>")
        assert "ModifyVpcEndpoint" in h.ec2._ACTION_MAP


def contract_ec2_actions(h: Any) -> None:
    from localcloud.aws.ec2.service import OPERATIONS, TAGGING

    known_to_both = set(OPERATIONS) - {
        "GetConsoleOutput",
        "CreateImage",
        "DescribeInstanceTypeOfferings",
        "DescribeSpotPriceHistory",
        "DeleteLaunchTemplateVersions",
        "ModifyInstanceAttribute",
        "GetEbsDefaultKmsKeyId",
        "GetEbsEncryptionByDefault",
    }
    assert known_to_both | set(TAGGING) <= h.ec2._ACTION_MAP.keys()
    assert parameters(h.ec2._ACTION_MAP["CreateTags"]) == ["p"]
    assert "_ACTION_MAP.get(action)" in inspect.getsource(h.ec2.handle_request)


def contract_ec2_without_containers(h: Any) -> None:
    assert parameters(h.ec2._docker_touched) == []
    assert "_docker_touched() and action in" in inspect.getsource(h.ec2.handle_request)


def contract_ec2_cleanup(h: Any) -> None:
    assert parameters(h.ec2._cleanup_terminated) == []


def contract_ec2_stub_images(h: Any) -> None:
    assert isinstance(h.ec2._STUB_AMIS, list)


def contract_ec2_profile_associations(h: Any) -> None:
    assert parameters(h.ec2._upsert_iam_instance_profile_association)[:2] == ["instance_id", "iam_profile"]
    assert parameters(h.ec2._find_active_iam_instance_profile_association) == ["instance_id"]


def contract_ec2_resource_types(h: Any) -> None:
    expected = {
        "i-1": "instance",
        "vol-1": "volume",
        "lt-1": "launch-template",
        "ami-1": "image",
        "sg-1": "security-group",
    }
    assert {name: h.ec2._guess_resource_type(name) for name in expected} == expected


def contract_public_parameters(h: Any) -> None:
    h.ssm._PUBLIC_AMI_PARAMETERS["/aws/service/x"] = "ami-1"
    with h.scope("000000000000", "us-east-1"):
        parameter, error = h.ssm._select_parameter("/aws/service/x")
    assert (parameter["Value"], error) == ("ami-1", None)


def contract_put_parameter(h: Any) -> None:
    with h.scope("000000000000", "us-east-1"):
        status, _, _ = h.ssm._put_parameter(
            {
                "Name": "/c/x",
                "Value": "ami-1",
                "Type": "String",
                "DataType": "aws:ec2:image",
                "Overwrite": True,
            }
        )
        parameter, _ = h.ssm._select_parameter("/c/x")
    assert (status, parameter["OriginalValue"]) == (200, "ami-1")


def contract_event_dispatch(h: Any) -> None:
    assert parameters(h.eventbridge._dispatch_event)[0] == "event"
    seen = []
    original = h.eventbridge._invoke_target
    h.eventbridge._invoke_target = lambda target, event, rule, view=None: seen.append(
        (target["Arn"], event["Detail"], rule["Name"])
    )
    try:
        with h.scope("000000000000", "us-east-1"):
            key = "us-east-1|default|r"
            h.eventbridge._rules[key] = {
                "Name": "r", "Arn": "arn:r", "EventBusName": "default", "State": "ENABLED",
                "EventPattern": '{"source": ["aws.ec2"]}',
            }  # fmt: skip
            h.eventbridge._targets[key] = [{"Id": "1", "Arn": "arn:t"}]
            h.emit_event(
                "aws.ec2",
                "EC2 Instance State-change Notification",
                '{"state": "running"}',
                ["arn:i"],
                "1",
                "2026-01-01T00:00:00Z",
            )
    finally:
        h.eventbridge._invoke_target = original
    assert seen == [("arn:t", '{"state": "running"}', "r")]


def contract_event_targets(h: Any) -> None:
    assert parameters(h.eventbridge._invoke_target)[:3] == ["target", "event", "rule"]


def contract_queue_policy(h: Any) -> None:
    assert parameters(h.sqs.queue_policy_allows)[:4] == [
        "queue_arn",
        "service",
        "source_arn",
        "source_account",
    ]


def contract_instance_profile_lookup(h: Any) -> None:
    with h.scope("000000000000", "us-east-1"):
        h.iam._instance_profiles["p"] = {"Arn": "arn:p", "InstanceProfileId": "AIPA", "Roles": ["r"]}
        assert h.iam._lookup_instance_profile(name="p")["Arn"] == "arn:p"
        assert h.iam._lookup_instance_profile(arn="arn:p")["Roles"] == ["r"]
        assert h.iam._lookup_instance_profile(name="q") is None
        h.iam._roles["r"] = {"Arn": "arn:aws:iam::000000000000:role/r"}
        assert h.iam._roles.get("r")["Arn"].endswith("role/r")


def contract_root_key(h: Any) -> None:
    assert h.iam_evaluator.is_root_access_key("test")  # the back door that we close
    assert h.sts.is_root_access_key is h.iam_evaluator.is_root_access_key
    assert parameters(h.iam_evaluator._is_root_key) == ["access_key_id"]
    assert "_is_root_key(" in inspect.getsource(h.iam_evaluator.pin_signed_request)


def contract_session_registration(h: Any) -> None:
    assert parameters(h.sts.register_session) == ["access_key", "session"]


def contract_sessions_are_kept_by_us(h: Any) -> None:
    assert h.sts.get_state() == {}, "MiniStack keeps sessions itself"
    assert h.app._build_persistence_save_dict()["sts"] is h.sts.get_state
    assert parameters(h.sts.load_persisted_state) == ["data"]
    h.sts.register_session("ASIAX", {"Arn": "arn:x", "Expiration": 2**40})
    assert h.sts._sessions.pop("ASIAX")["Expiration"] == 2**40


def contract_role_ids(h: Any) -> None:
    with h.scope("000000000000", "us-east-1"):
        h.iam._roles["named"] = {"Arn": "arn:aws:iam::000000000000:role/p/named", "RoleId": "AROAX"}
    assert h.sts._role_id("arn:aws:iam::000000000000:role/p/named") == "AROAX"


def contract_principal_keys(h: Any) -> None:
    assert parameters(h.iam_evaluator._principal_keys) == ["credential"]
    assert h.sts._principal_keys is h.iam_evaluator._principal_keys
    fields = {"principal_arn", "principal_id", "account_id", "source_access_key_id"}
    assert fields <= set(h.iam_evaluator.ResolvedCredential.__dataclass_fields__)
    assert '"aws:userid": credential.principal_id' in inspect.getsource(h.iam_evaluator._principal_keys)


def contract_transactions(h: Any) -> None:
    body = json.dumps(
        {
            "TransactItems": [
                {"Put": {"TableName": "t", "Item": {}}},
                {"ConditionCheck": {"TableName": "t", "Key": {}}},
            ]
        }
    )
    checks = h.iam_actions.dynamodb_transaction_checks("dynamodb:TransactWriteItems", body.encode(), "r", "a")
    assert [action for action, _ in checks] == ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"]


def contract_function_credentials(h: Any) -> None:
    assert parameters(h.lambda_runtime.execution_credentials) == ["config"]
    assert h.lambda_svc.execution_credentials is h.lambda_runtime.execution_credentials
    config = {"FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f"}
    assert h.lambda_runtime._account_region_from_function_config(config) == ("000000000000", "us-east-1")


def contract_idle_workers(h: Any) -> None:
    assert h.lambda_svc.reap_idle_workers is h.lambda_runtime.reap_idle_workers
    assert "reap_idle_workers()" in inspect.getsource(h.lambda_svc._ensure_reaper_thread)
    assert parameters(h.lambda_runtime.kill_workers) == ["workers"]
    worker = h.lambda_runtime.Worker("f", {}, b"")
    assert {"in_use", "last_used"} <= vars(worker).keys()
    assert isinstance(h.lambda_runtime._workers, dict)
    assert h.lambda_runtime._lock.acquire(blocking=False)
    h.lambda_runtime._lock.release()


def contract_the_program_of_workers(h: Any) -> None:
    """The Python that runs MiniStack, unless there is one that starts faster: it is given one file."""
    assert parameters(h.lambda_runtime._detect_runtime_binary) == ["runtime"]
    for runtime, program in (("python3.12", sys.executable), ("nodejs20.x", "node"), ("java21", "")):
        found, script = h.lambda_runtime._detect_runtime_binary(runtime)
        assert (found, bool(script)) == (program, bool(program))
    source = inspect.getsource(h.lambda_runtime.Worker._spawn)
    assert 'f"_worker{ext}"' in source
    assert "[binary, worker_path]" in source


def contract_workers_that_nobody_calls_end(h: Any) -> None:
    from localcloud.aws import workers

    busy, called, idle = (
        types.SimpleNamespace(in_use=use, last_used=last)
        for use, last in ((True, 1.0), (False, 9.0), (False, 1.0))
    )
    ended: list[Any] = []
    with unittest.mock.patch.multiple(
        h.lambda_runtime, _workers={"f": [busy, called, idle], "g": [idle]}, kill_workers=ended.extend
    ):
        workers.end_idle(5.0)
        assert h.lambda_runtime._workers == {"f": [busy, called]}
    assert ended == [idle, idle]


def contract_action_extraction(h: Any) -> None:
    assert parameters(h.iam_actions.extract_iam_action)[:5] == [
        "service",
        "method",
        "path",
        "headers",
        "body",
    ]
    assert not hasattr(h.app, "extract_iam_action"), (
        "imported at module level: replacing it would have no effect"
    )
    assert "extract_iam_action(service, method, path, headers, body, routing_params)" in inspect.getsource(
        h.app._dispatch_service_request
    )


def contract_enforce(h: Any) -> None:
    assert parameters(h.iam_evaluator.enforce) == [
        "access_key_id",
        "iam_action",
        "service",
        "region",
        "resource_arn",
        "service_context",
    ]
    assert not hasattr(h.app, "enforce")


def contract_denials(h: Any) -> None:
    wanted = ["service", "action", "principal_arn", "request_id"]
    assert parameters(h.iam_actions.access_denied_response)[:4] == wanted
    assert {"message", "error_code", "headers"} <= set(parameters(h.iam_actions.access_denied_response))
    _, headers, body = h.iam_actions.access_denied_response(
        "ec2", "", "", "r", error_code="InternalError", message="m", headers={}
    )
    assert "xml" in headers["Content-Type"]
    assert b"<Code>InternalError</Code>" in body
    assert parameters(h.iam_actions.identity_denial_message) == [
        "action",
        "principal_arn",
        "resource",
        "explicit_deny",
    ]
    assert not hasattr(h.app, "access_denied_response")


def contract_condition_keys(h: Any) -> None:
    assert parameters(h.iam_evaluator._resolve_condition_key) == ["key", "ctx"]
    assert parameters(h.iam_evaluator._first_match) == ["ctx", "stmts", "effect"]
    fields = {"resources", "not_resources", "conditions", "actions", "effect"}
    assert fields <= set(h.iam_evaluator.ParsedStatement.__dataclass_fields__)
    assert "resource_arn" in h.iam_evaluator.EvalContext.__dataclass_fields__
    assert parameters(h.iam_evaluator._fnmatch_compile) == ["pattern", "ignore_case"]
    for match in (h.iam_evaluator.fnmatch_iam, h.iam_evaluator.fnmatch_iam_cs):
        assert "_fnmatch_compile(pattern, " in inspect.getsource(match)


def contract_resource_tags(h: Any) -> None:
    h.tagging._RESOURCE_TAG_COLLECTORS["ec2"] = lambda: [
        ("arn:aws:ec2:r:a:instance/i-1", [{"Key": "k", "Value": "v"}])
    ]
    assert h.tagging.resource_tags("arn:aws:ec2:r:a:instance/i-1") == {"k": "v"}


def contract_new_service(h: Any) -> None:
    h.router.SERVICE_PATTERNS["imagebuilder"] = {"host_patterns": [r"imagebuilder\."]}
    headers = {
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/imagebuilder/aws4_request"
    }
    assert h.router.detect_service("PUT", "/CreateComponent", headers, {}) == "imagebuilder"
    h.iam_actions.SERVICE_TO_IAM_NAMESPACE["imagebuilder"] = "imagebuilder"
    h.iam_actions._BOTOCORE_SERVICE_MAP["imagebuilder"] = ["imagebuilder"]
    action = h.iam_actions.extract_iam_action("imagebuilder", "PUT", "/CreateComponent", headers, b"{}", {})
    assert action == "imagebuilder:CreateComponent"


def contract_table_store(h: Any) -> None:
    assert hasattr(h.dynamodb._tables, "get")


def contract_object_reads(h: Any) -> None:
    assert parameters(h.s3._get_object) == ["bucket_name", "key", "headers", "query_params"]
    assert parameters(h.s3._read_body) == ["bucket_name", "key", "obj"]
    assert parameters(h.s3._object_disk_path)[:2] == ["bucket", "key"]
    assert parameters(h.s3._get_object_data)[:2] == ["bucket_name", "key"]
    assert "body[start : end + 1]" in inspect.getsource(h.s3._get_object)
    assert parameters(h.s3._version_body) == ["bucket", "bucket_name", "key", "v"]
    assert parameters(h.s3._version_disk_path)[:3] == ["bucket", "key", "version_id"]
    assert h.s3._parse_range("bytes=2-5", 10) == (2, 5)
    assert h.s3._parse_range("bytes=20-25", 10) is None
    assert b"InvalidRange" in h.s3._xml_body(h.s3._range_error_xml("bucket", "key"))


def contract_encryption_headers(h: Any) -> None:
    assert parameters(h.s3._resolve_sse_write_headers) == ["headers", "bucket_name"]
    _, error = h.s3._resolve_sse_write_headers({"x-amz-server-side-encryption": "aws:kms"}, "b")
    assert error[0] == 400  # what we correct


def contract_account_defaults(h: Any) -> None:
    """What ``localcloud.aws.ec2.default_vpc`` changes in the network that MiniStack makes."""
    assert "_ensure_defaults_initialized()" in inspect.getsource(h.ec2.handle_request)
    with h.scope("000000000000", "us-east-1"):
        h.ec2._ensure_defaults_initialized()
        assert h.ec2._vpcs[h.ec2._DEFAULT_VPC_ID]["IsDefault"]
        assert all(s["DefaultForAz"] for s in h.ec2._subnets.values())


def contract_service_linked_roles(h: Any) -> None:
    assert {"GetRole", "CreateServiceLinkedRole"} <= h.iam._IAM_HANDLERS.keys()
    assert parameters(h.iam._error) == ["status", "code", "message", "ns"]
    assert parameters(h.iam._xml)[:3] == ["status", "root_tag", "inner"]
    assert parameters(h.iam._role_xml)[0] == "name"
    assert parameters(h.iam._p) == ["params", "key", "default"]
    assert h.iam._gen_id("AROA").startswith("AROA")
    assert isinstance(h.iam._roles, h.responses.AccountScopedDict)


def contract_quotas_of_people(h: Any) -> None:
    assert {"CreateRole", "CreateInstanceProfile", "CreateGroup"} <= h.iam._IAM_HANDLERS.keys()
    with h.scope("000000000000", "us-east-1"):
        _, _, body = h.iam._IAM_HANDLERS["GetAccountSummary"]({})
    assert b"<entry><key>RolesQuota</key><value>1000</value></entry>" in body
    assert b"</SummaryMap>" in body
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", h.iam._now())


def contract_function_is_made_in_one_place(h: Any) -> None:
    assert parameters(h.lambda_svc._create_function) == ["data"]
    assert parameters(h.lambda_svc.error_response_json)[:3] == ["code", "message", "status"]


def contract_public_access(h: Any) -> None:
    assert parameters(h.s3._public_access_blocked) == ["owner_account", "bucket_name", "setting"]
    assert '_public_access_blocked(get_account_id(), name, "BlockPublicPolicy")' in inspect.getsource(
        h.s3._put_bucket_policy
    )
    assert parameters(h.app._handle_s3_control_request) == [
        "path", "method", "body", "query_params", "request_id", "headers",
    ]  # fmt: skip
    assert parameters(h.app._enforce_data_plane)[:2] == ["service", "iam_action"]
    assert parameters(h.s3.s3control_error)[:3] == ["code", "message", "status"]
    assert parameters(h.s3.validate_object_request) == ["method", "path", "headers", "query_params"]
    assert h.s3.S3CONTROL_NS.startswith("https://awss3control.amazonaws.com/")
    assert parameters(h.s3._error)[:5] == ["code", "message", "status", "resource", "extra"]


def contract_log_writing(h: Any) -> None:
    logs = h.cloudwatch_logs
    with h.scope("000000000000", "us-east-1"):
        logs._create_log_group({"logGroupName": "g"})
        logs._create_log_stream({"logGroupName": "g", "logStreamName": "s"})
        event = {"timestamp": 1, "message": "m"}
        status, _, _ = logs._put_log_events({"logGroupName": "g", "logStreamName": "s", "logEvents": [event]})
        status_again, _, _ = logs._create_log_group({"logGroupName": "g"})
    assert (status, status_again) == (200, 400)


def contract_subscriptions(h: Any) -> None:
    """Also used: _p, _xml, _normalize_arn, new_uuid, _refresh_subscription_counts, _sub_arn_to_topic,
    _resolve_message_for_protocol, _list_subscriptions, _unsubscribe.
    """
    sns = h.sns
    assert parameters(sns._fanout)[:6] == [
        *("topic_arn", "msg_id", "message", "subject", "message_structure", "message_attributes")
    ]
    assert parameters(sns._matches_filter_policy) == ["sub", "message_attributes", "message"]
    assert parameters(sns._find_subscription) == ["topic_arn", "sub_arn"]
    assert parameters(sns._error) == ["code", "message", "status"]
    assert 'if not sub.get("confirmed"):' in inspect.getsource(sns._fanout)
    assert '"Subscribe": _subscribe' in inspect.getsource(sns.handle_request)
    with h.scope("000000000000", "us-east-1"):
        sns._create_topic({"Name": ["t"]})
        (arn,) = sns._topics.keys()
        told = {"TopicArn": [arn], "Protocol": ["email"], "Endpoint": ["a@b"]}
        assert sns._subscribe(told)[0] == 200
        topic = sns._topic_by_arn_any_scope(arn)
        (sub,) = topic["subscriptions"]
        # what we correct: an address is asked first
        assert sub["confirmed"]
        assert sub["attributes"]["PendingConfirmation"] == "false"
        status, _, body = sns._list_subscriptions_by_topic({"TopicArn": [arn]})
        assert status == 200
        assert f"<SubscriptionArn>{sub['arn']}<".encode() in body
        sns._topics.clear()


def every_hook_has_a_contract(h: Any) -> None:
    """Names of MiniStack that the plugins use but no contract mentions."""
    own = pathlib.Path(__file__).read_text()
    used = set()
    for file in (ROOT / "localcloud" / "aws").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Attribute)
                and getattr(node.value.value, "id", "") == "hooks"
            ):
                used.add(f"{node.value.attr}.{node.attr}")
    modules = {
        "ec2",
        "iam",
        "ssm",
        "s3",
        "sqs",
        "sts",
        "dynamodb",
        "eventbridge",
        "tagging",
        "iam_actions",
        "iam_evaluator",
        "lambda_runtime",
        "lambda_svc",
        "router",
        "sns",
    }
    missing = sorted(name for name in used if name.split(".")[0] in modules and name.split(".")[1] not in own)
    assert not missing, missing


def tables_and_functions(h: Any) -> dict[str, tuple[int, object]]:
    """What plugins may replace: every attribute of MiniStack's modules, and the entries of their tables."""
    found: dict[str, tuple[int, object]] = {}
    for module_name, module in vars(h).items():
        if isinstance(module, types.ModuleType) and module.__name__.startswith("ministack."):
            for name, value in vars(module).items():
                entries: object = len(value) if type(value) is list else None
                if type(value) is dict:
                    entries = {key: id(entry) for key, entry in value.items()}
                found[f"{module_name}.{name}"] = (id(value), entries)
    return found


async def installed(h: Any, folder: pathlib.Path) -> dict[str, tuple[set[str], set[str]]]:
    """Plugin -> what it says that it replaces, and what it has replaced (for the rest of the process)."""
    from localcloud.aws import plugins
    from localcloud.aws.account import Account
    from localcloud.aws.admin import Admin
    from localcloud.aws.checkpoint import Checkpoint
    from localcloud.aws.context import Context
    from localcloud.aws.iam.sessions import Sessions
    from localcloud.aws.imagebuilder.service import ImageBuilder
    from localcloud.aws.journal import Journal
    from localcloud.aws.parts import Items, Messages
    from localcloud.aws.runcommand import RunCommand
    from localcloud.aws.settings import Settings
    from localcloud.aws.store import Store
    from localcloud.paths import Paths

    paths = Paths(folder)
    store, items, sessions = Store(paths.plugin_state), Items(), Sessions()
    journal = Journal(paths.emulator_journal)
    checkpoint = Checkpoint(store, paths.emulator_state, journal, (items, Messages(), sessions))
    settings = Settings(paths, 1, "us-east-1", "000000000000", "key", "secret", "token")
    context = Context(settings, store, Admin("token", checkpoint.settle), checkpoint, Account({}, store))
    parts = plugins.Parts(context, items, sessions, ImageBuilder(context), RunCommand(context))
    seen = {}
    for plugin in plugins.PLUGINS:
        before, operations = tables_and_functions(h), set(context.admin.operations)
        plugin.install(parts)
        after = tables_and_functions(h)
        changed = {name for name, value in after.items() if before.get(name) != value}
        # An entry may be put into a table that has it already.
        changed |= {name for name in plugin.replaces if after[name][1] is not None}
        seen[plugin.module] = (set(plugin.replaces), changed)
        assert changed or set(context.admin.operations) != operations, f"{plugin.module} installs nothing"
    return seen


def every_plugin_replaces_what_it_says(h: Any) -> None:
    """The last contract: after it, MiniStack is no longer what it was."""
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(installed(h, pathlib.Path(folder)))
    wrong = {name: (said, done) for name, (said, done) in seen.items() if said != done}
    assert not wrong, wrong


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            PERSIST_STATE="1", STATE_DIR=folder, S3_PERSIST="1", S3_DATA_DIR=folder + "/s3", AUTH="true"
        )
        from localcloud.aws import hooks

        results: dict[str, str | None] = {}
        for name, contract in list(globals().items()):
            if name.startswith(("contract_", "every_")):
                try:
                    contract(hooks)
                    results[name] = None
                except Exception:  # noqa: BLE001 - whatever a contract raises is its result
                    results[name] = traceback.format_exc()
        sys.stdout.write(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
