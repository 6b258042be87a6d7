"""A14: submissions with mistakes, and A15: hostile ones. Each gets an answer with every reason, no traceback,
and no machine.
"""

import json
from typing import Any

import pytest

from neurocaas import JobHandle
from neurocaas.protocol.keys import JobKeys, SubmissionKey, rejected_keys
from neurocaas.protocol.ledger import CLAIMS, HEARD, OPEN_JOBS
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended, until

pytestmark = [pytest.mark.local, pytest.mark.slow]

MISTAKES: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "not-json": (b"{dataname: x}", "not JSON"),
    "a-list": (b"[1]", "JSON object"),
    "no-dataname": ({"dataname": None}, "dataname: got nothing"),
    "dataname-3": ({"dataname": 3}, "dataname: got 3"),
    "dataname-empty": ({"dataname": []}, "a list of 0"),
    "dataname-many": ({"dataname": [f"lab1/inputs/{number}" for number in range(2000)]}, "a list of 2000"),
    "dataname-mixed": ({"dataname": ["lab1/inputs/x.txt", 4]}, "got 4"),
    "dataname-missing": (
        {"dataname": "lab1/inputs/nonesuch.txt"},
        "does not contain lab1/inputs/nonesuch.txt",
    ),
    "dataname-prefix": ({"dataname": "lab1/inputs/x"}, "does not contain lab1/inputs/x"),
    "no-configname": ({"configname": None}, "configname: got nothing"),
    "config-missing": ({"configname": "lab1/configs/none.json"}, "does not contain lab1/configs/none.json"),
    "config-suffix": ({"configname": "lab1/configs/c.toml"}, "a file ending in .json, .yaml, .yml"),
    "config-broken": ({"configname": "lab1/configs/broken.json"}, "not JSON"),
    "config-list": ({"configname": "lab1/configs/list.yml"}, "a mapping"),
    "duration": ({"configname": "lab1/configs/duration.json"}, "__duration__"),
    "negative": ({"configname": "lab1/configs/negative.yaml"}, "__duration__: got -5"),
    "parameters": ({"configname": "lab1/configs/parameters.json"}, "wait"),
    "misspelt": ({"configname": "lab1/inputs/misspelt.yaml"}, "Did you mean 'wait'?"),
    "other-group": ({"dataname": "lab10/inputs/secret.txt"}, "paths of your own group"),
    "result-elsewhere": ({"resultpath": "s3://somebody-elses/results"}, "resultpath"),
    "expensive": ({"instance_type": "p4d.24xlarge"}, "one of m5.large, m5.xlarge"),
    "control": ({"dataname": 'lab1/inputs/"; rm -rf /;\n'}, "control characters"),
    "dots": ({"dataname": "lab1/inputs/../../lab10/inputs/secret.txt"}, "'..' segments"),
}
TIMESTAMPS = {
    "up": "../x",
    "slash": "a/b",
    "shell": "$(touch /tmp/p)",
    "long": "x" * 200,
    "none": None,
    "number": 3.5,
}


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    lab = Lab(service)
    lab.data("x.txt")
    Lab(service, "lab10").data("secret.txt")
    for name, body in {
        "broken.json": "{",
        "list.yml": "- 1\n- 2\n",
        "duration.json": '{"__duration__": "long", "__dataset_size__": -1}',
        "negative.yaml": "__duration__: -5\n",
        "parameters.json": '{"wait": "soon"}',
    }.items():
        lab.put(f"lab1/configs/{name}", body)
    lab.put("lab1/inputs/misspelt.yaml", "wiat: 1e3\n")
    return lab


def traces(lab: Lab, group: str) -> tuple[set[str], list[Any]]:
    """What a group has: its results, the service's records of its jobs, and its items in the ledger."""
    items = lab.deployed.client("dynamodb").scan(TableName=lab.deployed.utils["ledger_table"])["Items"]
    keys = lab.keys_below(f"{group}/results/") | lab.keys_below(f"jobs/{group}/")
    return keys, sorted(str(item) for item in items if f"/{group}/" in item["sk"]["S"])


@pytest.fixture(scope="module")
def theirs(lab: Lab) -> tuple[set[str], list[Any]]:
    """What the other group had before."""
    return traces(lab, "lab10")


@pytest.fixture(scope="module")
def jobs(lab: Lab, theirs: object) -> dict[str, JobHandle]:
    """All at once: the manager answers them in turn while the first tests look."""
    made = {}
    for name, (fields, _) in MISTAKES.items():
        if isinstance(fields, bytes):
            made[name] = lab.submit(stamp=f"a14-{name}", body=fields)
        else:
            made[name] = lab.submit("x.txt", stamp=f"a14-{name}", **fields)
    for name, stamp in TIMESTAMPS.items():
        made[name] = lab.submit(
            "x.txt", stamp=f"a15-{name}", submission=f"a15-{name}_submit.json", timestamp=stamp
        )
    return made


