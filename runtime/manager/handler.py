"""Entry point of the manager Lambda: SQS batches of S3 notifications.

Environment: NEUROCAAS_SETTINGS_BUCKET, NEUROCAAS_SETTINGS_KEY, NEUROCAAS_SETTINGS_SHA256 (the analysis's
settings), NEUROCAAS_ACCOUNT (whose the buckets are). Answers with partial batch failures
(`ReportBatchItemFailures` must be set on the event source): a message that is named there is delivered again
after the queue's visibility timeout.
"""

from __future__ import annotations

import hashlib
import os
import traceback
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from neurocaas.protocol import logline
from neurocaas.protocol.limits import MANAGER_TIMEOUT
from neurocaas.protocol.settings import AnalysisSettings
from runtime.aws.clients import Clients
from runtime.manager.aws import AwsManagerCloud, manager_clients
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.dispatch import process
from runtime.manager.events import objects_created
from runtime.manager.objects import Objects

_SETTINGS_MAX_BYTES = 4 * 1024 * 1024


class SettingsError(Exception):
    """The settings object is missing or is not the deployed one: the deployment is broken, no submission can
    help.
    """


@lru_cache(maxsize=1)
def _clients() -> Clients:
    return manager_clients()


@lru_cache(maxsize=1)
def _cloud(table: str, topic: str | None) -> AwsManagerCloud:
    return AwsManagerCloud(table, topic, _clients())


@lru_cache(maxsize=1)
def _settings(bucket: str, key: str, sha256: str) -> AnalysisSettings:
    raw = Objects(_clients()).get(bucket, key, _SETTINGS_MAX_BYTES)
    if raw is None or hashlib.sha256(raw).hexdigest() != sha256:
        raise SettingsError(
            f"s3://{bucket}/{key} is "
            f"{'missing' if raw is None else 'not the deployed document'}: deploy the stack again"
        )
    settings = AnalysisSettings.from_json(raw)
    _clients().elsewhere.update(one.bucket for one in settings.outside_buckets)
    return settings


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Process a batch of queue messages. A message fails alone; the others of its batch are done."""
    settings = _settings(*(os.environ[f"NEUROCAAS_SETTINGS_{name}"] for name in ("BUCKET", "KEY", "SHA256")))
    failures = [
        {"itemIdentifier": str(record.get("messageId", ""))}
        for record in event.get("Records", [])
        if not _message_done(record, settings, context)
    ]
    return {"batchItemFailures": failures}


def _message_done(record: Mapping[str, Any], settings: AnalysisSettings, context: Any) -> bool:
    receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    done = True
    for created in objects_created(str(record.get("body", ""))):
        delivery = Delivery(
            created, receives, uuid.uuid4().hex, _function_arn(settings, context), _until(context)
        )
        try:
            cloud = _cloud(settings.ledger_table, settings.topic_arn)
            outcome = process(cloud, settings, _now, delivery)
        except Exception:  # noqa: BLE001 (whatever it is, the other messages of the batch must be processed)
            _write(
                settings,
                delivery,
                Outcome(99, "internal error", again=True),
                level="ERROR",
                traceback=traceback.format_exc(),
            )
            done = False
            continue
        _write(settings, delivery, outcome)
        done = done and not outcome.again
    return done


def _write(settings: AnalysisSettings, delivery: Delivery, outcome: Outcome, **more: str) -> None:
    key, notes = delivery.event.key, delivery.notes
    refused = outcome.exit_code != 0 and not outcome.again
    logline.write(
        "manager",
        f"processing returned exit code {outcome.exit_code}",
        job=(settings.bucket, key.partition("/")[0], notes.timestamp) if notes.timestamp else None,
        bucket=settings.bucket,
        metrics={**notes.metrics, **({logline.REFUSED: 1} if refused else {})},
        stack=settings.stack,
        exit_code=outcome.exit_code,
        detail=outcome.message,
        submission=key,
        receives=delivery.receives,
        again=outcome.again,
        **more,
    )


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _until(context: Any) -> datetime:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return _now() + timedelta(seconds=MANAGER_TIMEOUT if remaining is None else remaining() / 1000 + 1)


def _function_arn(settings: AnalysisSettings, context: Any) -> str:
    return str(getattr(context, "invoked_function_arn", "") or f"{settings.stack} manager")
