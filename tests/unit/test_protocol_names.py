"""Names and keys: every name is a safe file name, unique where it must be, and its own round trip."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.keys import CancelKey, JobKeys, RetryKey, SubmissionKey, rejected_keys, report_key
from neurocaas.protocol.names import (
    DATASET_NAME_BYTES,
    RESERVED_GROUPS,
    bounded,
    check_analysis_name,
    check_group_name,
    check_timestamp,
    dataset_names,
    folder_faults,
    key_fault,
    object_fault,
)

paths = st.lists(
    st.lists(st.text(st.sampled_from("ab_1."), min_size=1, max_size=3), min_size=1, max_size=4).map("/".join),
    unique=True,
    max_size=30,
)


names_of_any_length = st.text(st.sampled_from("a.\u2028é語😀"), min_size=1, max_size=300).filter(
    lambda name: len(name.encode()) <= 900
)


@given(st.lists(names_of_any_length.map(lambda name: f"lab/inputs/{name}"), unique=True, max_size=6))
def test_a_dataset_of_any_name_has_files_that_a_file_system_takes(inputs: list[str]) -> None:
    """Bytes count: 83 characters of Chinese are 249 of them."""
    keys, names = JobKeys.of("lab", "t1"), dataset_names(inputs)
    assert len(set(names)) == len(inputs)
    for path, name in zip(inputs, names, strict=True):
        files = (keys.status(f"{name}_inst10000"), keys.record(name), f"x/{name}")
        assert all(len(key.rpartition("/")[2].encode()) <= 255 for key in files)
        assert name == path.rpartition("/")[2] or len(path.encode()) > DATASET_NAME_BYTES


def test_long_names_that_are_equal_up_to_their_end_stay_apart_and_short() -> None:
    paths = [f"{folder}/{'語' * 83}{end}" for folder in ("a", "b") for end in ("1", "2")]
    names = dataset_names(paths)
    assert len({name.encode()[:DATASET_NAME_BYTES] for name in names}) == 4
    assert max(len(name.encode()) for name in names) <= DATASET_NAME_BYTES


@given(st.text(max_size=40), st.integers(20, 60))
def test_a_name_is_cut_only_where_it_is_too_long(name: str, limit: int) -> None:
    cut = bounded(name, limit, before=".", ending=".part")
    fits = len(name.encode("utf-8", "surrogatepass")) + 6 <= limit
    assert (cut == f".{name}.part") is fits
    assert len(cut.encode("utf-8", "surrogatepass")) <= limit
    assert cut.startswith(".")
    assert cut.endswith(".part")


@given(paths)
def test_dataset_names_are_unique_file_names(inputs: list[str]) -> None:
    names = dataset_names(inputs)
    assert len(names) == len(set(names)) == len(inputs)
    assert all(name and "/" not in name for name in names)


@given(
    st.lists(
        st.tuples(st.text("ab", max_size=3), st.text("ab1.", min_size=1)), unique_by=lambda pair: pair[1]
    )
)
def test_base_names_that_differ_are_kept(inputs: list[tuple[str, str]]) -> None:
    assert dataset_names(["/".join(pair) for pair in inputs]) == [base for _, base in inputs]


def test_equal_base_names_show_where_they_come_from() -> None:
    assert dataset_names(["g/inputs/x/d.zip", "g/inputs/y/d.zip", "g/inputs/e.zip"]) == [
        "x_d.zip",
        "y_d.zip",
        "e.zip",
    ]
    assert dataset_names(["g/inputs/run/"]) == ["run"]


@pytest.mark.parametrize("stamp", ["a", "2026-01-31T12:00:00", "x" * 64, "1.2_3:4-5"])
def test_good_timestamps(stamp: str) -> None:
    assert check_timestamp(stamp) == []


@pytest.mark.parametrize(
    "stamp",
    ["", "../x", "a/b", "$(touch /tmp/p)", "x" * 65, "-a", ".a", "a b", "ä", "a\n", None, 3, True, ["a"]],
)
def test_bad_timestamps(stamp: object) -> None:
    (problem,) = check_timestamp(stamp)
    assert problem.field == "timestamp"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("dti", True),
        ("My_Analysis", False),
        ("-bad", False),
        ("ab", False),
        ("a" * 63, True),
        ("a" * 64, False),
    ],
)
def test_analysis_names(name: str, good: bool) -> None:
    assert (check_analysis_name(name) == []) is good


@pytest.mark.parametrize(
    ("name", "good"),
    [("lab1", True), ("logs", False), ("a/b", False), ("", False), ("Lab.x_y-z", True), ("-a", False)],
)
def test_group_names(name: str, good: bool) -> None:
    assert (check_group_name(name) == []) is good


@pytest.mark.parametrize(
    "key",
    [
        "g/inputs/a.zip",
        "g/inputs/folder/",
        "g/inputs/ä b+c (1).zip",
        "g/inputs/a..b",
        "g/inputs/ a ",
        "g/a\\b",
        "g/" + "é" * 127,
    ],
)
def test_good_object_keys(key: str) -> None:
    assert key_fault(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/g",
        "g//a",
        "g/../a",
        "g/./a",
        "g/a\n",
        "g/\x00",
        "g/\ud800",
        "g/" + "ä" * 512,
        "g/a\x85b",
        "g/a\u2028b",
        "g/" + "é" * 128,
        "g/" + "x" * 256 + "/",
    ],
)
def test_bad_object_keys(key: str) -> None:
    assert key_fault(key) is not None


@pytest.mark.parametrize(
    ("key", "good"),
    [("a\nb//../c", True), ("é" * 512, True), ("é" * 513, False), ("\ud800", False), ("", False)],
)
def test_what_s3_itself_can_have(key: str, good: bool) -> None:
    assert (object_fault(key) is None) is good


def test_objects_that_cannot_be_files_beside_each_other_are_named() -> None:
    assert folder_faults(["a\nb", " c ", "d/e", "d.txt", "é" * 127]) == []
    faults = folder_faults(["a", "a/b", "c//d", "../e", "é" * 128, "f/g/h", "f/g", "x\0"])
    assert [fault.partition("'")[2].partition("'")[0][:5] for fault in faults] == [
        "a",
        "c//d",
        "../e",
        "é" * 5,
        "f/g",
        "x\\x00",
    ]


def test_the_layout_of_a_job() -> None:
    keys = JobKeys.of("lab", "t1")
    assert keys.resultdir == "results/job_t1"
    assert keys.certificate == "lab/results/job_t1/logs/certificate.txt"
    assert keys.status("a.zip") == "lab/results/job_t1/logs/DATASET_NAME:a.zip_STATUS.txt"
    assert keys.end == "lab/results/job_t1/process_results/end.txt"
    assert report_key("lab", "i-1") == "logs/lab/i-1.json"


def test_a_submission_key_is_taken_apart() -> None:
    key = SubmissionKey.parse("lab/submissions/my run+1_submit.json")
    assert (key.group, key.id, key.key) == ("lab", "my run+1", "lab/submissions/my run+1_submit.json")


@pytest.mark.parametrize(
    "key",
    [
        "lab/submissions_old/a_submit.json",
        "lab/results/a_submit.json",
        "submissions/a_submit.json",
        "lab/submissions/a.json",
        "",
    ],
)
def test_other_keys_are_no_submissions(key: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        SubmissionKey.parse(key)


@given(st.text(), st.text())
def test_refused_submissions_have_their_own_places(one: str, other: str) -> None:
    keys = [rejected_keys("lab", name).certificate for name in (one, other)]
    assert (keys[0] == keys[1]) is (one == other)
    for key in keys:
        assert key.startswith("lab/results/rejected_")
        assert key.endswith("/logs/certificate.txt")
        assert key.count("/") == 4
        assert key_fault(key) is None


def test_a_plain_id_is_kept() -> None:
    assert rejected_keys("lab", "my run").resultdir == "results/rejected_my run"


def test_a_cancellation_is_of_the_submission_beside_it() -> None:
    assert (
        CancelKey.parse("lab/submissions/my run_cancel.json").submission.key
        == "lab/submissions/my run_submit.json"
    )


@pytest.mark.parametrize(
    "key",
    [
        "jobs/lab/job_t1/attempts/0-2",
        "lab/results/job_t1/attempts/0-2.retry",
        "jobs/lab/job_t1/attempts/a-2.retry",
        "x.retry",
        "",
    ],
)
def test_what_asks_for_no_attempt(key: str) -> None:
    assert RetryKey.parse(JobKeys.of("lab", "t1").retry(10, 3)) == RetryKey("lab", "t1", 10, 3)
    with pytest.raises(ValueError, match="does not ask for another attempt"):
        RetryKey.parse(key)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/a", "y/a", "a"], ["x_a", "y_a", "a"]),
        (["a", "a", "a", "a_2"], ["a", "a_3", "a_4", "a_2"]),
        (["x/a", "x//a", "x_a"], ["x_a", "x_a_2", "x_a_3"]),
    ],
)
def test_datasets_of_equal_names_are_told_apart(paths: list[str], names: list[str]) -> None:
    assert dataset_names(paths) == names


@pytest.mark.parametrize("char", ["\n", "\x7f", "\u2028", "\u2029", "\ud800"])
def test_keys_with_characters_that_nobody_sees_are_refused(char: str) -> None:
    assert key_fault(f"lab/inputs/a{char}b") == "it has control characters or line breaks"
    assert key_fault("lab/inputs/ab") is None


@pytest.mark.parametrize("value", [None, 3, "", "jobs", "logs", "evidence", "-a", "a" * 64, "a/b"])
def test_what_is_no_group_and_no_analysis(value: object) -> None:
    assert len(check_group_name(value)) == 1
    assert (
        len(check_analysis_name(None if isinstance(value, str) and value in RESERVED_GROUPS else value)) == 1
    )
    assert check_group_name("a" * 63) == check_analysis_name("a" * 63) == []


def test_different_refused_files_have_different_answers() -> None:
    odd = [" ", "a b", "a_b", "a/b", "x" * 200, "x" * 201, ".a", "a"]
    folders = [rejected_keys("lab", name).folder for name in odd]
    assert len(set(folders)) == len(odd)
    assert rejected_keys("lab", "a").folder == "rejected_a"
    digest = hashlib.sha256(b"a/b").hexdigest()
    assert rejected_keys("lab", "a/b").folder == f"rejected_a_b-{digest[:8]}"