def answer(lab: Lab, job: JobHandle) -> tuple[str, dict[str, Any], str]:
    """Certificate, certificate.json and end.txt of a refused submission, wherever they are."""
    places = [
        JobKeys.of(lab.group, job.timestamp),
        rejected_keys(lab.group, SubmissionKey.parse(str(job.submission_key)).id),
    ]
    keys = until(
        f"the answer to {job.submission_key}",
        lambda: next((one for one in places if lab.text(one.end)), None),
    )
    assert keys is not None
    return lab.text(keys.certificate), json.loads(lab.text(keys.certificate_json)), lab.text(keys.end)


@pytest.mark.parametrize("name", MISTAKES)
def test_a14_a_mistake_is_answered_with_its_reason(lab: Lab, jobs: dict[str, JobHandle], name: str) -> None:
    certificate, facts, end = answer(lab, jobs[name])
    assert MISTAKES[name][1] in certificate
    assert "Traceback" not in certificate
    missing = name in ("dataname-missing", "dataname-prefix")
    assert facts["exit_class"] == ("data" if missing else "user")
    assert facts["problems"]
    assert end.startswith("FAILED 0/0 ")


@pytest.mark.parametrize("name", TIMESTAMPS)
def test_a15_a_hostile_timestamp_gets_its_answer_under_the_submissions_name(
    lab: Lab, jobs: dict[str, JobHandle], name: str
) -> None:
    certificate, facts, _ = answer(lab, jobs[name])
    assert "timestamp: got" in certificate
    assert facts["exit_class"] == "user"


def test_a15_two_problems_of_one_file_are_told_at_once(lab: Lab, jobs: dict[str, JobHandle]) -> None:
    _, facts, _ = answer(lab, jobs["duration"])
    assert len(facts["problems"]) == 2


def test_a15_nothing_was_launched_or_charged_or_written_elsewhere(
    lab: Lab, jobs: dict[str, JobHandle], theirs: object
) -> None:
    for job in jobs.values():
        answer(lab, job)
    stamps = {job.timestamp for job in jobs.values()}
    tagged = lab.ec2.describe_instances(Filters=[{"Name": "tag:job", "Values": sorted(stamps)}])
    assert tagged["Reservations"] == []
    assert traces(lab, "lab10") == theirs
    _, items = traces(lab, "lab1")
    mine = [item for item in items if any(stamp in item for stamp in stamps)]
    assert mine
    assert any(f"'{CLAIMS}'" in item or f"'{HEARD}'" in item for item in mine)
    # answered, and in the index of jobs
    assert not [item for item in mine if f"'{OPEN_JOBS}'" in item]


def test_a14_yaml_by_its_short_name_is_taken(lab: Lab) -> None:
    job = lab.submit("x.txt", configname=lab.put("lab1/configs/short.yml", "wait: 0\n"))
    assert ended(job).succeeded, job.certificate()


def test_a14_a_submission_that_another_replaces_at_once_is_answered_too(lab: Lab) -> None:
    every = [JobKeys.of(lab.group, stamp) for stamp in ("a14-replaced", "a14-replacing")]
    for keys in every:
        lab.put(
            "lab1/submissions/a14-same_submit.json", json.dumps({"timestamp": keys.timestamp, "dataname": 3})
        )
    for keys in every:
        assert "dataname: got 3" in until(
            f"the end of {keys.timestamp}",
            lambda keys=keys: lab.text(keys.end),  # type: ignore[misc]
        )


def test_a14_a_cancellation_waits_for_its_submission(lab: Lab) -> None:
    lab.put("lab1/submissions/a14-early_cancel.json", b"")
    refusal = rejected_keys(lab.group, "a14-early_cancel")
    until("the answer to the cancellation", lambda: lab.text(refusal.end))
    job = lab.submit("x.txt", stamp="a14-early")
    until("the end of the job", lambda: lab.text(job.keys.end))
    assert lab.text(job.keys.end).startswith(
        "FAILED 0/0 cancelled: by lab1/submissions/a14-early_cancel.json"
    )
    assert lab.machines(job) == []


def test_a14_refusals_are_explained(lab: Lab, jobs: dict[str, JobHandle]) -> None:
    from neurocaas.explain import explain

    answer(lab, jobs["expensive"])
    said = explain(lab.analysis.evidence(jobs["expensive"]))
    assert "was refused: instance_type: got 'p4d.24xlarge'" in said.sentence
    assert "Choose one" in said.fix
