"""Debian's order of versions, as its policy says it and `dpkg` does it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_builder.debian_versions import compare, key

ORDER = [
    "1.0~beta1~svn1245",
    "1.0~beta1",
    "1.0",
    "1.0-0ubuntu1",
    "1.0-1",
    "1.0-1ubuntu0.1",
    "1.0-1ubuntu0.2",
    "1.0-2",
    "1.0a",
    "1.0+dfsg",
    "1.1",
    "1.9",
    "1.10",
    "3.0.2-0ubuntu1.9",
    "3.0.2-0ubuntu1.10",
    "1:0.1",
]
versions = st.from_regex(r"([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{1,5})?", fullmatch=True)


def test_the_order_of_the_policy() -> None:
    assert sorted(sorted(ORDER), key=key) == ORDER


@given(versions, versions, versions)
def test_it_is_an_order(one: str, two: str, three: str) -> None:
    assert compare(one, one) == 0
    assert compare(one, two) == -compare(two, one)
    first, second, third = sorted((one, two, three), key=key)
    assert compare(first, third) <= 0
    assert compare(first, second) <= 0


@pytest.mark.skipif(not shutil.which("dpkg"), reason="no dpkg here")
@settings(max_examples=40, deadline=None)
@given(versions, versions)
def test_dpkg_says_the_same(one: str, two: str) -> None:
    earlier = subprocess.run(["dpkg", "--compare-versions", one, "lt", two], check=False).returncode == 0
    assert (compare(one, two) < 0) == earlier
