"""Files of DANDI and of other archives, as a person names them, become addresses with digests; the archive is
stood in for by what its API answers."""

import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto import mock_aws

from neurocaas import Analysis, AnalysisError
from neurocaas.checks import Wish
from neurocaas.errors import UnreachableError
from neurocaas.formats import dandi
from neurocaas.protocol.addresses import parse_address
from neurocaas.steps import planned, submitted, uploaded
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, tell

DIGEST = "cd" * 32
S3 = "https://dandiarchive.s3.amazonaws.com/"
VERSION = "0.230629.1955"
PATHS = {"sub-1/sub-1_ecephys.nwb": "id-1", "sub-2/sub-2_ecephys.nwb": "id-2"}


def metadata(**changes: Any) -> dict[str, Any]:
    facts = {
        "contentSize": 1234,
        "digest": {"dandi:dandi-etag": "x-1", "dandi:sha2-256": DIGEST},
        "contentUrl": ["https://api.dandiarchive.org/api/assets/id-1/download/", f"{S3}blobs/0a/b c/uuid"],
    }
    return {**facts, **changes}


class Archive:
    """The API: what it was asked, and what it says of its files."""

    def __init__(self, facts: Any = None) -> None:
        self.asked: list[str] = []
        self.facts = metadata() if facts is None else facts

    def __call__(self, url: str) -> Any:
        self.asked.append(url)
        place = urlsplit(url)
        base = f"/api/dandisets/000003/versions/{VERSION}/assets/"
        assert f"{place.scheme}://{place.netloc}/api" == dandi.API
        if not place.path.startswith(base):
            return None
        if place.path == base:
            begin = parse_qs(place.query)["path"][0]
            found = [{"asset_id": one, "path": path} for path, one in PATHS.items() if path.startswith(begin)]
            return {"results": found}
        return self.facts


def one(key: str, archive: Any = None, hosts: tuple[str, ...] = (S3,)) -> str:
    done, errors = dandi.resolved([key], hosts, archive or Archive())
    if errors:
        raise errors[0]
    return done[0]


@pytest.mark.parametrize(
    "form", ["dandi://000003/{}/{}", "dandi://dandi/000003@{}/{}", "dandi://000003@{}/{}"]
)
def test_a_file_of_dandi_is_its_place_its_size_and_its_digest(form: str) -> None:
    archive = Archive()
    found = parse_address(one(form.format(VERSION, "sub-1/sub-1_ecephys.nwb"), archive))
    assert (found.url, found.size, found.sha256) == (f"{S3}blobs/0a/b%20c/uuid", 1234, DIGEST)
    assert found.name == "sub-1_ecephys.nwb"
    assert archive.asked[-1].endswith("/assets/id-1/")


