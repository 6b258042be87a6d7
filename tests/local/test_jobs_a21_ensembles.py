"""A21: one dataset trained several times, each member with its number; many sets of parameters in one job."""

import json

import pytest

from neurocaas import JobHandle
from neurocaas.checks import Wish
from neurocaas.same_work import same_as
from neurocaas.steps import planned
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    return Lab(service)


@pytest.fixture(scope="module")
def jobs(lab: Lab) -> dict[str, JobHandle]:
    """All of them at once."""
    train = lab.config(mode="train", ensemble_size=5)
    rows = "dataset,wait\nlab1/inputs/train.txt,1\nlab1/inputs/more.txt,\n"
    lists = lab.put("lab1/inputs/list.csv", rows)
    for name in ("train.txt", "more.txt"):
        lab.data(name)
    first = lab.submit("train.txt", configname=train)
    return {
        "train": first,
        "after": lab.submit(
            after=first.timestamp,
            dataname=["process_results/**/summary.json"],
            configname=lab.config(mode="predict"),
        ),
        "listed": lab.submit(dataname=None, manifest=lists),
        "predict": lab.submit("train.txt", configname=lab.config(mode="predict", ensemble_size=3)),
        "no mode": lab.submit("train.txt", configname=lab.config(ensemble_size=3)),
        "two": lab.submit("train.txt", "more.txt", configname=train),
        "swept": lab.submit("train.txt", "more.txt", configname=lab.config(sweep={"wait": [0, 1]})),
    }


def test_a21_every_member_runs_with_its_number_and_has_a_status(lab: Lab, jobs: dict[str, JobHandle]) -> None:
    job = jobs["train"]
    assert ended(job).succeeded, job.certificate()
    datasets = job.job().datasets
    assert [one.jobnb for one in datasets] == [1, 2, 3, 4, 5]
    assert len({one.status_key for one in datasets}) == 5
    assert {one.inputpath for one in datasets} == {"lab1/inputs/train.txt"}
    configs = [json.loads(lab.text(str(one.configpath))) for one in datasets]
    assert [one["jobnb"] for one in configs] == [1, 2, 3, 4, 5]
    assert lab.text(job.keys.end) == "SUCCESS 5/5\n"
    assert job.certificate().count("| STATUS: SUCCESS |") == 5


def test_a21_a_prediction_takes_what_was_trained_and_runs_once(lab: Lab, jobs: dict[str, JobHandle]) -> None:
    train = jobs["train"]
    ended(train)
    models = sorted(key for key in lab.keys_below(train.keys.process_prefix) if key.endswith("/summary.json"))
    job = lab.submit(dataname=models, configname=lab.config(mode="predict"))
    lab.deliver(job)
    assert ended(job).succeeded, job.certificate()
    assert len(models) == len(lab.machines(job)) == len(job.job().datasets) == 5


def test_a21_a_prediction_that_was_submitted_before_waits_for_the_training(
    lab: Lab, jobs: dict[str, JobHandle]
) -> None:
    """In the words of its submission: of the results of the earlier job, whatever they will be."""
    job, train = jobs["after"], jobs["train"]
    ended(train)
    assert ended(job).succeeded, job.certificate()
    taken = {one.inputpath for one in job.job().datasets}
    assert taken == {
        one for one in lab.keys_below(train.keys.process_prefix) if one.endswith("/summary.json")
    }
    events = [json.loads(line) for line in lab.text(job.keys.events).splitlines()]
    assert "waits for job" in str([one["text"] for one in events if one["event"] == "waiting"])


def test_a21_a_mode_of_the_analysis_runs_plainly(jobs: dict[str, JobHandle]) -> None:
    assert ended(jobs["predict"]).succeeded
    assert len(jobs["predict"].job().datasets) == 1
    assert "NOTE: ensemble_size is 3, in mode 'predict'" in jobs["predict"].certificate()


def test_a21_a_size_without_a_mode_is_refused(jobs: dict[str, JobHandle]) -> None:
    assert not ended(jobs["no mode"]).succeeded
    assert "Write mode: train, or remove ensemble_size." in jobs["no mode"].certificate()


def test_a21_an_ensemble_over_two_datasets_is_refused_in_its_own_words(jobs: dict[str, JobHandle]) -> None:
    assert ended(jobs["two"]).phase == "REJECTED"
    text = jobs["two"].certificate()
    assert "for ensembles, we must have only one dataset" in text
    assert "budget" not in text.lower()


def test_a_sweep_runs_each_combination_with_each_dataset(lab: Lab, jobs: dict[str, JobHandle]) -> None:
    """Results of a combination lie in its folder, and the table beside the certificate has all of them."""
    job = jobs["swept"]
    assert ended(job).succeeded, job.certificate()
    prefix = job.keys.process_prefix
    results = [key.removeprefix(prefix) for key in lab.keys_below(prefix) if key.endswith("/summary.json")]
    folders = sorted(path.partition("/")[0] for path in results)
    assert folders == ["wait=0", "wait=0", "wait=1", "wait=1"]
    table = json.loads(lab.text(job.keys.sweep("json")))
    assert [(one["parameters"]["wait"], one["state"]) for one in table["runs"]] == [
        (0, "SUCCESS"), (1, "SUCCESS"), (0, "SUCCESS"), (1, "SUCCESS"),
    ]  # fmt: skip
    assert all(one["cost_usd"] > 0 for one in table["runs"])
    for path in results:
        summary = json.loads(lab.text(prefix + path))
        assert f"wait={summary['waited_seconds']}/" in path, summary


def test_a_manifest_lists_the_datasets_with_parameters_of_each(lab: Lab, jobs: dict[str, JobHandle]) -> None:
    job = jobs["listed"]
    assert ended(job).succeeded, job.certificate()
    found = {
        one.inputpath.rpartition("/")[2]: json.loads(lab.text(str(one.configpath)))["wait"]
        for one in job.job().datasets
    }
    assert found == {"train.txt": 1, "more.txt": 0}
    assert json.loads(lab.text(job.keys.sweep("json")))["parameters"] == ["wait"]


def test_the_same_work_again_is_told(lab: Lab, jobs: dict[str, JobHandle]) -> None:
    """By the commands before anything is submitted, and by the service in the job's certificate."""
    first = jobs["swept"]
    assert ended(first).succeeded, first.certificate()
    config = lab.config(sweep={"wait": [0, 1]})
    keys = [f"lab1/inputs/{name}" for name in ("train.txt", "more.txt")]
    (plan,) = planned(lab.analysis, [Wish(keys=keys, config=config)])
    assert same_as(lab.analysis, plan) == first.timestamp
    again = lab.submit("train.txt", "more.txt", configname=config)
    assert ended(again).succeeded, again.certificate()
    assert again.job().same_as == first.timestamp
    assert again.job().work == first.job().work
    assert f"NOTE: job {first.timestamp} has done the same work" in again.certificate()
