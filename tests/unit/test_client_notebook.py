"""The library in a notebook: what its objects show of themselves, results as values, and what it says of
arguments of the wrong kind. What others have named or printed is never obeyed."""

import base64
import json
import struct
import sys
import types
import zlib
from collections.abc import Iterator
from concurrent.futures import wait
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas import Analysis, AnalysisError, DatasetFailedError, DatasetState, JobFailedError, JobState
from neurocaas.forecast import Forecast
from neurocaas.job_list import JobList
from neurocaas.listing import ListedJob
from neurocaas.notebook_html import ShareCell, StateCell, facts, table
from neurocaas.protocol.documents import iso
from neurocaas.protocol.keys import JobKeys, rejected_keys
from neurocaas.reading import ResultFile, ResultImage, ResultList
from neurocaas.spending import GroupSpending, JobBill
from tests.unit.client_jobs import BUCKET, GROUP, STAMP
from tests.unit.client_world import ended, put, service

PATIENCE = 30
PAYLOADS = [
    "<script>alert(1)</script>.nii",
    '"><img src=x onerror=alert(1)>',
    "</td></tr></table><iframe src='javascript:alert(1)'>",
    "a&lt;b>&amp;<svg/onload=alert(1)>",
    "\u202egnp.exe\x1b]0;title\x07",
    "'; alert(1) //<!--",
    "<style>*{display:none}</style>",
]
TAGS = {"div", "b", "table", "thead", "tbody", "tr", "th", "td", "span", "progress", "img"}
ATTRIBUTES = {"style", "value", "max", "src", "alt"}


class Seen(HTMLParser):
    """The tags, attributes and texts of a document, as a browser would find them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.comments = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments += 1


def shows(html: str | None, *texts: str) -> None:
    """Only tags of tables, and each text as it is, but for what a terminal would obey."""
    assert html is not None
    seen = Seen(html)
    assert seen.tags <= TAGS
    assert seen.attributes <= ATTRIBUTES
    assert seen.comments == 0
    for one in texts:
        plain = one.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b").replace("\x07", "\\x07")
        assert any(plain in word for word in seen.words), (plain, seen.words)
    assert not set("\u202e\x1b\x07") & set(html)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_others_have_written_is_html(payload: str) -> None:
    going = DatasetState(payload, payload, "IN PROGRESS", 5.0, payload, progress=0.5, progress_text=payload)
    failed = DatasetState(payload, payload, "FAILED", 5.0, reason=payload)
    odd = DatasetState("a", "a", payload)
    for one in (going, failed, odd):
        shows(one._repr_html_(), payload)
    shows(JobState(payload, "DONE", (going, failed), f"FAILED 1/2 {payload}")._repr_html_(), payload)
    listed = ListedJob(payload, None, "job")
    shows(JobList([listed], {listed: f"{payload} x"})._repr_html_(), payload)
    shows(ResultList([ResultFile(payload, "b", payload, 3, (payload,))])._repr_html_(), payload)
    shows(ResultImage(payload, b"GIF89a", "image/gif")._repr_html_())
    shows(Forecast(1, 60, payload, 0.1, 0.1)._repr_html_(), payload)
    bill = JobBill(payload, "", payload, 1, 60.0, 0.0123)
    shows(GroupSpending(payload, (bill, bill), (payload,))._repr_html_(), payload, "$0.0246, and what 1 open")
    shows(table((payload,), [(payload,), (StateCell(payload),)], payload, payload), payload)
    shows(facts([(payload, payload)], payload, payload), payload)
    with mock_aws():
        analysis = Analysis(payload, GROUP, session=boto3.Session("k", "s", region_name="us-east-1"))
        shows(analysis._repr_html_(), payload)
        analysis.__dict__["_found"] = SimpleNamespace(bucket="b", account="")
        shows(analysis.job(payload)._repr_html_(), payload)


def test_a_plain_repr_is_a_line_that_tells_and_obeys_nothing() -> None:
    state = JobState(
        "t1",
        "RUNNING",
        (
            DatasetState("a.nii", "g/inputs/a.nii", "SUCCESS", 65.0, "done"),
            DatasetState("b\x1b[2J.nii", "g/inputs/b.nii", "FAILED", 5.0, reason="no such\nfile"),
            DatasetState("c.nii", "g/inputs/c.nii", "INITIALIZING"),
        ),
    )
    assert repr(state) == str(state) == "<job t1  RUNNING, 1 of 3 datasets done, 1 failed>"
    assert [repr(one) for one in state.datasets] == [
        "<dataset a.nii  SUCCESS  1 min 5 s  done>",
        "<dataset b\\x1b[2J.nii  FAILED  5 s  no such file>",
        "<dataset c.nii  INITIALIZING>",
    ]
    refused = JobState("t1", "REJECTED", (), "FAILED 0/0 no data")
    assert repr(refused) == "<job t1  REJECTED, no data>"


def test_a_bar_is_as_long_as_the_share_and_a_state_has_its_colour() -> None:
    html = table(("x",), [(ShareCell(0.25),), (ShareCell(7),), (StateCell("FAILED"),), (None,)])
    assert '<progress value="0.250" max="1">' in html
    assert '<progress value="1.000" max="1">' in html
    assert '<span style="color: #cf222e">FAILED</span>' in html
    assert html.endswith('<td style="text-align: left"></td></tr></tbody></table>')


def test_a_job_of_many_datasets_is_drawn_in_part_and_says_so() -> None:
    many = tuple(DatasetState(f"d{n}", "", "INITIALIZING") for n in range(1000))
    html = JobState("t", "RUNNING", many)._repr_html_()
    assert html.count("<tr>") == 201
    assert "and 800 more datasets" in html


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    with service(monkeypatch) as client:
        yield client


def png() -> bytes:
    """One white pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0\xff"))
        + chunk(b"IEND", b"")
    )


