"""A submission whose event was lost is answered all the same: the sweep, with the rights that it has, tells
the queue of it.
"""

from datetime import UTC, datetime, timedelta

import pytest

from neurocaas.protocol.keys import JobId
from runtime.monitor.aws import AwsMonitorCloud
from runtime.monitor.unheard import SETTLED, deliver_unheard
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended

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
