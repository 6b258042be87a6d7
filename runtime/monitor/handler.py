"""Entry points of the monitor Lambda.

`handler` takes SQS batches of EventBridge "EC2 Instance State-change Notification" events (answering with
partial batch failures) and, sent directly, EventBridge's schedule; `sweep` takes the schedule alone.
Environment: NEUROCAAS_LEDGER_TABLE (required), NEUROCAAS_TOPIC_ARN (empty: no notices),
NEUROCAAS_ARTIFACT_BUCKET (empty: nothing is searched for lost submissions), NEUROCAAS_WRITER_ROLE_ARN (empty:
writes with its own rights), NEUROCAAS_ACCOUNT (whose the buckets are).
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from neurocaas.protocol import logline
from neurocaas.protocol.documents import DocumentError, moment
from neurocaas.protocol.keys import JobId
from runtime.monitor.aws import AwsMonitorCloud
from runtime.monitor.machine import place
from runtime.monitor.port import ComeAgainError, MonitorCloud
from runtime.monitor.rehearsal import Rehearsal
from runtime.monitor.sweep import sweep as reconcile
from runtime.monitor.watch import JobWatch, StateChange

_STATES = frozenset({"running", "stopped", "shutting-down", "terminated"})
MONITOR, SWEEP = "monitor", "sweep"
"""Names in the log."""


@lru_cache(maxsize=2)
def _cloud(service: str) -> MonitorCloud:
    topic, artifacts = (os.environ.get(f"NEUROCAAS_{name}", "") for name in ("TOPIC_ARN", "ARTIFACT_BUCKET"))
    return AwsMonitorCloud(os.environ["NEUROCAAS_LEDGER_TABLE"], topic or None, service, artifacts=artifacts)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """State changes from the queue, or the schedule."""
    records = event.get("Records")
    if not isinstance(records, list):
        return sweep(event, context)
    changes = {
        str(record.get("messageId", "")): state_change(str(record.get("body", ""))) for record in records
    }
    return {"batchItemFailures": [{"itemIdentifier": name} for name in watch(_cloud(MONITOR), changes)]}


def sweep(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Reconcile everything once; errors are raised, so that the schedule's retry and alarm see them. The
    event `{"dry_run": true}` changes nothing and answers `{"would": [what it would do, …]}`."""
    del context
    if event.get("dry_run") is True:
        would: list[str] = []
        reconcile(Rehearsal(_cloud(SWEEP), would.append), _now, lambda message, job: None)
        return {"would": would}
    reconcile(_cloud(SWEEP), _now, _repaired)
    return {}


def state_change(body: str) -> StateChange | None:
    """The state change that a message tells of; None for anything else."""
    try:
        event = json.loads(body)
        detail = event["detail"]
        if event["source"] != "aws.ec2" or detail["state"] not in _STATES:
            return None
        return StateChange(str(detail["instance-id"]), str(detail["state"]), moment(str(event["time"])))
    except (ValueError, KeyError, TypeError, DocumentError):
        return None


def watch(cloud: MonitorCloud, changes: Mapping[str, StateChange | None]) -> list[str]:
    """Handle a batch of messages; the ids of those that must come again."""
    wanted = sorted({change.instance_id for change in changes.values() if change is not None})
    instances = {instance.instance_id: instance for instance in cloud.instances(wanted)}
    watcher = JobWatch(cloud, _now)
    again = []
    for message, change in sorted(
        changes.items(), key=lambda entry: entry[1].time.timestamp() if entry[1] else 0.0
    ):
        if change is None:
            continue
        instance = instances.get(change.instance_id)
        where = place(instance) if instance is not None else None
        line = {
            "job": where.job if where is not None else None,
            "instance": change.instance_id,
            "state": change.state,
        }
        if instance is None:
            logline.write(
                MONITOR,
                "ignored: EC2 does not know the machine any more; the sweep closes its dataset",
                **line,
            )
            continue
        try:
            logline.write(MONITOR, watcher.changed(change, instance), **line)
        except ComeAgainError as error:
            logline.write(MONITOR, f"again: {error}", **line)
            again.append(message)
        except Exception as error:  # noqa: BLE001 (whatever it is, the other messages of the batch must be handled)
            told = f"{type(error).__name__}: {error}"
            logline.write(MONITOR, told, level="ERROR", traceback=traceback.format_exc(), **line)
            again.append(message)
    return again


def _repaired(message: str, job: JobId | None) -> None:
    logline.write(SWEEP, message, job=job)


def _now() -> datetime:
    return datetime.now(timezone.utc)
