"""The policy of an outside bucket: exact, judged where it can be read, and told where it lacks something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.cli import main
from neurocaas.linking import MARKER, check
from neurocaas.protocol.linking import MACHINE, MANAGER, WRITER, Lack, grants, lacking, policy
from neurocaas.protocol.outside import OutsideBucket
from tests.unit.client_world import ABOUT, MEMBER, service
from tests.unit.test_command_documents import schema_of

ROLES = {
    MANAGER: "arn:aws:iam::123456789012:role/dti-manager",
    MACHINE: "arn:aws:iam::123456789012:role/neurocaas/dti/lab1-machine",
    WRITER: "arn:aws:iam::123456789012:role/neurocaas-writers/monitor",
}
DATA = OutsideBucket("lab1-data", "", ("inputs",), ())
RESULTS = OutsideBucket("lab1-archive", "res/", ("results",), ())
ALL = [DATA, RESULTS]
entries = st.builds(
    OutsideBucket,
    st.just("b"),
    st.sampled_from(("", "res/", "a/b/")),
    st.lists(st.sampled_from(("inputs", "results")), min_size=1, unique=True).map(tuple),
    st.just(()),
)


@given(st.lists(entries, min_size=1, max_size=3))
def test_the_printed_policy_lacks_nothing_and_each_statement_of_it_is_needed(
    some: list[OutsideBucket],
) -> None:
    document = json.loads(json.dumps(policy(some, ROLES)))
    assert all(lacking(document, one, ROLES) == [] for one in some)
    for index in range(len(document["Statement"])):
        rest = [one for number, one in enumerate(document["Statement"]) if number != index]
        assert any(lacking({"Statement": rest}, one, ROLES) for one in some)
    said = json.dumps(document)
    assert '"*"' not in said, "nobody but the roles, and nothing but these actions"
    assert len({statement["Sid"] for statement in document["Statement"]}) == len(document["Statement"])


def test_only_results_let_write() -> None:
    actions = {action for one in policy([DATA], ROLES)["Statement"] for action in one["Action"]}
    assert actions == {"s3:GetObject", "s3:ListBucket"}
    assert {one.sid for one in grants(RESULTS, "aws")} == {"Reads", "Lists", "WritesResults", "EndsJobs"}


def statement(**changes: Any) -> dict[str, Any]:
    whole = {
        "Effect": "Allow",
        "Principal": {"AWS": list(ROLES.values())},
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::lab1-data", "arn:aws:s3:::lab1-data/*"],
    }
    return {**whole, **changes}


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({}, False),
        ({"Principal": "*"}, False),
        ({"Principal": {"AWS": "123456789012"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::999999999999:root"}}, True),
        ({"Action": ["s3:Get*", "s3:List*"]}, False),
        ({"Action": "s3:GetObjectVersion"}, True),
        ({"Resource": "arn:aws:s3:::lab1-data/*"}, True),
        ({"Resource": ["arn:aws:s3:::lab1-data", "arn:aws:s3:::lab1-data/job_1/*"]}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, True),
        ({"Effect": "Deny"}, True),
    ],
)
def test_policies_that_people_write_are_judged(changes: dict[str, Any], lacks: bool) -> None:
    assert bool(lacking({"Statement": statement(**changes)}, DATA, ROLES)) is lacks


def test_a_denial_counts_in_the_own_account_too_and_tls_is_ours() -> None:
    tls = statement(Effect="Deny", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert lacking({"Statement": [tls]}, DATA, ROLES, own=True) == []
    denial = statement(Effect="Deny", NotPrincipal={"AWS": "arn:aws:iam::1:root"}, Action="s3:GetObject")
    del denial["Principal"]
    found = lacking({"Statement": [denial]}, DATA, ROLES, own=True)
    assert {(one.who, one.action, one.denied) for one in found} == {
        (MANAGER, "s3:GetObject", True),
        (MACHINE, "s3:GetObject", True),
    }


def test_a_condition_is_told_and_not_judged() -> None:
    (one, *_) = lacking({"Statement": statement(Condition={"x": {"y": "z"}})}, DATA, ROLES)
    assert one == Lack(MANAGER, "s3:GetObject", "arn:aws:s3:::lab1-data/*", conditional=True)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    about = replace(ABOUT, outside_buckets=tuple(ALL), outside_roles=ROLES)
    with service(monkeypatch, about, MEMBER) as client:
        for one in ALL:
            client.create_bucket(Bucket=one.bucket)
        yield client


class _Elsewhere:
    """A bucket of another account: nobody of ours owns it, and its policy may be read or not."""

    def __init__(self, s3: Any, *, closed: bool = False) -> None:
        self._s3, self._closed = s3, closed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def head_bucket(self, **arguments: Any) -> Any:
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadBucket")

    def get_bucket_policy(self, **arguments: Any) -> Any:
        if self._closed:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetBucketPolicy")
        return self._s3.get_bucket_policy(**arguments)


def test_a_bucket_of_another_account_without_a_policy_lacks_all_of_it(s3: Any) -> None:
    found = check(_Elsewhere(s3), [RESULTS], ROLES)
    policy_ = [one for one in found.problems if one.field == "bucket policy"]
    assert len(policy_) == 7
    assert all(one.do == "Add the printed statements" for one in policy_)
    (ownership,) = [one for one in found.problems if one.field == "object ownership"]
    assert "BucketOwnerEnforced" in ownership.do
    assert any("write to s3://lab1-archive/res/: you may" in line for line in found.tried)
    with pytest.raises(ClientError):
        s3.head_object(Bucket="lab1-archive", Key=f"res/{MARKER}")


def test_with_the_printed_policy_nothing_is_missing(s3: Any) -> None:
    s3.put_bucket_policy(Bucket="lab1-archive", Policy=json.dumps(policy([RESULTS], ROLES)))
    s3.put_bucket_ownership_controls(
        Bucket="lab1-archive", OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    found = check(_Elsewhere(s3), [RESULTS], ROLES)
    assert (found.problems, found.unknown) == ([], [])


def test_what_may_not_be_read_is_unknown(s3: Any) -> None:
    found = check(_Elsewhere(s3, closed=True), [DATA], ROLES)
    assert found.problems == []
    assert "its owner can run this" in found.unknown[0]


def test_keys_of_others_and_missing_buckets_are_told(s3: Any) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k-1"}}
    s3.put_bucket_encryption(Bucket="lab1-data", ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert [one.field for one in check(s3, [DATA], ROLES).problems] == ["encryption"]
    gone = OutsideBucket("no-such-bucket-here", "", ("inputs",), ())
    assert [one.field for one in check(s3, [gone], ROLES).problems] == ["bucket"]


def test_the_command_prints_the_policy_for_its_owner(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link-bucket", "s3://lab1-archive/res/2026"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out) == json.loads(json.dumps(policy([RESULTS], ROLES)))
    assert "if it has one already" in out.err


@pytest.mark.parametrize(("words", "code"), [(["--json"], 0), (["--check", "--json"], 0)])
def test_its_documents_keep_to_the_schema(
    s3: Any, capsys: pytest.CaptureFixture[str], words: list[str], code: int
) -> None:
    assert main(["link-bucket", *words]) == code
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema_of("link-bucket"))
    assert [one["bucket"] for one in document["buckets"]] == ["lab1-data", "lab1-archive"]


def test_what_is_missing_ends_with_code_1(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    s3.put_bucket_policy(
        Bucket="lab1-data",
        Policy=json.dumps({"Statement": [statement(Effect="Deny", Action="s3:GetObject")]}),
    )
    assert main(["link-bucket", "lab1-data", "--check"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "a statement that denies s3:GetObject on arn:aws:s3:::lab1-data/*" in out
    assert "Take that statement away" in out


@pytest.mark.parametrize("place", ["another-bucket", "s3://lab1-archive/other"])
def test_a_place_that_is_not_registered_is_told(
    s3: Any, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    assert main(["link-bucket", place]) == 2
    err = capsys.readouterr().err
    assert "is not registered in dti" in err
    assert "s3://lab1-data/, s3://lab1-archive/res/" in " ".join(err.split())
