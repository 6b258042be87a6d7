"""The logs of the Lambdas: one JSON object a line, the same for all of them, and metrics in the same lines.

Every line has `schema_version`, `time` (ISO 8601), `level` (INFO or ERROR), `service` (manager, monitor or
sweep), `message`; lines about a job have `job` ("bucket/group/timestamp"). Whatever else a line has is a fact
about its event.

CloudWatch makes metrics of lines with an `_aws` member (CloudWatch user guide, "Specification: Embedded
metric format"), so a metric costs no call, and nothing in hours without such a line. All are in the namespace
NeuroCAAS with one dimension, the bucket: it tells the stacks of an analysis apart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from neurocaas.protocol.keys import JobId

SCHEMA_VERSION = 1
NAMESPACE = "NeuroCAAS"
DIMENSION = "Bucket"

REFUSED = "SubmissionsRefused"
BUDGET_USED = "BudgetUsed"
SUCCEEDED = "JobsSucceeded"
FAILED = "JobsFailed"
OVERTIME = "MachinesOverLifetime"
UNITS = {REFUSED: "Count", BUDGET_USED: "Percent", SUCCEEDED: "Count", FAILED: "Count", OVERTIME: "Count"}
"""Every metric, with its unit. BudgetUsed: the part of a group's budget of the month that is spent or
reserved, after a submission.
"""


def line(
    service: str,
    message: str,
    *,
    level: str = "INFO",
    job: JobId | None = None,
    bucket: str | None = None,
    metrics: Mapping[str, float] | None = None,
    **facts: Any,
) -> str:
    """One line, without its end. `job`: bucket, group and timestamp. `metrics` need a `bucket`; default that
    of the job.
    """
    now = datetime.now(timezone.utc)
    entry: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "time": now.isoformat(timespec="milliseconds"),
        "level": level,
        "service": service,
        "message": message,
        **({"job": "/".join(job)} if job else {}),
        **facts,
    }
    if metrics:
        where = bucket or (job[0] if job else None)
        if where is None:
            raise ValueError(f"the metrics {', '.join(metrics)} are of no bucket")
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [[DIMENSION]],
            "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in sorted(metrics)],
        }
        entry |= {
            DIMENSION: where,
            **metrics,
            "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]},
        }
    return json.dumps(entry, ensure_ascii=False, default=str)


def write(service: str, message: str, **about: Any) -> None:
    """Write a line (see `line`) where Lambda takes logs from. In one piece: a line that is cut in two is no
    JSON.
    """
    sys.stdout.write(line(service, message, **about) + "\n")
    sys.stdout.flush()