OUTPUTS: dict[str, str | bytes] = {
    "a/summary.json": '{"fa": 0.5, "voxels": [1, 2]}',
    "b/summary.json": '{"fa": 0.7}',
    "table.csv": "x,y\n1,2\n",
    "table.tsv": "x\ty\n1\t2\n",
    "log.txt": "\ufeffgrüß",
    "raw.bin": b"\x00\x01",
    "broken.json": "{",
    "latin.txt": b"\xff\xfe\xfd",
    "x.png": png(),
    "x.svg": "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'></svg>",
}


@pytest.fixture
def job(s3: Any) -> Any:
    """A job of two datasets that has ended, with results that its certificate names."""
    ended(s3, STAMP, {"a": 5.0, "b": 6.0})
    keys = JobKeys.of(GROUP, STAMP)
    certificate = json.loads(s3.get_object(Bucket=BUCKET, Key=keys.records.certificate_json)["Body"].read())
    for dataset in certificate["datasets"]:
        dataset["results"], dataset["machines"] = [], []
    for name, body in OUTPUTS.items():
        raw = body.encode() if isinstance(body, str) else body
        put(s3, keys.process_prefix + name, raw)
        owner = certificate["datasets"][1 if name.startswith("b/") else 0]
        owner["results"].append(
            {"key": keys.process_prefix + name, "size": len(raw), "sha256": sha256(raw).hexdigest()}
        )
    put(s3, keys.records.certificate_json, json.dumps(certificate))
    return Analysis(BUCKET, GROUP).job(STAMP)


def test_results_are_listed_with_their_datasets_and_nothing_is_downloaded(s3: Any, job: Any) -> None:
    asked: list[str] = []
    job.s3.meta.events.register(
        "provide-client-params.s3.GetObject", lambda params, **_: asked.append(params["Key"])
    )
    found = job.results()
    assert found.paths == sorted(OUTPUTS)
    assert [one.datasets for one in found if one.path.endswith("summary.json")] == [("a",), ("b",)]
    assert not [key for key in asked if "process_results" in key]
    shows(found._repr_html_(), "a/summary.json")
    assert repr(found).splitlines()[0].split() == ["result", "size", "dataset"]


