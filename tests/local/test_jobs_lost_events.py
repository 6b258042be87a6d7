"""What only the sweep sees, with the rights that it has: a submission whose event was lost is answered all
the same, and what has come into a folder that is watched is analysed.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from neurocaas import JobHandle
from neurocaas.protocol.keys import JobId
from runtime.monitor.aws import AwsMonitorCloud
from runtime.monitor.folders import watch_folders
from runtime.monitor.unheard import SETTLED, deliver_unheard
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended, until

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture
def sweep(service: Deployed, monkeypatch: pytest.MonkeyPatch) -> AwsMonitorCloud:
    """The AWS of the sweep, in a session of its role."""
    keys, environ = service.role(str(service.utils["monitor_role_arn"])), service.ground.local_environment()
    variables = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_SESSION_TOKEN": keys.token,
        "AWS_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"],
        "AWS_DEFAULT_REGION": environ["AWS_REGION"],
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return AwsMonitorCloud(
        service.utils["ledger_table"], None, "sweep", artifacts=service.utils["artifact_bucket"]
    )


def test_a_submission_without_an_event_is_answered_once(service: Deployed, sweep: AwsMonitorCloud) -> None:
    lab = Lab(service)
    heard = lab.submit("heard.txt")
    assert ended(heard).succeeded
    rules = lab.s3.get_bucket_notification_configuration(Bucket=lab.bucket)
    rules.pop("ResponseMetadata")
    lab.s3.put_bucket_notification_configuration(Bucket=lab.bucket, NotificationConfiguration={})
    try:
        lost = lab.submit("lost.txt")
    finally:
        lab.s3.put_bucket_notification_configuration(Bucket=lab.bucket, NotificationConfiguration=rules)
    told: list[str] = []

    def log(message: str, job: JobId | None) -> None:
        del job
        told.append(message)

    assert deliver_unheard(sweep, lambda: datetime.now(UTC), log) == []
    assert told == [], "its event may still be on its way"
    later = timedelta(seconds=SETTLED + 5)
    for _ in range(2):
        assert deliver_unheard(sweep, lambda: datetime.now(UTC) + later, log) == []
    assert told == [f"delivered again: s3://{lab.bucket}/{lost.submission_key}"], (
        "neither what was heard of, nor anything twice"
    )
    assert ended(lost).succeeded
    assert len(lab.machines(lost)) == 1


def test_what_comes_into_a_watched_folder_is_analysed_once(
    service: Deployed, sweep: AwsMonitorCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROCAAS_WRITER_ROLE_ARN", str(service.utils["monitor_writer_role_arn"]))
    cloud = AwsMonitorCloud(
        service.utils["ledger_table"], None, "sweep", artifacts=service.utils["artifact_bucket"]
    )
    lab = Lab(service)
    wish = {"prefix": "lab1/inputs/rig/", "configname": lab.config(), "quiet": "10m", "cap_usd": 50}
    lab.put("lab1/submissions/rig_watch.json", json.dumps(wish))
    until("the watch", lambda: lab.text("jobs/lab1/watches/rig.json"))
    lab.data("rig/a.txt")

    def look(minutes: int) -> None:
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        assert watch_folders(cloud, lambda: now, lambda text, job: None) == []

    look(1)
    assert not [key for key in lab.keys_below("jobs/lab1/submissions/") if key.endswith("submit.json")]
    for _ in range(2):
        look(15)
    (key,) = [key for key in lab.keys_below("jobs/lab1/submissions/") if key.endswith("submit.json")]
    stamp = json.loads(lab.text(key))["timestamp"]
    job = JobHandle(lab.s3, lab.bucket, "lab1", stamp, key)
    assert ended(job).succeeded, job.certificate()
    assert [one.inputpath for one in job.job().datasets] == ["lab1/inputs/rig/a.txt"]
    assert job.job().by == "watch rig"
    lab.put("lab1/submissions/rig_watch.json", json.dumps({"state": "off"}))
    until("its end", lambda: json.loads(lab.text("jobs/lab1/watches/rig.json"))["state"] == "off")
