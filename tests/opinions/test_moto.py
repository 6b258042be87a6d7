"""A whole job in moto's server: client, manager, user data, agent, monitor, client again, each as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from neurocaas import Analysis
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.ledger import BUDGETS, CLAIMS, HEARD, OPEN_JOBS
from neurocaas.protocol.spending import Spending, spending_key
from runtime.manager import handler as manager
from runtime.monitor import handler as monitor
from tests.bare_account import CREDENTIALS, Account, state_changes
from tests.unit.job_world import BUCKET

CACHED = (manager._clients, manager._cloud, manager._settings, monitor._cloud)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "NEUROCAAS_LOCAL_BUCKET_ROOT"):
        monkeypatch.delenv(name, raising=False)
    settings = ("SETTINGS_BUCKET", "SETTINGS_KEY", "SETTINGS_SHA256", "LEDGER_TABLE", "TOPIC_ARN")
    for name in settings:  # so that they are as before when the test is done
        monkeypatch.setenv(f"NEUROCAAS_{name}", "")
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    for cached in CACHED:
        cached.cache_clear()
    yield Account(endpoint)
    for cached in CACHED:
        cached.cache_clear()
    server.stop()


def test_a_job_from_submission_to_results(account: Account, tmp_path: Path) -> None:
    account.deploy(tmp_path)
    (tmp_path / "a.txt").write_text("good data")
    (tmp_path / "b.txt").write_text("bad data")
    analysis = Analysis(BUCKET, "lab")
    inputs = analysis.upload([tmp_path / "a.txt", tmp_path / "b.txt"])
    handle = analysis.submit(inputs, {"wait": 0}, timestamp="t1", check=False)  # no stack has told it
    assert handle.status().phase == "SUBMITTED"

    records = account.messages()
    bodies = [one["body"] for one in records["Records"]]
    assert ["s3:TestEvent" in body for body in bodies] == [True, False]  # as S3 sends one before all others
    assert manager.handler(records, None) == {"batchItemFailures": []}
    keys = JobKeys.of("lab", "t1")
    job = Job.from_json(account.s3.get_object(Bucket=BUCKET, Key=keys.job)["Body"].read())
    assert len(job.datasets) == 2

    done = {}
    for instance in account.instances():
        identifier = instance["InstanceId"]
        assert monitor.handler(state_changes(identifier, "running"), None) == {"batchItemFailures": []}
        done[identifier] = account.run(instance, tmp_path / identifier)
        assert (tmp_path / identifier / "shutdown").read_text() == "-h now\n"
        account.ec2.terminate_instances(InstanceIds=[identifier])
        over = state_changes(identifier, "shutting-down", "terminated")
        assert monitor.handler(over, None) == {"batchItemFailures": []}
    assert sorted(one.returncode for one in done.values()) == [0, 65], done

    assert handle.end() == "FAILED 1/2 b.txt: no good data (exit code 65)"
    states = {dataset.name: dataset.state for dataset in handle.status().datasets}
    assert (handle.status().finished, states) == (True, {"a.txt": "SUCCESS", "b.txt": "FAILED"})
    fetched = {file.path for file in handle.fetch(tmp_path / "results")}
    assert {"process_results/a.txt/size.txt", "logs/certificate.txt", "process_results/end.txt"} <= fetched, (
        fetched
    )
    assert (tmp_path / "results/process_results/a.txt/size.txt").read_text().strip() == "9"
    left = account.dynamodb.scan(TableName="ledger")["Items"]
    kinds = {item["pk"]["S"] for item in left}
    assert kinds >= {BUDGETS, CLAIMS, HEARD}, "what it cost is kept"
    assert OPEN_JOBS not in kinds, "nothing of the job is open"
    (budget,) = (item for item in left if item["pk"]["S"] == BUDGETS)
    month = budget["sk"]["S"].rpartition("/")[2]
    told = account.s3.get_object(Bucket=BUCKET, Key=spending_key("lab", month))["Body"].read()
    spent = int(budget["spent"]["N"])
    found = Spending.from_json(told)
    assert (found.month, found.committed, found.spent) == (month, spent, spent), "and people can read it"
    assert spent > 0
    assert not any(one["State"]["Name"] == "running" for one in account.instances())
