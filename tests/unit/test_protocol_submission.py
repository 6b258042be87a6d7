"""Submissions and configurations: what is allowed passes, everything else is refused with all its
problems.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.config import parse_config
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.submission import InvalidSubmission, Submission, parse_submission
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION, World, changed

GOOD: dict[str, Any] = {
    "dataname": ["lab/inputs/a.zip", "lab/inputs/sub/"],
    "configname": "lab/configs/c.json",
    "timestamp": "t1",
}


def parse(**changes: Any) -> Submission:
    data = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return parse_submission(json.dumps(data).encode(), SUBMISSION, SETTINGS)


def problems(**changes: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidSubmission) as caught:
        parse(**changes)
    return caught.value.problems


def test_a_good_submission() -> None:
    submission = parse(exitcode=0)
    assert submission.datanames == ("lab/inputs/a.zip", "lab/inputs/sub/")
    assert submission.names == ("a.zip", "sub")
    assert submission.ignored == ("exitcode",)
    assert submission.instance_type is None


def test_other_spellings_that_mean_the_same() -> None:
    assert parse(dataname="lab/inputs/a.zip").datanames == ("lab/inputs/a.zip",)
    assert parse(dataname="s3://dti/lab/inputs/a.zip").datanames == ("lab/inputs/a.zip",)
    assert parse(timestamp=20260131).timestamp == "20260131"
    assert (
        parse_submission(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), SUBMISSION, SETTINGS).timestamp == "t1"
    )


def test_what_the_first_implementation_took_is_taken_where_it_is_safe() -> None:
    named = parse(dataname=["lab/inputs/a", "lab/inputs/b", "s3://dti/lab/inputs/a", "lab/inputs/a"])
    assert (named.datanames, named.repeated) == (("lab/inputs/a", "lab/inputs/b"), ("lab/inputs/a",))
    assert [
        parse(configname=f"lab/{folder}/c.yaml").configname
        for folder in ("inputs", "configs", "results/job_1")
    ]


def test_a_dataset_named_twice_is_analysed_once_and_the_certificate_says_so() -> None:
    world = World()
    world.aws.upload(BUCKET, "lab/inputs/c.json", "{}")
    world.submit(
        world.submission(
            dataname=["lab/inputs/a.zip", "lab/inputs/b.zip", "lab/inputs/a.zip"],
            configname="lab/inputs/c.json",
        )
    )
    assert len(world.aws.ec2) == 2
    assert "NOTE: named more than once, analysed once: lab/inputs/a.zip" in world.certificate()


@pytest.mark.parametrize(
    ("changes", "field", "got"),
    [
        ({"dataname": None}, "dataname", "nothing"),
        ({"dataname": 3}, "dataname", "3"),
        ({"dataname": []}, "dataname", "a list of 0"),
        ({"dataname": ["lab/inputs/a.zip", 4]}, "dataname[1]", "4"),
        ({"dataname": [f"lab/inputs/{n}" for n in range(501)]}, "dataname", "a list of 501"),
        ({"dataname": "other/inputs/secret.zip"}, "dataname", "'other/inputs/secret.zip'"),
        (
            {"dataname": "lab/inputs/../../other/inputs/x"},
            "dataname",
            "'lab/inputs/../../other/inputs/x': it has empty, '.' or '..' segments",
        ),
        ({"dataname": "lab10/inputs/x"}, "dataname", "'lab10/inputs/x'"),
        ({"dataname": "lab/submissions/a_submit.json"}, "dataname", "'lab/submissions/a_submit.json'"),
        ({"dataname": "logs/lab/i-1.json"}, "dataname", "'logs/lab/i-1.json'"),
        ({"dataname": "s3://other-bucket/x"}, "dataname", "'s3://other-bucket/x'"),
        ({"configname": "lab/submissions/c.json"}, "configname", "'lab/submissions/c.json'"),
        ({"configname": None}, "configname", "nothing"),
        ({"configname": "lab/configs/c.txt"}, "configname", "'lab/configs/c.txt'"),
        ({"configname": "other/configs/c.json"}, "configname", "'other/configs/c.json'"),
        ({"instance_type": "p4d.24xlarge"}, "instance_type", "'p4d.24xlarge'"),
        ({"instance_type": ["m5.large"]}, "instance_type", "['m5.large']"),
        ({"timestamp": True}, "timestamp", "True"),
        ({"resultpath": "s3://out/x"}, "resultpath", "'s3://out/x'"),
        ({"dataname": "lab/inputs/" + "x" * 1000}, "dataname", None),
    ],
)
def test_what_is_refused(changes: dict[str, Any], field: str, got: str | None) -> None:
    (problem,) = problems(**changes)
    assert problem.field == field
    assert got is None or problem.got == got
    assert problem.allowed
    assert problem.do


def test_all_problems_come_at_once() -> None:
    found = problems(
        dataname=["other/x", 3], configname=None, timestamp="a/b", instance_type="x", resultpath="y"
    )
    assert [problem.field for problem in found] == [
        "timestamp",
        "dataname[0]",
        "dataname[1]",
        "configname",
        "instance_type",
        "resultpath",
    ]


def test_many_equal_problems_are_counted() -> None:
    found = problems(dataname=[f"other/{number}" for number in range(100)])
    assert len(found) == 21
    assert found[-1].got == "80 more wrong entries"


hostile = st.sampled_from(["lab/inputs/a.zip", "../x", "s3://", "s3://dti/", "lab/", "$(id)", "a\nb"])
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["lab/inputs/a.zip", "../x", "s3://", "s3://dti/", "lab/"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(["dataname", "configname", "timestamp", "instance_type", "resultpath", "x"])


@settings(max_examples=examples(1500), deadline=None)
@given(st.binary() | st.dictionaries(fields, json_values).map(lambda value: json.dumps(value).encode()))
def test_no_submission_crashes_the_manager_or_touches_another_group(raw: bytes) -> None:
    world = World()
    before = set(world.aws.objects_)
    world.submit(raw)
    for bucket, key in set(world.aws.objects_) - before:
        assert bucket == BUCKET
        assert key == SUBMISSION or key.startswith(("lab/results/", "jobs/lab/"))
    for _, detail in world.aws.calls:
        assert detail.startswith(("lab/", "jobs/lab/")) or "/" not in detail
    if not world.aws.ec2:
        assert any(key.endswith("certificate.txt") for _, key in world.aws.objects_)


def config(raw: bytes | str, key: str = "lab/configs/c.json", **changes: Any) -> Any:
    return parse_config(raw.encode() if isinstance(raw, str) else raw, key, changed(SETTINGS, **changes))


OPEN = {**(SETTINGS.parameters or {}), "additionalProperties": True}


def config_problems(raw: bytes | str, key: str = "lab/configs/c.json") -> tuple[Problem, ...]:
    with pytest.raises(InvalidInput) as caught:
        config(raw, key)
    return caught.value.problems


def test_a_configuration_with_everything() -> None:
    parsed = config(
        '{"__duration__": 30, "__dataset_size__": 5, "wait": 1, "extra": [1, null]}', parameters=OPEN
    )
    assert (parsed.duration_minutes, parsed.dataset_size_gib) == (30, 5)
    assert parsed.values["extra"] == [1, None]
    assert parsed.given == {"__duration__", "__dataset_size__"}


def test_an_empty_configuration_has_the_defaults() -> None:
    parsed = config("{}")
    assert (parsed.duration_minutes, parsed.dataset_size_gib, parsed.values, parsed.given) == (
        60,
        0,
        {"wait": 5},
        frozenset(),
    )


@pytest.mark.parametrize("key", ["lab/configs/c.yaml", "lab/configs/c.YML"])
def test_yaml_is_read_as_json_would_be(key: str) -> None:
    parsed = config("wait: 3\nday: 2026-01-31\nlist: [1, 2.5, true]\n1: one\n", key, parameters=OPEN)
    assert parsed.values == {"wait": 3, "day": "2026-01-31", "list": [1, 2.5, True], "1": "one"}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join('*' + chr(97 + n) for _ in range(10))}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    ("raw", "key", "wanted"),
    [
        ('{"a": ', "c.json", "not JSON"),
        ("a: [", "c.yaml", "not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "c.yaml", "not YAML"),
        ("[1]", "c.json", "mapping"),
        ("- 1", "c.yml", "mapping"),
        ("", "c.yaml", "mapping"),
        ("3", "c.json", "mapping"),
        ('{"wait": NaN}', "c.json", "number nan"),
        ('{"a": 1' + "0" * 400 + "}", "c.json", "digits"),
        ("a: &x [*x]", "c.yaml", "nested"),
        (BOMB, "c.yaml", "more than 100000 values"),
        ("[" * 100_000, "c.json", "JSON"),
        ("a: " + "[" * 2000, "c.yaml", "YAML"),
        (b"\xff\xfe\x00", "c.json", "UTF-8"),
        ("a: " + "x" * 200_000, "c.yaml", "up to 131072 bytes"),
        ('{"a": "\\ud800"}', "c.json", "surrogate"),
    ],
)
def test_configurations_that_cannot_be_read(raw: bytes | str, key: str, wanted: str) -> None:
    (problem,) = config_problems(raw, key)
    assert wanted in problem.text()


@pytest.mark.parametrize("value", ["-5", "0", "601", '"60"', "1.5", "true", "null", "[]", "1e3"])
def test_durations_that_are_refused(value: str) -> None:
    (problem,) = config_problems(f'{{"__duration__": {value}}}')
    assert problem.field == "config __duration__"
    assert "from 1 to 600" in problem.allowed


@pytest.mark.parametrize("value", ["-1", "101", '"5"', "true"])
def test_dataset_sizes_that_are_refused(value: str) -> None:
    (problem,) = config_problems(f'{{"__dataset_size__": {value}}}')
    assert problem.field == "config __dataset_size__"


def test_parameters_are_checked_with_the_service_keys_left_out() -> None:
    closed = {"type": "object", "properties": {"wait": {"type": "integer"}}, "additionalProperties": False}
    assert config('{"__duration__": 30, "wait": 3}', parameters=closed).duration_minutes == 30
    with pytest.raises(InvalidInput, match=r"Did you mean 'wait'\?"):
        config('{"wiat": 3}', parameters=closed)


PARAMETERS = {
    "type": "object",
    "properties": {
        "detect_threshold": {"type": "number", "default": 4.5},
        "count": {"type": "integer"},
        "flag": {"type": "boolean"},
        "filter": {"type": "object", "properties": {"low": {"type": "number"}, "free": {"type": "object"}}},
        "bands": {"type": "array", "items": {"type": "object", "properties": {"low": {}}}},
        "any": {"type": "object", "properties": {"x": {}}, "additionalProperties": True},
    },
}


@pytest.mark.parametrize(
    ("given", "field", "do"),
    [
        ({"detect_treshold": 3}, "config 'detect_treshold'", "Did you mean 'detect_threshold'?"),
        ({"Detect-Threshold": 3}, "config 'Detect-Threshold'", "Did you mean 'detect_threshold'?"),
        ({"nonsense": 1}, "config 'nonsense'", "Remove or rename 'nonsense'"),
        ({"filter": {"lov": 1}}, "config filter 'lov'", "Did you mean 'low'?"),
        ({"bands": [{"low": 1}, {"hlow": 1}]}, "config bands[1] 'hlow'", "Did you mean 'low'?"),
        ({"duration": 90}, "config 'duration'", "Did you mean '__duration__'?"),
        ({"__duration": 90}, "config '__duration'", "Did you mean '__duration__'?"),
        ({"__duraton__": 90}, "config '__duraton__'", "Did you mean '__duration__'?"),
        ({"__comment__": "x"}, "config '__comment__'", "Remove it, or call it 'comment'"),
    ],
)
def test_a_name_that_nothing_knows_is_refused_with_the_nearest(
    given: dict[str, Any], field: str, do: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        config(json.dumps(given), parameters=PARAMETERS)
    assert [(problem.field, problem.do) for problem in caught.value.problems] == [(field, do)]


@pytest.mark.parametrize(
    "given",
    [
        {"detect_threshold": 3, "filter": {"low": 1, "free": {"what": 1}}, "any": {"x": 1, "y": 2}},
        {"mode": "fast", "jobnb": 3, "__duration__": 5, "__dataset_size__": 1},
    ],
)
def test_names_that_are_known_or_free_are_taken(given: dict[str, Any]) -> None:
    assert config(json.dumps(given), parameters=PARAMETERS).values == {"detect_threshold": 4.5, **given}


@pytest.mark.parametrize(
    "parameters", [None, {"type": "object"}, {**PARAMETERS, "additionalProperties": True}]
)
def test_where_any_name_will_do_only_slips_of_the_services_own_are_refused(parameters: Any) -> None:
    assert (
        config('{"detect_treshold": 3, "__comment__": "x", "duration": 9}', parameters=parameters).values[
            "detect_treshold"
        ]
        == 3
    )
    for name in ("__duraton__", "__dataset_siz__", "__duration", "Duration__"):
        with pytest.raises(InvalidInput, match="Did you mean '__d"):
            config(json.dumps({name: 90}), parameters=parameters)


@pytest.mark.parametrize(
    ("text", "do"),
    [
        ("__duration__: 1:30", "Write 90"),
        ("__duration__: 99:30", "Change __duration__"),
        ("__duration__: '60'", "Write 60"),
        ("count: 1:30", "Write 90"),
        ("count: 12:30:00", "Write 45000"),
        ("count: 1_000", "Write 1000"),
        ("count: '1e3'", "Write 1000"),
        ("count: 1.5", "Change config count"),
        ("detect_threshold: '1_0.5'", "Write 10.5"),
        ("detect_threshold: high", "Change config detect_threshold"),
        ("flag: yes", "Write true"),
        ("flag: Off", "Write false"),
        ("flag: maybe", "Change config flag"),
    ],
)
def test_a_text_that_people_take_for_another_value_is_told_what_to_write(text: str, do: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        config(text, "c.yaml", parameters=PARAMETERS)
    assert [problem.do for problem in caught.value.problems] == [do]


@pytest.mark.parametrize("text", ["1e2", "100.0", "0100", "1E+2"])
def test_whole_numbers_are_whole_however_they_are_written(text: str) -> None:
    parsed = config(f"__duration__: {text}\ncount: {text}", "c.yaml", parameters=PARAMETERS)
    assert (parsed.duration_minutes, parsed.values["count"], parsed.values["__duration__"]) == (100, 100, 100)
    assert {type(parsed.values[name]) for name in ("count", "__duration__")} == {int}


def test_the_certificate_tells_what_yaml_versions_read_otherwise() -> None:
    world = World()
    world.aws.upload(BUCKET, "lab/configs/c.yaml", "wait: 010\n")
    world.submit(world.submission(configname="lab/configs/c.yaml"))
    assert world.job().config == {"wait": 10}
    assert "NOTE: line 1, wait: 010 is 10 (YAML 1.2), which YAML 1.1 reads as 8" in world.certificate()


@settings(max_examples=examples(300), deadline=None)
@given(
    st.binary() | st.text().map(str.encode) | json_values.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(["c.json", "c.yml"]),
)
def test_no_configuration_crashes_the_parser(raw: bytes, key: str) -> None:
    try:
        parsed = config(raw, key)
    except InvalidInput as error:
        found = error.problems
    else:
        found = ()
        assert json.dumps(parsed.values, allow_nan=False).encode()
        assert isinstance(parsed.values, dict)
    assert all(problem.allowed and problem.do for problem in found)


@pytest.mark.parametrize(
    ("raw", "key", "name"),
    [
        ('{"wait": 1, "wait": 2}', "c.json", "wait"),
        ('{"a": [{"b": 1, "c": 2, "b": 3}]}', "c.json", "b"),
        ("wait: 1\nother: 2\nwait: 2\n", "c.yaml", "wait"),
        ('a:\n- 1: x\n  "1": y\n', "c.yml", "1"),
    ],
)
def test_a_name_that_stands_twice_is_no_choice_of_the_parser(raw: str, key: str, name: str) -> None:
    (problem,) = config_problems(raw, key)
    assert problem.text() == (
        f"config file: got the name '{name}' twice. Allowed: each name once in a mapping. Remove one of the "
        "two."
    )


def test_what_yaml_merges_in_is_no_second_name() -> None:
    text = "base: &base {wait: 3, more: 1}\none: {<<: *base, wait: 4}\ntwo: {<<: [*base, {x: 1}], x: 2}\n"
    values = config(text, "c.yaml", parameters=None).values
    assert (values["one"], values["two"]) == ({"wait": 4, "more": 1}, {"wait": 3, "more": 1, "x": 2})


def test_a_submission_with_a_field_twice_is_refused() -> None:
    with pytest.raises(InvalidSubmission) as caught:
        parse_submission(
            b'{"timestamp": "t1", "dataname": "lab/inputs/a", "timestamp": "t2"}', SUBMISSION, SETTINGS
        )
    assert [one.got for one in caught.value.problems] == ["the name 'timestamp' twice"]


@pytest.mark.parametrize(
    ("changes", "field", "do"),
    [
        ({"dataname": None, "DataName": "lab/inputs/a"}, "dataname", "Write it as 'dataname'"),
        ({"timestamp": None, "time_stamp": "t1"}, "timestamp", "Write it as 'timestamp'"),
        ({"dataname": {"a": 1}}, "dataname", "Name your data"),
        ({"dataname": "/lab/inputs/a.zip"}, "dataname", "Leave out the '/' at its beginning"),
        (
            {"dataname": "https://dti.s3.amazonaws.com/a"},
            "dataname",
            "Write it as a path in the bucket, or with s3://dti/ in front",
        ),
        ({"rerun_of": 5}, "rerun_of", "Name the earlier job by its timestamp, or leave it out"),
    ],
)
def test_what_to_do_fits_the_mistake(changes: dict[str, Any], field: str, do: str) -> None:
    assert [(one.field, one.do) for one in problems(**changes)] == [(field, do)]
