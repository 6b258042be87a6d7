"""What holds for all tests of this room."""

import boto3
import pytest

from neurocaas import steps


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no service beside the fakes, so nobody waits for one. A test that has one says so."""
    monkeypatch.setattr(steps, "ANSWER_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def nobody_has_called_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """`boto3.client()` of an earlier test has made a session, whose credentials would be everybody's."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
