"""`sweep:` in a configuration: one job with a run for each combination and dataset."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.command import main_command
from neurocaas.protocol.config import ConfigRules, parse_config
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.sweep import label, parameters_of
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

CONFIG = "lab/configs/c.json"
PARAMETERS = {
    "type": "object",
    "properties": {
        "wait": {"type": "integer", "minimum": 0, "default": 5},
        "threshold": {"type": "integer", "minimum": 1, "maximum": 9},
        "rate": {"type": "number"},
        "method": {"type": "string", "enum": ["fast", "exact"], "default": "fast"},
    },
    "required": ["threshold"],
}


def swept(config: dict[str, Any], limits: dict[str, int] | None = None, **fields: Any) -> World:
    settings = replace(SETTINGS, parameters=PARAMETERS)
    world = World(changed(settings, **{"sweep": 20, **(limits or {})}))
    world.aws.upload(BUCKET, CONFIG, json.dumps(config))
    world.submit(world.submission(**fields))
    return world


def test_each_combination_with_each_dataset_has_a_machine_and_a_plain_config() -> None:
    world = swept(
        {"rate": 2, "sweep": {"threshold": [3, 4], "method": ["fast", "exact"]}},
        dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"],
    )
    job = world.job()
    assert len(world.aws.ec2) == len(job.datasets) == 8
    assert job.swept == ("threshold", "method")
    assert [dataset.name for dataset in job.datasets][:2] == [
        "a.zip_threshold=3,method=fast",
        "a.zip_threshold=3,method=exact",
    ]
    assert len({dataset.status_key for dataset in job.datasets}) == 8
    for index, dataset in enumerate(job.datasets):
        key = main_command(job, index)[5]
        told = json.loads(world.aws.text(BUCKET, key))
        assert told == {"rate": 2, "wait": 5, **(dataset.parameters or {})}
        assert parameters_of(dataset.folder) == dataset.parameters
        assert key == f"jobs/lab/job_t1/configs/run{index % 4 + 1}_c.json"
    assert "sweep over 'threshold', 'method': 4 combinations, 8 runs" in world.certificate()
    for machine in list(world.aws.ec2):
        world.complete(machine)
    assert world.end() == "SUCCESS 8/8\n"


def test_the_end_has_a_table_of_outcomes() -> None:
    world = swept({"sweep": [{"threshold": 3}, {"threshold": 4, "rate": 0.5}]})
    good, bad = list(world.aws.ec2)
    keys = JobKeys.of("lab", "t1")
    world.complete(good)
    assert (BUCKET, keys.records.sweep("csv")) not in world.aws.objects_
    world.complete(bad, "FAILED", reason="=cmd|'/bin/sh'!A1\nsecond", exit_code=1)
    for place in (keys.records, keys):
        rows = list(csv.reader(io.StringIO(world.aws.text(BUCKET, place.sweep("csv")))))
        header = ["dataset", "threshold", "rate", "state", "seconds", "cost_usd", "reason", "folder"]
        assert rows[0] == header
        assert rows[1][1:4] == ["3", "", "SUCCESS"]
        assert float(rows[1][5]) > 0
        assert rows[2][1:4] == ["4", "0.5", "FAILED"]
        assert rows[2][6].startswith("'=cmd")
        assert "\n" not in rows[2][6]
        assert rows[2][7] == "process_results/threshold=4,rate=0.5/"
        table = json.loads(world.aws.text(BUCKET, place.sweep("json")))
        assert [one["parameters"] for one in table["runs"]] == [
            {"threshold": 3},
            {"threshold": 4, "rate": 0.5},
        ]
    assert world.facts()["config"]["sweep"] == [{"threshold": 3}, {"threshold": 4, "rate": 0.5}]


def test_a_plain_job_has_no_table() -> None:
    world = swept({"threshold": 3})
    (machine,) = world.aws.ec2
    world.complete(machine)
    assert world.job().swept == ()
    assert world.job().datasets[0].folder == ""
    assert not [key for _, key in world.aws.objects_ if "sweep." in key]


def rules(**more: Any) -> ConfigRules:
    return replace(ConfigRules(60, 600, 100, 10, PARAMETERS, 20), **more)


def problems(config: Any, by: ConfigRules | None = None) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_config(json.dumps(config).encode(), "c.json", by or rules())
    return [f"{one.field}: {one.got}: {one.allowed}" for one in caught.value.problems]


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        ({"threshold": 3}, "config sweep threshold: 3: a list of values"),
        ({"threshold": []}, "config sweep threshold: []: a list of values"),
        ({}, "config sweep: nothing"),
        ([], "config sweep: nothing"),
        ("threshold", "config sweep: 'threshold'"),
        ([{"threshold": 1}, {}], "config sweep[1]: {}"),
        ({"threshold": [1, 1]}, "the same parameters twice"),
        ({"threshold": [1, 1.0]}, "the same parameters twice"),
        ({"threshold": [1], "__duration__": [5, 6]}, "config sweep __duration__"),
        ({"threshold": [1], "sweep": [5, 6]}, "config sweep sweep"),
        ({"threshold": [1], "rate": list(range(21))}, "21 combinations: up to 20 combinations"),
        ([{"threshold": 1 + n % 9, "rate": n} for n in range(21)], "21 combinations"),
        ({"threshold": [1], "mode": ["train"], "ensemble_size": [2]}, "config sweep ensemble_size"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_told(sweep: Any, told: str) -> None:
    assert any(told in one for one in problems({"sweep": sweep})), problems({"sweep": sweep})


def test_all_combinations_are_checked_and_each_mistake_is_told_once_where_it_stands() -> None:
    wrong = problems(
        {"rate": "x", "__duration__": 0, "sweep": {"threshold": [3, 44], "method": ["fast", "slow"]}}
    )
    assert [one.partition(": ")[0] for one in wrong] == [
        "config __duration__",
        "config rate",
        "config sweep method[1]",
        "config sweep threshold[1]",
    ]
    (missing,) = problems({"sweep": [{"threshold": 1}, {"rate": 1}]})
    assert "threshold" in missing
    (slip,) = problems({"sweep": [{"threshold": 1, "rte": 1}]})
    assert slip.startswith("config sweep[0] rte")


def test_an_ensemble_is_no_sweep() -> None:
    config = {"mode": "train", "ensemble_size": 2, "sweep": {"threshold": [1, 2]}}
    assert any("an ensemble in a sweep" in one for one in problems(config))


def test_an_analysis_with_a_parameter_of_this_name_keeps_it() -> None:
    own = {"type": "object", "properties": {"sweep": {"type": "object"}}}
    config = parse_config(b'{"sweep": {"a": [1, 2]}}', "c.json", rules(parameters=own))
    assert config.combinations == ()
    assert config.values["sweep"] == {"a": [1, 2]}
    old = parse_config(b'{"sweep": {"a": [1, 2]}}', "c.json", rules(parameters=None, max_sweep=0))
    assert old.combinations == ()
    new = parse_config(b'{"sweep": {"a": [1, 2]}}', "c.json", rules(parameters=None))
    assert new.combinations == ({"a": 1}, {"a": 2})
    assert new.runs == 2


def test_runs_count_as_datasets_and_are_paid_for() -> None:
    many = {"sweep": {"threshold": list(range(1, 10))}}
    world = swept(many, {"datasets": 8})
    assert world.aws.ec2 == {}
    told = "9 combinations for 1 dataset: 9 runs. Allowed: up to 8 datasets in a submission"
    assert told in world.certificate()
    assert world.facts()["exit_class"] == "user"
    poor = World(changed(replace(SETTINGS, parameters=PARAMETERS, budget_usd=1.0), sweep=20))
    poor.aws.upload(BUCKET, CONFIG, json.dumps(many))
    poor.submit(poor.submission())
    assert poor.aws.ec2 == {}
    assert poor.facts()["exit_class"] == "quota"


def test_names_stay_apart_and_can_be_files() -> None:
    world = swept({"sweep": {"threshold": [1, 2], "rate": [0.1]}}, dataname=["lab/inputs/a.zip"])
    assert len({dataset.folder for dataset in world.job().datasets}) == 2
    long = label({"name": "x" * 300, "b": 1})
    assert len(long.encode()) <= 100
    assert long != label({"name": "x" * 300, "b": 2})


FLAT = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
VALUES = st.recursive(
    FLAT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), VALUES, min_size=1, max_size=2))
def test_a_folder_says_its_parameters(parameters: dict[str, Any]) -> None:
    text = label(parameters)
    assert "/" not in text
    assert text.isascii()
    assert text.isprintable()
    assert "\\" not in text
    if len(text) < 100:
        assert parameters_of(text) == parameters
