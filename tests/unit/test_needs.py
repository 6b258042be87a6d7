"""Analyses that say what a machine needs: the type that this comes to, and where it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints import load, load_problems, needs
from blueprints.drivers import works
from blueprints.machine_kinds import architecture, kind
from blueprints.prices import REGION, Prices, regions, table
from console.authoring import _ours
from neurocaas.forecast import Forecast
from neurocaas.protocol.cost import Rates, burstable
from neurocaas.protocol.documents import loads
from neurocaas.protocol.need import Need
from neurocaas.protocol.settings import AnalysisSettings
from tests.unit.job_world import SETTINGS, World, changed

BLUEPRINT = """\
schema_version: 1
name: pose
title: Poses
script: run_pose.sh
image: {required: false}
instance:
"""


def project(root: Path, **instance: Any) -> Path:
    folder = root / "blueprints" / "pose"
    folder.mkdir(parents=True)
    (folder / "run_pose.sh").write_text("#!/bin/bash\necho poses\n")
    lines = [f"  {name}: {value}\n" for name, value in instance.items()]
    (folder / "blueprint.yaml").write_text(BLUEPRINT + "".join(lines))
    return root


def rules(root: Path) -> list[str]:
    return [one.rule for one in load_problems("pose", root)]


def prices(**usd: float) -> Prices:
    named = {name.replace("_", "."): price for name, price in usd.items()}
    return Prices("2026-01-01", "a test", REGION, named, Rates())


# The choice
# ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("need", "name"),
    [
        (Need(2), "m5.large"),
        (Need(3), "m5.xlarge"),
        (Need(2, 9), "r5.large"),
        (Need(4, 16, 1), "g4dn.xlarge"),
        (Need(5, 0, 1), "g4dn.2xlarge"),
        (Need(1, 0, 2), None),
        (Need(64), None),
    ],
)
def test_the_cheapest_type_that_has_what_is_needed(need: Need, name: str | None) -> None:
    offered = prices(
        m5_large=0.096, m5_xlarge=0.192, r5_large=0.126, g4dn_xlarge=0.05, g4dn_2xlarge=0.752,
        t3_xlarge=0.01, p3_2xlarge=0.02, c7g_16xlarge=0.02, other_huge=0.001,
    )  # fmt: skip
    assert needs.cheapest(need, offered) == name


def test_of_types_at_one_price_the_one_with_more_memory() -> None:
    assert needs.cheapest(Need(2), prices(c5_large=0.1, r5_large=0.1, m5_large=0.1)) == "r5.large"


@given(st.integers(1, 200), st.floats(0, 2000), st.integers(0, 8), st.sampled_from(regions()))
def test_no_type_of_the_table_that_would_do_is_cheaper(cpu: int, gib: float, gpu: int, region: str) -> None:
    need, offered = Need(cpu, gib, gpu), table(region)
    chosen = needs.cheapest(need, offered)
    would_do = {
        name: usd
        for name, usd in offered.usd_per_hour.items()
        if (one := kind(name)) and one.vcpu >= cpu and one.gib >= gib and one.gpus >= gpu
    }
    fit = {
        name: usd
        for name, usd in would_do.items()
        if works(name, "x86_64") and not burstable(name) and (gpu or not kind(name).gpus)  # type: ignore[union-attr]
    }
    assert (chosen is None) == (not fit)
    if chosen is not None:
        assert fit[chosen] == min(fit.values())


def test_machines_of_the_processors_that_are_asked_for() -> None:
    offered = prices(m5_large=0.096, m7g_large=0.08, m7i_large=0.1)
    assert needs.cheapest(Need(2), offered) == "m5.large"
    assert needs.cheapest(Need(2), offered, processors="arm64") == "m7g.large"


# In a blueprint
# ----------------------------------------------------------------------------------------------------------
def test_a_blueprint_that_says_a_need_has_the_type_of_it(tmp_path: Path) -> None:
    root = project(tmp_path, cpu=4, memory_gib=16)
    instance = load("pose", "webdev", root).instance
    assert instance.type == needs.cheapest(Need(4, 16), table())
    assert (instance.need, instance.family, instance.types) == (Need(4, 16), True, (instance.type,))
    assert rules(root) == []


def test_a_need_is_met_among_the_listed_types(tmp_path: Path) -> None:
    root = project(tmp_path, cpu=4, types="[m5.xlarge, m5.2xlarge]")
    instance = load("pose", "webdev", root).instance
    assert (instance.type, instance.types, instance.fallback) == (
        "m5.xlarge",
        ("m5.xlarge", "m5.2xlarge"),
        ("m5.2xlarge",),
    )


def test_the_need_of_an_analysis_for_other_processors(tmp_path: Path) -> None:
    blueprint = load("pose", "webdev", project(tmp_path, cpu=4, architecture="arm64"))
    assert blueprint.architecture == "arm64"
    assert architecture(needs.in_region(blueprint.instance, "eu-west-3").type) == "arm64"


@pytest.mark.parametrize(
    ("instance", "rule"),
    [
        ({"cpu": 4, "type": "m5.xlarge"}, "instance.need-and-type"),
        ({"cpu": 4, "memory_gib": 20000}, "instance.need-unmet"),
        ({"cpu": 4, "gpu": 1, "types": "[m5.xlarge]"}, "instance.need-unmet"),
        ({"cpu": 0}, "schema.minimum"),
        ({"memory_gib": "16G"}, "schema.type"),
    ],
)
def test_needs_that_cannot_be_met_are_told(tmp_path: Path, instance: dict[str, Any], rule: str) -> None:
    assert rules(project(tmp_path, **instance)) == [rule]


def test_another_region_may_have_another_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path, cpu=4)
    offered = {
        REGION: prices(m5_xlarge=0.192, c5_xlarge=0.17),
        "eu-west-3": prices(m5_xlarge=0.1, c5_xlarge=0.2),
        "eu-west-2": prices(m5_xlarge=0.3, c5_xlarge=0.2),
        "eu-west-1": prices(m5_large=0.1),
    }
    monkeypatch.setattr(needs, "table", lambda region=REGION: offered[region])
    monkeypatch.setattr(needs, "regions", lambda: tuple(offered))
    blueprint = load("pose", "webdev", root)
    assert needs.in_region(blueprint.instance, "eu-west-3").type == "m5.xlarge"
    assert needs.in_region(blueprint.instance, "eu-west-2") == blueprint.instance
    with pytest.raises(LookupError, match="no type with 4 vCPU"):
        needs.in_region(blueprint.instance, "eu-west-1")
    assert needs.told(blueprint) == (
        "a machine with 4 vCPU is c5.xlarge at $0.1700 an hour in us-east-1; "
        "m5.xlarge at $0.1000 an hour in eu-west-3; none in eu-west-1"
    )


def test_a_listed_type_that_takes_the_first_place_leaves_its_own_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = load("pose", "webdev", project(tmp_path, cpu=4, types="[m5.xlarge, c5.xlarge]")).instance
    assert (instance.type, instance.fallback) == ("c5.xlarge", ("m5.xlarge",))
    monkeypatch.setattr(needs, "table", lambda region: prices(m5_xlarge=0.1, c5_xlarge=0.2))
    moved = needs.in_region(instance, "eu-west-3")
    assert (moved.type, moved.types, moved.fallback) == ("m5.xlarge", instance.types, ("c5.xlarge",))


def test_what_names_a_type_stays_as_it_is(tmp_path: Path) -> None:
    blueprint = load("pose", "webdev", project(tmp_path, type="m5.xlarge"))
    assert needs.in_region(blueprint.instance, "nowhere") is blueprint.instance
    assert needs.told(blueprint) is None


# Where it is told
# ----------------------------------------------------------------------------------------------------------
def test_validate_tells_the_type_and_its_price(tmp_path: Path) -> None:
    verdict = _ours("pose", project(tmp_path, cpu=4, memory_gib=16, gpu=1))
    assert verdict["ok"]
    (note,) = verdict["notes"]
    assert note.startswith(
        "a machine with 4 vCPU, 16 GiB, 1 GPU is g4dn.xlarge at $0.5260 an hour in us-east-1"
    )


def test_the_certificate_tells_why_it_is_this_type() -> None:
    world = World(changed(SETTINGS, cpu=2, memory_gib=8.0))
    world.submit(world.submission())
    assert "m5.large is the cheapest type in us-east-1 with 2 vCPU, 8 GiB." in world.certificate()
    world.submit(world.submission(timestamp="t2", instance_type="m5.xlarge"), "lab/submissions/b_submit.json")
    assert "the cheapest type" not in world.certificate("t2")


def test_the_forecast_tells_why_it_is_this_type() -> None:
    plain = Forecast(1, 60, "m5.large", 0.096, 0.096)
    line = "the analysis needs 2 vCPU, 8 GiB: m5.large is the cheapest type with that"
    assert line in replace(plain, need=Need(2, 8)).lines()
    assert line not in plain.lines()


def test_settings_keep_the_need_and_those_of_before_have_none() -> None:
    settings = changed(SETTINGS, cpu=2, memory_gib=8.0)
    assert AnalysisSettings.from_json(settings.to_json()) == settings
    document = loads(SETTINGS.to_json(), "settings")
    for name in ("need_cpu", "need_memory_gib", "need_gpu"):
        del document[name]
    assert AnalysisSettings.from_json(json.dumps(document)).instance.need is None
