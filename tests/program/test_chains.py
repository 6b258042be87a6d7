"""Analyses that follow one another: what the roles of one may do with the results of another."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from components import program
from neurocaas.protocol.chain import ChainStep, Source
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.settings import AnalysisSettings
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import Recorded, deploy
from tests.program.test_policies import reaches

EARLIER = """\
schema_version: 1
name: motion
title: Motion correction
script: run_motion.sh
instance: {type: m5.large}
image: {parent: ubuntu24, required: false}
groups: [lab1, lab2]
bucket: motion-data
next: {analysis: spikes, datasets: ["*.npy"], config: {threshold: 4}}
"""


def project(
    folder: Path, earlier: str = EARLIER, blueprint: str = f"{BLUEPRINT}takes_from: [motion]\n"
) -> Path:
    root = make_project(folder, blueprint)
    own = root / "blueprints" / "motion"
    own.mkdir()
    (own / "blueprint.yaml").write_text(earlier)
    (own / "run_motion.sh").write_text("#!/bin/bash\necho motion\n")
    return root


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, utils: Recorded) -> Recorded:
    root = project(tmp_path_factory.mktemp("chain"))
    return deploy(lambda: program.outputs(root), "spikes-webdev", references={REFERENCE: utils.outputs})


@pytest.mark.parametrize(
    ("role", "action", "key", "allowed"),
    [
        ("lab1-machine", "s3:GetObject", "lab1/results/job_1/process_results/a.npy", True),
        ("lab1-machine", "s3:GetObject", "lab10/results/job_1/process_results/a.npy", False),
        ("lab1-machine", "s3:GetObject", "lab1/inputs/a.npy", False),
        ("lab1-machine", "s3:PutObject", "lab1/results/job_1/process_results/a.npy", False),
        ("lab1-machine", "s3:GetObject", "jobs/lab1/job_1/job.json", False),
        # lab10 is a group of this analysis only, lab2 of the other only
        ("lab10-machine", "s3:GetObject", "lab10/results/job_1/process_results/a.npy", False),
        ("-manager", "s3:GetObject", "lab1/results/job_1/process_results/a.npy", True),
        ("-manager", "s3:GetObject", "lab1/results/job_1/logs/certificate.txt", False),
        ("-manager", "s3:GetObject", "jobs/lab1/job_1/end.txt", True),
        ("-manager", "s3:GetObject", "jobs/lab1/job_1/certificate.json", False),
        ("-manager", "s3:GetObject", "lab1/inputs/a.npy", False),
        ("-manager", "s3:PutObject", "lab1/results/job_1/process_results/a.npy", False),
    ],
)
def test_who_reaches_what_of_the_other_bucket(
    stack: Recorded, role: str, action: str, key: str, allowed: bool
) -> None:
    policy = stack.one("RolePolicy", role).policy()
    assert reaches(policy, action, f"arn:aws:s3:::motion-data/{key}") is allowed


def test_the_manager_reads_the_settings_of_the_other_and_of_no_third(stack: Recorded) -> None:
    policy = stack.one("RolePolicy", "-manager").policy()
    bucket = stack.outputs["settings_bucket"]
    for name, allowed in (("motion-webdev", True), ("motion-prod", False), ("third-webdev", False)):
        arn = f"arn:aws:s3:::{bucket}/analyses/{name}/settings.json"
        assert reaches(policy, "s3:GetObject", arn) is allowed


def test_settings_and_description_say_whose_results_may_be_taken(stack: Recorded) -> None:
    texts = {
        one.inputs["key"]: one.inputs["content"]
        for one in stack.of_type("BucketObjectv2")
        if "content" in one.inputs
    }
    source = Source("motion", "motion-webdev", "motion-data")
    settings = AnalysisSettings.from_json(texts["analyses/spikes-webdev/settings.json"])
    assert settings.sources == (source,)
    assert About.from_json(texts["jobs/lab1/analysis.json"]).sources == (source,)
    assert About.from_json(texts["jobs/lab10/analysis.json"]).sources == ()


def test_the_next_step_is_in_the_settings(tmp_path: Path, utils: Recorded) -> None:
    root = project(tmp_path)
    deployed = deploy(lambda: program.outputs(root), "motion-webdev", references={REFERENCE: utils.outputs})
    (text,) = [
        one.inputs["content"]
        for one in deployed.of_type("BucketObjectv2")
        if one.inputs["key"] == "analyses/motion-webdev/settings.json"
    ]
    wanted = ChainStep("spikes", {"threshold": 4}, ("*.npy",), "success")
    assert AnalysisSettings.from_json(text).next == wanted


@pytest.mark.parametrize(
    ("earlier", "later", "says"),
    [
        (EARLIER, BLUEPRINT, "which does not say that it takes results of motion"),
        (EARLIER.replace("analysis: spikes", "analysis: motion"), BLUEPRINT, "next.analysis: got 'motion'"),
        (EARLIER.replace("analysis: spikes", "analysis: spike"), BLUEPRINT, "spikes"),
        (
            EARLIER + "takes_from: [spikes]\n",
            BLUEPRINT + "takes_from: [motion]\nnext: {analysis: motion}\n",
            "motion → spikes → motion",
        ),
        (
            EARLIER + "takes_from: [motion]\n",
            BLUEPRINT + "takes_from: [motion]\n",
            "takes_from[0]: got 'motion'",
        ),
        (EARLIER.replace("datasets", "dataset"), BLUEPRINT, "dataset"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_deployed(
    tmp_path: Path, utils: Recorded, earlier: str, later: str, says: str
) -> None:
    root = project(tmp_path, earlier, later)
    with pytest.raises(pulumi.RunError) as error:
        deploy(lambda: program.outputs(root), "motion-webdev", references={REFERENCE: utils.outputs})
    assert says in str(error.value)
