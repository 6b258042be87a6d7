"""What the bucket of an analysis is called when its blueprint does not say it."""

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.bucket_names import default_name, default_pattern
from blueprints.model import Stage
from neurocaas.protocol.names import ANALYSIS_NAME

ACCOUNT, REGION = "111122223333", "us-east-1"
NAMES = st.from_regex(ANALYSIS_NAME, fullmatch=True).filter(str.isascii)
RESERVED_BEGINNINGS = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_ENDINGS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
"""S3 user guide, "General purpose bucket naming rules"."""


@given(NAMES, st.sampled_from(Stage))
def test_a_name_follows_s3s_rules(analysis: str, stage: Stage) -> None:
    name = default_name(analysis, stage, ACCOUNT, REGION)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name)
    assert not name.startswith(RESERVED_BEGINNINGS)
    assert not name.endswith(RESERVED_ENDINGS)


@pytest.mark.parametrize("analysis", ["xn--spikes", "sthree-spikes", "sthree-configurator", "amzn-s3-demo-x"])
def test_beginnings_that_s3_keeps_for_itself(analysis: str) -> None:
    assert not default_name(analysis, "prod", ACCOUNT, REGION).startswith(RESERVED_BEGINNINGS)


@given(NAMES)
def test_each_stage_account_region_and_analysis_has_its_own(analysis: str) -> None:
    others = [(analysis, stage, ACCOUNT, REGION) for stage in Stage]
    others += [(analysis, Stage.PROD, "111122223334", REGION), (analysis, Stage.PROD, ACCOUNT, "eu-west-1")]
    others += [(f"{analysis[:50]}-prod", stage, ACCOUNT, REGION) for stage in Stage]
    others += [(f"{analysis[:50]}-two", stage, ACCOUNT, REGION) for stage in Stage]
    assert len({default_name(*one) for one in set(others)}) == len(set(others))


@given(NAMES, NAMES, st.sampled_from(Stage))
def test_a_pattern_is_for_all_stages_of_one_analysis(one: str, other: str, stage: Stage) -> None:
    pattern = default_pattern(one, ACCOUNT, REGION)
    assert fnmatchcase(default_name(one, stage, ACCOUNT, REGION), pattern)
    for name in {other, f"{one[:50]}-x", one[:-1]} - {one}:
        assert not fnmatchcase(default_name(name, stage, ACCOUNT, REGION), pattern)


def test_a_name_is_the_same_for_ever() -> None:
    """A change here would be another bucket for every stack that was never deployed, and a surprise."""
    assert default_name("dti", Stage.PROD, ACCOUNT, REGION) == "dti-eazrfarl25-prod"
