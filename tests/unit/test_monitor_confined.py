"""The monitor's writer: sessions for one bucket and one group, and what their policies let through."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config
from botocore.hooks import HierarchicalEmitter

from runtime.monitor.confined import SESSION_SECONDS, VARIABLE, Writers, session_name, session_policy
from tests.unit.fake_aws import Clock

OWN = {"StringEquals": {"aws:ResourceAccount": "111122223333"}}
ROLE = "arn:aws:iam::111122223333:role/neurocaas-writers/monitor-writer-1a2b3c4"


class FakeSession:
    """botocore's session, with an STS that hands out numbered keys for as long as it is asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked, self.clients = clock, list[dict[str, Any]](), list[dict[str, Any]]()
        self.lock = threading.Lock()

    def create_client(self, service: str, **arguments: Any) -> Any:
        if service == "sts":
            return self
        with self.lock:
            self.clients.append(arguments)
        return SimpleNamespace(meta=SimpleNamespace(events=HierarchicalEmitter()))

    def assume_role(self, **arguments: Any) -> dict[str, Any]:
        with self.lock:
            self.asked.append(arguments)
            number = len(self.asked)
        until = self.clock() + timedelta(seconds=arguments["DurationSeconds"])
        keys = {
            "AccessKeyId": f"ASIA{number}",
            "SecretAccessKey": f"secret{number}",
            "SessionToken": f"token{number}",
        }
        return {"Credentials": {**keys, "Expiration": until}}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(clock: Clock) -> FakeSession:
    return FakeSession(clock)


@pytest.fixture
def writers(session: FakeSession, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch) -> Writers:
    monkeypatch.setenv(VARIABLE, ROLE)
    return Writers(session, Config(), now=clock)  # type: ignore[arg-type]


def may(policy: str, action: str, bucket: str, key: str) -> bool:
    """Whether a session policy lets a call through, to buckets of the role's account: allowing statements,
    with no condition but that.
    """
    statements = json.loads(policy)["Statement"]
    for one in statements:
        assert one["Effect"] == "Allow"
        assert set(one) - {"Condition"} == {"Effect", "Action", "Resource"}
        assert one.get("Condition", OWN) == OWN
    arn = f"arn:aws:s3:::{bucket}/{key}"
    return any(
        one["Action"] == action and any(fnmatchcase(arn, pattern) for pattern in one["Resource"])
        for one in statements
    )


WRITABLE = (
    "lab1/results/job_1/process_results/end.txt",
    "jobs/lab1/job_1/certificate.txt",
    "logs/lab1/i-1.json",
    "logs/active/i-1.json",
)


@pytest.mark.parametrize("key", WRITABLE)
def test_a_session_writes_what_is_its_groups(key: str) -> None:
    policy = session_policy(ROLE, "dti", "lab1")
    assert may(policy, "s3:PutObject", "dti", key)
    assert not may(policy, "s3:PutObject", "dti2", key)
    assert not may(policy, "s3:GetObject", "dti", key)
    assert may(policy, "s3:DeleteObject", "dti", key) is key.startswith("logs/active/")


@pytest.mark.parametrize(
    "key",
    [
        "lab10/results/job_1/x",
        "lab1/inputs/x",
        "lab1/submissions/x_submit.json",
        "jobs/lab10/job_1/job.json",
        "jobs/lab1",
        "logs/lab10/i-1.json",
        "evidence/AROA1:i-1/status.json",
    ],
)
def test_a_session_writes_nothing_else(key: str) -> None:
    for outside in ((), ("archive",)):
        policy = session_policy(ROLE, "dti", "lab1", outside)
        assert not any(may(policy, action, "dti", key) for action in ("s3:PutObject", "s3:DeleteObject"))


def test_with_an_outside_bucket_results_can_be_copied_there() -> None:
    policy = session_policy(ROLE, "dti", "lab1", ("archive",))
    assert may(policy, "s3:GetObject", "dti", "lab1/results/job_1/logs/certificate.txt")
    assert not may(policy, "s3:GetObject", "dti", "lab10/results/job_1/logs/certificate.txt")
    assert not may(policy, "s3:GetObject", "dti", "jobs/lab1/job_1/job.json")
    assert may(policy, "s3:PutObject", "archive", "res/job_1/logs/certificate.txt")
    assert not may(policy, "s3:PutObject", "archive2", "res/job_1/logs/certificate.txt")
    assert not may(policy, "s3:DeleteObject", "archive", "res/job_1/logs/certificate.txt")


def test_a_session_that_moves_results_reads_and_removes_those_of_its_group_only() -> None:
    policy = session_policy(ROLE, "dti", "lab1", moving=True)
    for key, read, removed in (
        ("lab1/results/job_1/process_results/a/b.csv", True, True),
        ("lab1/results/job_1/logs/certificate.txt", True, False),
        ("lab1/results/job_1/attempts/1/process_results/b.csv", True, True),
        ("lab10/results/job_1/process_results/b.csv", False, False),
        ("lab1/inputs/process_results/b.csv", False, False),
        ("jobs/lab1/job_1/job.json", False, False),
    ):
        assert (may(policy, "s3:GetObject", "dti", key), may(policy, "s3:DeleteObject", "dti", key)) == (
            read,
            removed,
        ), key
        assert not may(policy, "s3:DeleteObject", "dti2", key)


