"""The two profiles of the properties."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from localcloud.tests.properties import examples


@pytest.fixture(params=["ci", "dev"])
def profile(request: pytest.FixtureRequest) -> Iterator[str]:
    before = settings.get_current_profile_name()
    settings.load_profile(request.param)
    yield request.param
    settings.load_profile(before)


def test_a_property_is_tried_as_often_as_it_says_only_in_ci(profile: str) -> None:
    assert settings().deadline is None
    assert [examples(number) for number in (1500, 100, 25, 3)] == {
        "ci": [1500, 100, 25, 3],
        "dev": [300, 20, 5, 3],
    }[profile]
