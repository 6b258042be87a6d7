"""The public catalogue in the program: only when asked for, and public for nothing but its prefix."""

from __future__ import annotations

import pytest

from checks.published import PREFIX, published
from checks.rule import run
from checks.rules import RULES
from components import program
from components.bucket import PrivateBucketArgs
from components.place import Place
from console.catalogue import FOLDER
from tests.program.projects import make_project
from tests.program.recording import Recorded, deploy


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    project = make_project(tmp_path_factory.mktemp("public"))
    return deploy(lambda: program.outputs(project), "utils", {"neurocaas:publicCatalogue": "true"})


def test_there_is_none_unless_it_is_asked_for(utils: Recorded) -> None:
    assert utils.outputs["catalogue_bucket"] is None
    assert not [bucket for bucket in utils.of_type("Bucket") if "catalogue" in bucket.name]
    assert all(
        block.inputs["restrictPublicBuckets"] is True for block in utils.of_type("BucketPublicAccessBlock")
    )


def test_everybody_reads_what_is_below_the_prefix_and_the_rules_agree(
    public: Recorded, utils: Recorded
) -> None:
    bucket = public.outputs["catalogue_bucket"]
    assert public.outputs["catalogue_url"] == f"https://{bucket}.s3.us-east-1.amazonaws.com/{FOLDER}"
    (statement,) = [
        one
        for one in public.one("BucketPolicy", "catalogue").policy()["Statement"]
        if one["Effect"] == "Allow"
    ]
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}/catalogue/*"]
    assert (statement["Principal"], statement["Action"]) == ("*", ["s3:GetObject"])
    block = public.one("BucketPublicAccessBlock", "catalogue").inputs
    assert (block["blockPublicAcls"], block["ignorePublicAcls"]) == (True, True)
    assert run(RULES, public.stack()).findings == ()
    assert len(public.resources) == len(utils.resources) + 8


def test_both_sides_mean_the_same_prefix() -> None:
    assert FOLDER == PREFIX


@pytest.mark.parametrize(
    "change",
    [
        {"Action": ["s3:GetObject", "s3:PutObject"]},
        {"Action": "s3:*"},
        {"Resource": ["arn:aws:s3:::b/*"]},
        {"Resource": ["arn:aws:s3:::b/catalogue/*", "arn:aws:s3:::b/lab1/*"]},
        {"Resource": "arn:aws:s3:::*/catalogue/*"},
        {"Resource": "*"},
        {"NotPrincipal": "*"},
        {"NotAction": "s3:GetObject"},
    ],
)
def test_nothing_more_counts_as_published(change: dict[str, object]) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::b/catalogue/*"],
    }
    assert published(statement)
    assert not published({**statement, **change})


def test_a_prefix_that_is_a_part_of_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="must end in '/'"):
        PrivateBucketArgs(place=Place(partition="aws", region="r", account="1"), public_prefix="cat")
