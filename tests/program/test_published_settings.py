"""What an analysis tells its users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components import program
from neurocaas.protocol.config import ConfigRules
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.ignored import LEFT_BEHIND
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.settings import AnalysisSettings
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import Recorded, deploy


def text(stack: Recorded) -> Iterator[str]:
    yield from (
        one.inputs["content"]
        for one in stack.of_type("BucketObjectv2")
        if "/analysis.json" in one.inputs["key"]
    )


def test_each_group_can_read_what_the_analysis_is(analysis: Recorded) -> None:
    objects = [
        one for one in analysis.of_type("BucketObjectv2") if str(one.inputs["key"]).endswith("analysis.json")
    ]
    assert {one.inputs["key"] for one in objects} == {"jobs/lab1/analysis.json", "jobs/lab10/analysis.json"}
    assert {one.inputs["bucket"] for one in objects} == {analysis.outputs["bucket"]}
    about = About.from_json(objects[0].inputs["content"])
    assert (about.analysis, about.stage, about.title) == ("spikes", "webdev", "Spike sorting")
    assert about.prices == {"m5.large": 0.096, "m5.xlarge": 0.192}
    assert about.code_sha256 == analysis.outputs["code_sha256"]
    assert about.image_id == analysis.outputs["image_id"]
    assert about.budget_parameters == "/neurocaas/budgets"
    assert about.compare == {}
    templates = {one.id for one in analysis.of_type("LaunchTemplate")}
    assert {About.from_json(one.inputs["content"]).launch_template_id for one in objects} == templates
    assert (about.folder, about.ignore) == ("one", LEFT_BEHIND)
    assert about.config == ConfigRules(60, 2880, 1024, 20, None, 100)
    assert not about.image_ready


def test_comparison_growing_and_required_results_are_the_blueprints_choice(
    tmp_path: Path, utils: Recorded
) -> None:
    more = (
        'compare: {"*.csv": {as: csv, relative: 0.01, except: [time]}}\nresults: {required: [summary.json]}\n'
        "input_addresses: ['https://data.example.org/']\n"
    )
    project = make_project(tmp_path, BLUEPRINT.replace("  types:", "  grow_memory: true\n  types:") + more)
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    about = About.from_json(next(text(stack)))
    assert about.compare == {"*.csv": {"as": "csv", "relative": 0.01, "except": ["time"]}}
    contents = (
        one.inputs
        for one in stack.of_type("BucketObjectv2")
        if str(one.inputs["key"]).endswith("/settings.json")
    )
    settings = AnalysisSettings.from_json(next(contents)["content"])
    assert settings.oom_types == about.oom_types == {"m5.large": ("m5.xlarge",), "m5.xlarge": ()}
    assert settings.results_required == ("summary.json",)
    assert settings.input_addresses == about.input_addresses == ("https://data.example.org/",)


def test_a_document_of_another_version_is_not_read(analysis: Recorded) -> None:
    with pytest.raises(DocumentError, match="schema_version is 9"):
        About.from_json(next(text(analysis)).replace('"schema_version": 1', '"schema_version": 9'))
    with pytest.raises(DocumentError, match=r"analysis\.json is not"):
        About.from_json("[]")
