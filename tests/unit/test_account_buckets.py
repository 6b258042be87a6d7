"""Whose the name of a bucket is."""

from collections.abc import Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from account.buckets import BucketState, bucket_state

ACCOUNT = "123456789012"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


def test_a_name_that_nobody_has(s3: Any) -> None:
    assert bucket_state(s3, "dti-prod-abc", ACCOUNT) is BucketState.FREE


def test_a_bucket_of_the_account(s3: Any) -> None:
    s3.create_bucket(Bucket="dti-prod-abc")
    assert bucket_state(s3, "dti-prod-abc", ACCOUNT) is BucketState.OURS


@pytest.mark.parametrize(("status", "own", "state"), [
    (403, [], BucketState.TAKEN),
    (301, [], BucketState.TAKEN),
    (400, [], BucketState.TAKEN),
    (403, ["dti"], BucketState.OURS),
    (301, ["dti"], BucketState.OURS),
])  # fmt: skip
def test_an_answer_that_is_not_for_us(status: int, own: list[str], state: BucketState) -> None:
    """One's own bucket without the right to list it, or in another region, is not somebody else's."""
    client = _client()
    with Stubber(client) as stubber:
        stubber.add_client_error("head_bucket", str(status), http_status_code=status)
        stubber.add_response("list_buckets", {"Buckets": [{"Name": name} for name in own]})
        assert bucket_state(client, "dti", ACCOUNT) is state


def test_whoever_may_not_list_buckets_is_told_the_safe_answer() -> None:
    client = _client()
    with Stubber(client) as stubber:
        stubber.add_client_error("head_bucket", "403", http_status_code=403)
        stubber.add_client_error("list_buckets", "AccessDenied", http_status_code=403)
        assert bucket_state(client, "dti", ACCOUNT) is BucketState.TAKEN


def test_the_owner_is_part_of_the_question() -> None:
    """A stranger's bucket that is open to us is not ours."""
    client = _client()
    with Stubber(client) as stubber:
        stubber.add_response("head_bucket", {}, {"Bucket": "dti", "ExpectedBucketOwner": ACCOUNT})
        assert bucket_state(client, "dti", ACCOUNT) is BucketState.OURS


def test_a_service_that_is_away_says_nothing_about_the_name() -> None:
    client = _client()
    with Stubber(client) as stubber:
        stubber.add_client_error("head_bucket", "503", http_status_code=503)
        with pytest.raises(ClientError):
            bucket_state(client, "dti", ACCOUNT)


def _client() -> Any:
    session = botocore.session.Session()
    return session.create_client(
        "s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