def test_policies_and_names_fit_into_the_limits_of_sts() -> None:
    bucket, group = "b" * 63, "g" * 63
    for moving in (True, False):
        assert (
            len(
                session_policy(
                    ROLE.replace("aws", "aws-us-gov"), bucket, group, ("a" * 63, "c" * 63), moving=moving
                )
            )
            <= 2048
        )
    assert len(session_name(bucket, group)) == 64
    assert session_name("dti.data", "lab_1") == "lab_1@dti.data"


@pytest.mark.parametrize(
    ("bucket", "group", "outside"),
    [
        ("*", "lab1", ()),
        ("dti", "*", ()),
        ("dti", "lab?", ()),
        ("dti", "", ()),
        ("dti", "lab1/results", ()),
        ("dti", "${aws:userid}", ()),
        ("dti", "jobs", ()),
        ("dti", "lab1", ("*",)),
        ("dti", "lab1", ("archive/x",)),
    ],
)
def test_what_is_no_name_gets_no_session(
    writers: Writers, session: FakeSession, bucket: str, group: str, outside: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="nothing was written"):
        writers.s3(bucket, group, outside)
    assert session.asked == []


def test_a_client_has_the_keys_of_its_own_session(writers: Writers, session: FakeSession) -> None:
    first, second = writers.s3("dti", "lab1"), writers.s3("dti", "lab10")
    assert first is not second
    assert [one["RoleSessionName"] for one in session.asked] == ["lab1@dti", "lab10@dti"]
    assert {one["RoleArn"] for one in session.asked} == {ROLE}
    assert [one["Policy"] for one in session.asked] == [
        session_policy(ROLE, "dti", group) for group in ("lab1", "lab10")
    ]
    assert [one["aws_access_key_id"] for one in session.clients] == ["ASIA1", "ASIA2"]
    assert [one["aws_session_token"] for one in session.clients] == ["token1", "token2"]


def test_the_order_of_outside_buckets_makes_no_other_session(writers: Writers, session: FakeSession) -> None:
    assert writers.s3("dti", "lab1", ["b-bucket", "a-bucket"]) is writers.s3(
        "dti", "lab1", ("a-bucket", "b-bucket", "b-bucket")
    )
    assert writers.s3("dti", "lab1") is not writers.s3("dti", "lab1", ["a-bucket"])
    assert len(session.asked) == 3


def test_a_client_that_may_remove_results_is_one_of_its_own(writers: Writers, session: FakeSession) -> None:
    assert writers.s3("dti", "lab1") is not writers.s3("dti", "lab1", moving=True)
    assert writers.s3("dti", "lab1", moving=True) is writers.s3("dti", "lab1", moving=True)
    assert [one["Policy"] for one in session.asked] == [
        session_policy(ROLE, "dti", "lab1", moving=way) for way in (False, True)
    ]


def test_a_client_is_kept_until_shortly_before_its_session_ends(
    writers: Writers, session: FakeSession, clock: Clock
) -> None:
    client = writers.s3("dti", "lab1")
    clock.forward(SESSION_SECONDS - 301)
    assert writers.s3("dti", "lab1") is client
    clock.forward(1)
    assert writers.s3("dti", "lab1") is not client
    assert len(session.asked) == 2


def test_the_clients_used_last_are_kept_and_no_more_than_some(writers: Writers, session: FakeSession) -> None:
    kept = writers.s3("dti", "lab0")
    for number in range(1, 100):
        writers.s3("dti", f"lab{number}")
        assert writers.s3("dti", "lab0") is kept
    assert len(session.asked) == 100
    writers.s3("dti", "lab99")
    assert len(session.asked) == 100
    writers.s3("dti", "lab1")
    assert len(session.asked) == 101


def test_a_refusal_is_not_kept(
    writers: Writers, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**arguments: Any) -> dict[str, Any]:
        raise RuntimeError("AccessDenied")

    with monkeypatch.context() as patch:
        patch.setattr(session, "assume_role", refuse)
        with pytest.raises(RuntimeError, match="AccessDenied"):
            writers.s3("dti", "lab1")
    assert writers.s3("dti", "lab1") is writers.s3("dti", "lab1")
    assert len(session.asked) == 1


def test_many_threads_share_one_session(writers: Writers, session: FakeSession) -> None:
    found, barrier = list[Any](), threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        found.append(writers.s3("dti", "lab1"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == len(session.asked) == 1


def test_without_a_writers_role_there_is_one_client_with_the_own_credentials(
    session: FakeSession, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    writers = Writers(session, Config(), now=clock)  # type: ignore[arg-type]
    client = writers.s3("dti", "lab1")
    clock.forward(SESSION_SECONDS * 10)
    assert writers.s3("other", "lab2") is client
    assert session.asked == []
    assert ["aws_access_key_id" in one for one in session.clients] == [False]
