"""What holds for all tests of this room."""

import pytest

from neurocaas import steps


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no service beside the fakes, so nobody waits for one. A test that has one says so."""
    monkeypatch.setattr(steps, "ANSWER_SECONDS", 0.0)