def test_what_is_no_file_of_the_world_stays_as_it_is() -> None:
    keys = ["lab/inputs/a", "s3://out/b"]
    assert dandi.resolved(keys, (), Archive()) == (keys, [])
    address = f"{S3}x#sha256={DIGEST}&size=1/x"
    assert one(address) == address


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("dandi://000003/sub-1.nwb", "dandi://DANDISET/VERSION/PATH"),
        (f"dandi://000003/{VERSION}/sub-1/", "name one file"),
        (f"dandi://3/{VERSION}/x", "dandi://DANDISET"),
        (f"dandi://000004/{VERSION}/sub-1/x.nwb", "no version .* of dandiset 000004"),
        (f"dandi://000003/{VERSION}/sub-1/sub-1_ecephis.nwb", "did you mean 'sub-1/sub-1_ecephys.nwb'"),
        (f"{S3}x", "it is not of the form.*SHA-256 and its size"),
        (f"https://evil.example.com/x#sha256={DIGEST}&size=1/x", f"addresses below {S3}"),
    ],
)
def test_what_cannot_be_named_so_is_told(key: str, said: str) -> None:
    with pytest.raises(AnalysisError, match=f"(?s){said}") as error:
        one(key)
    assert error.value.do


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (metadata(digest={"dandi:dandi-etag": "x-1"}), "has no SHA-256 yet"),
        (metadata(contentUrl=["https://api.dandiarchive.org/api/assets/x/download/"]), "lies elsewhere"),
        (
            metadata(contentUrl=[f"http://{S3[8:]}x", "ftp://x/y", "https://169.254.169.254/x"]),
            "lies elsewhere",
        ),
        (metadata(contentUrl=[f"{S3}x?X-Amz-Signature=1"]), "lies elsewhere"),
        (metadata(contentSize=-5), "lies elsewhere"),
        (metadata(contentSize="many"), "cannot be read"),
        ({"digest": {"dandi:sha2-256": DIGEST}}, "cannot be read"),
        (["x"], "cannot be read"),
    ],
)
def test_an_answer_that_pins_nothing_is_not_believed(facts: Any, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        one(f"dandi://000003/{VERSION}/sub-1/sub-1_ecephys.nwb", Archive(facts))


def test_an_analysis_that_takes_no_addresses_says_so_and_asks_nobody() -> None:
    archive = Archive()
    for key in (f"dandi://000003/{VERSION}/sub-1/sub-1_ecephys.nwb", f"{S3}x#sha256={DIGEST}&size=1/x"):
        with pytest.raises(AnalysisError, match="takes no addresses"):
            one(key, archive, ())
    assert archive.asked == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (urllib.error.HTTPError("u", 404, "no", {}, io.BytesIO()), None),  # type: ignore[arg-type]
        (urllib.error.HTTPError("u", 503, "no", {}, io.BytesIO()), UnreachableError),  # type: ignore[arg-type]
        (OSError("no route"), UnreachableError),
        (io.BytesIO(b"{"), UnreachableError),
        (io.BytesIO(b'{"a": 1}'), {"a": 1}),
    ],
)
def test_the_api_is_asked_over_https(monkeypatch: pytest.MonkeyPatch, answer: Any, expected: Any) -> None:
    def urlopen(request: urllib.request.Request, timeout: float) -> Any:
        assert request.full_url == f"{dandi.API}/x"
        assert timeout > 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    if expected is UnreachableError:
        with pytest.raises(UnreachableError, match=r"api\.dandiarchive\.org"):
            dandi.ask(f"{dandi.API}/x")
    else:
        assert dandi.ask(f"{dandi.API}/x") == expected


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dandi, "ask", Archive())
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        tell(s3, replace(ABOUT, input_addresses=(S3,)))
        yield s3


KEY = f"dandi://000003/{VERSION}/sub-1/sub-1_ecephys.nwb"
NAMED = f"{S3}blobs/0a/b%20c/uuid#sha256={DIGEST}&size=1234/sub-1_ecephys.nwb"


def test_a_submission_has_the_address_and_the_forecast_its_size(s3: Any) -> None:
    analysis = Analysis(BUCKET, GROUP)
    (plan,) = planned(analysis, [Wish(keys=[KEY], timestamp="t1")])
    assert plan.checked.sizes == [1234]
    (sent,) = uploaded(analysis, [plan])
    job = submitted(analysis, plan, sent)
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())["dataname"] == [
        NAMED
    ]
    assert analysis.sizes([NAMED]) == [1234]


def test_the_library_resolves_it_as_well(s3: Any) -> None:
    job = Analysis(BUCKET, GROUP).submit([KEY], {}, "t2")
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())["dataname"] == [
        NAMED
    ]


def test_all_that_is_wrong_in_the_world_is_told_before_anything_is_submitted(s3: Any) -> None:
    with pytest.raises(AnalysisError, match=r"(?s)000004.*evil\.example\.com"):
        planned(
            Analysis(BUCKET, GROUP),
            [
                Wish(
                    keys=[
                        f"dandi://000004/{VERSION}/x",
                        f"https://evil.example.com/x#sha256={DIGEST}&size=1/x",
                    ]
                )
            ],
        )