def test_a_result_is_what_it_says(job: Any) -> None:
    assert job.result("a/summary.json") == {"fa": 0.5, "voxels": [1, 2]}
    assert job.result("summary.json", dataset="b") == {"fa": 0.7}
    assert job.result("table.csv") == "x,y\n1,2\n"
    assert job.result("log.txt") == "grüß"
    assert job.result("raw.bin") == b"\x00\x01"
    assert job.result("broken.json", kind="text") == "{"
    assert job.result("a/summary.json", kind="bytes") == b'{"fa": 0.5, "voxels": [1, 2]}'


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("sumary.json", {}, "did you mean 'summary.json'"),
        ("a/sumary.json", {}, "did you mean 'a/summary.json'"),
        ("summary.json", {}, "the name of 2 results.*a/summary.json, b/summary.json.*dataset="),
        ("summary.json", {"dataset": "c"}, "no results of a dataset 'c'.*a, b"),
        ("table.csv", {"dataset": "b"}, "no result 'table.csv' of b"),
        ("ummary.json", {"dataset": "a"}, "did you mean 'summary.json'"),
        ("broken.json", {}, "broken.json is no JSON.*kind='bytes'"),
        ("latin.txt", {}, "latin.txt is no text in UTF-8"),
        ("table.csv", {"kind": "xml"}, "kind='xml'.*'json', 'text' or 'bytes'"),
        ("raw.bin", {"limit": 1}, "raw.bin has 2 bytes.*up to 1 byte.*fetch it into a folder"),
        (7, {}, "name=7.*a text"),
        ("table.csv", {"dataset": ["a"]}, r"dataset=\['a'\].*a text"),
    ],
)
def test_what_cannot_be_had_is_told_in_three_parts(
    job: Any, name: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(AnalysisError, match=f"(?s){said}") as error:
        job.result(name, **options)
    assert error.value.allowed
    assert error.value.do


def test_a_result_that_is_too_large_is_not_read(job: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=JobKeys.of(GROUP, STAMP).process_prefix + "huge.json", Body=b"1" * 5000)
    read: list[str] = []
    job.s3.meta.events.register(
        "provide-client-params.s3.GetObject", lambda params, **_: read.append(params["Key"])
    )
    with pytest.raises(AnalysisError, match=r"huge.json has 5.0 kB"):
        job.result("huge.json", limit=4999)
    assert not [key for key in read if key.endswith("huge.json")]


def test_a_result_that_was_replaced_is_not_taken_for_the_jobs(job: Any, s3: Any) -> None:
    put(s3, JobKeys.of(GROUP, STAMP).process_prefix + "table.csv", "x,y\n6,6\n")
    with pytest.raises(AnalysisError, match="other content than the job has recorded"):
        job.result("table.csv")


def test_images_are_shown_and_an_svg_runs_nothing(job: Any) -> None:
    picture = job.image("x.png")
    assert picture._repr_png_() == png()
    assert (picture._repr_jpeg_(), picture._repr_html_()) == (None, None)
    drawing = job.image("x.svg")
    assert drawing._repr_png_() is None
    shows(drawing._repr_html_())
    assert Seen(drawing._repr_html_()).tags == {"img"}
    assert base64.b64encode(b"<svg xmlns").decode()[:12] in drawing._repr_html_()
    assert ResultImage("x.jpg", b"\xff\xd8\xff", "image/jpeg")._repr_jpeg_() == b"\xff\xd8\xff"
    with pytest.raises(AnalysisError, match="is no image"):
        job.image("table.csv")


def test_a_table_needs_pandas_and_says_so(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(AnalysisError, match="pandas is not installed") as error:
        job.dataframe("table.csv")
    assert "pip install pandas" in error.value.do
    with pytest.raises(AnalysisError, match=r"'log.txt'\n.*\.csv, \.tsv, \.parquet"):
        job.dataframe("log.txt")


def test_a_table_is_read_by_pandas_with_the_separator_of_its_name(
    job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pandas is too large to be installed for this: what is asked of it is what counts."""
    pandas = types.ModuleType("pandas")

    def read_csv(stream: Any, **options: Any) -> Any:
        if options["sep"] == "!":
            raise ValueError("no columns")
        return stream.read(), options

    def read_parquet(stream: Any, **options: Any) -> Any:
        raise ImportError("no engine")

    vars(pandas).update(read_csv=read_csv, read_parquet=read_parquet)
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert job.dataframe("table.csv", index_col=0) == (b"x,y\n1,2\n", {"sep": ",", "index_col": 0})
    assert job.dataframe("table.tsv") == (b"x\ty\n1\t2\n", {"sep": "\t"})
    with pytest.raises(AnalysisError, match=r"no table that pandas can read \(no columns\)"):
        job.dataframe("table.csv", sep="!")
    put(job.s3, JobKeys.of(GROUP, STAMP).process_prefix + "t.parquet", "PAR1")
    with pytest.raises(AnalysisError, match=r"pandas cannot read .parquet here.*\n.*\n.*pyarrow"):
        job.dataframe("t.parquet")


def test_jobs_are_a_list_that_shows_a_table(s3: Any) -> None:
    for stamp in ("t1", "t2", "t3"):
        put(s3, f"{GROUP}/submissions/{stamp}_submit.json", "{}")
        ended(s3, stamp, {"a": 5.0})
    put(s3, rejected_keys(GROUP, "t4").records.certificate, "no")
    put(s3, rejected_keys(GROUP, "t4").records.end, "FAILED 0/0 no data\n")
    put(s3, f"{GROUP}/submissions/t4_submit.json", "{}")
    every = Analysis(BUCKET, GROUP).jobs()
    assert sorted(every.names) == ["t1", "t2", "t3", "t4"]
    assert {every.outcome(one) for one in every} == {"SUCCESS", "REJECTED"}
    assert isinstance(every[1:3], JobList)
    assert every[1:3].names == every.names[1:3]
    shows(every._repr_html_(), "SUCCESS 1/1")
    assert len(repr(every).splitlines()) == 4
    assert Analysis(BUCKET, GROUP).jobs(limit=1).names == every.names[-1:]
    assert repr(JobList([], {})) == "no jobs"
    shows(JobList([], {})._repr_html_(), "no jobs")


def test_a_handle_shows_what_it_knows_and_asks_nothing(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(s3, STAMP, {"a": 5.0})
    job = Analysis(BUCKET, GROUP).job(STAMP)
    calls: list[str] = []
    job.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    assert repr(job) == f"<job {STAMP} of {GROUP} in {BUCKET}  not looked at yet: status(), follow()>"
    shows(job._repr_html_(), STAMP)
    assert calls == []
    job.status()
    calls.clear()
    assert "SUCCESS, 1 of 1 dataset done" in repr(job)
    shows(job._repr_html_(), "1 of 1 dataset done")
    assert calls == []
    assert repr(Analysis(BUCKET, GROUP)) == f"<analysis {BUCKET} for the group {GROUP}>"


def test_what_a_month_has_cost_is_a_table(s3: Any) -> None:
    put(s3, f"{GROUP}/submissions/t1_submit.json", "{}")
    ended(s3, "t1", {"a": 5.0}, cost_usd=0.25)
    spent = Analysis(BUCKET, GROUP).spending()
    assert [(one.job, one.cost_usd) for one in spent.bills] == [("t1", 0.25)]
    shows(spent._repr_html_(), "t1", "$0.2500")


def test_the_future_of_a_failed_or_refused_job_raises_with_the_reason(s3: Any) -> None:
    ended(s3, "good", {"a": 5.0})
    ended(s3, "bad", {"a": 5.0})
    keys = JobKeys.of(GROUP, "bad")
    for key in (keys.status("a"), keys.verdict(0)):
        put(s3, key, json.dumps({"status": "FAILED", "reason": "no mask"}))
    put(s3, keys.records.end, "FAILED 0/1 no mask\n")
    refused = rejected_keys(GROUP, "refused").records
    problem = {"field": "dataname", "got": "'x'", "allowed": "paths", "do": "Correct it"}
    put(s3, refused.certificate, "no")
    put(s3, refused.certificate_json, json.dumps({"schema_version": 1, "problems": [problem, problem]}))
    analysis = Analysis(BUCKET, GROUP)
    good, bad, no = (analysis.job(name).future(interval=0.001) for name in ("good", "bad", "refused"))
    assert wait([good, bad, no], timeout=PATIENCE).not_done == set()
    assert good.result().succeeded
    with pytest.raises(JobFailedError, match="job bad has failed: FAILED 0/1 no mask") as failed:
        bad.result()
    assert failed.value.state.phase == "DONE"
    with pytest.raises(
        JobFailedError, match=r"refused: dataname: got 'x'\. Allowed: paths\. Correct it\.\nd"
    ):
        no.result()
    (dataset,) = analysis.job("refused").futures([f"{GROUP}/inputs/x"], interval=0.001)
    with pytest.raises(DatasetFailedError, match="dataname: got 'x'"):
        dataset.result(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda a: a.upload("x.nii"), r"'x.nii', which is one path.*a list of paths.*upload\(\['x.nii'\]\)"),
        (lambda a: a.upload(Path("x.nii")), r"which is one path.*upload\(\['x.nii'\]\)"),
        (lambda a: a.upload([7, b"x", "y"]), r"7 among the paths.*b'x' among the paths"),
        (lambda a: a.upload(7), "7 as the paths to upload.*a list of paths"),
        (lambda a: a.upload({"x.nii": 1}), "as the paths to upload"),
        (lambda a: a.map("x.nii", {}), r"one path.*map\(\['x.nii'\]\)"),
        (lambda a: a.map(["x.nii"], None), "None as a config"),
        (lambda a: a.submit(Path("x.nii"), {}), "as a dataset.*upload what is on this computer first"),
        (lambda a: a.submit([Path("x.nii")], {}), "as a dataset.*keys in the bucket"),
        (lambda a: a.submit(None, {}), "None as the datasets to submit"),
        (lambda a: a.submit([], 7, timestamp=3), "7 as a config.*timestamp=3.*no datasets"),
        (lambda a: a.submit(["x"], {}, instance_type=["m5.large"]), r"instance_type=\['m5.large'\]"),
        (lambda a: a.upload_config(["x"]), r"\['x'\] as a config.*\{\} takes the analysis's defaults"),
    ],
)
def test_what_is_of_the_wrong_kind_is_told_before_anything_is_uploaded(s3: Any, call: Any, said: str) -> None:
    Path("x.nii").write_text("data")
    before = s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
    with pytest.raises(AnalysisError, match=f"(?s){said}"):
        call(Analysis(BUCKET, GROUP))
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == before


def test_one_key_is_a_list_of_one(s3: Any) -> None:
    job = Analysis(BUCKET, GROUP).submit(f"{GROUP}/inputs/x.nii", {}, check=False)
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())
    assert body["dataname"] == [f"{GROUP}/inputs/x.nii"]


def test_follow_says_lines_of_changes_in_a_script(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended(s3, STAMP, {"a": 5.0})
    assert Analysis(BUCKET, GROUP).job(STAMP).follow().succeeded
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].split() == [STAMP, "DONE", "SUCCESS", "1/1"]
    assert "<" not in said.out
    assert said.err == ""


class Display:
    """IPython as far as it is used, in a kernel or in a terminal."""

    def __init__(self, kernel: object) -> None:
        self.pages: list[list[str]] = []
        shell, shown = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        vars(shell)["get_ipython"] = lambda: SimpleNamespace(kernel=kernel)
        vars(shown).update(HTML=lambda text: text, display=self.display)
        self.modules = {"IPython": shell, "IPython.display": shown}

    def display(self, html: str, *, display_id: bool) -> Any:
        assert display_id
        page = [html]
        self.pages.append(page)
        return SimpleNamespace(update=page.append)


def test_follow_draws_in_one_place_of_a_notebook_and_only_what_changed(
    s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = Display(kernel=object())
    for name, module in there.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    running = JobState(STAMP, "RUNNING", (DatasetState("<b>", "x", "IN PROGRESS", 1.0),))
    done = JobState(STAMP, "DONE", (DatasetState("<b>", "x", "SUCCESS", 2.0),), "SUCCESS 1/1")
    states = iter([running, running, running, done])
    job = Analysis(BUCKET, GROUP).job(STAMP)
    monkeypatch.setattr(job, "status", lambda: next(states))
    assert job.follow(interval=0) == done
    assert there.pages == [[running._repr_html_(), done._repr_html_()]]
    assert capsys.readouterr().out == ""


def test_ipython_in_a_terminal_is_no_notebook(
    s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = Display(kernel=None)
    for name, module in there.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    ended(s3, STAMP, {"a": 5.0})
    Analysis(BUCKET, GROUP).job(STAMP).follow()
    assert there.pages == []
    assert STAMP in capsys.readouterr().out


def test_an_interrupt_leaves_the_job_and_says_so(
    s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Analysis(BUCKET, GROUP).job(STAMP)

    def interrupt() -> JobState:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "status", interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.follow()
    assert f"job {STAMP} goes on" in capsys.readouterr().err
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/")


def test_results_before_the_end_are_those_that_machines_have_recorded(s3: Any) -> None:
    ended(s3, STAMP, {"a": 5.0}, {"x.json": "[1]"})
    keys = JobKeys.of(GROUP, STAMP)
    s3.delete_object(Bucket=BUCKET, Key=keys.records.certificate_json)
    moved = {"key": keys.process_prefix + "x.json", "size": 3, "sha256": sha256(b"[1]").hexdigest()}
    record = {"schema_version": 1, "time": iso(datetime.now(UTC)), "inputs": [], "results": [moved]}
    put(s3, keys.record("a"), json.dumps(record))
    job = Analysis(BUCKET, GROUP).job(STAMP)
    assert [(one.path, one.datasets) for one in job.results()] == [("x.json", ("a",))]
    assert job.result("x.json", dataset="a") == [1]
