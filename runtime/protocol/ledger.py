"""The table of the service (DynamoDB, one for all analyses, in the utility stack).

String partition key `pk`, string sort key `sk`, on-demand billing, encryption, point-in-time recovery.

The manager needs dynamodb:GetItem, UpdateItem and DeleteItem on it, the monitor those and Query. The manager gets the
table's name from its settings (`ledger_table`), the monitor from the environment variable NEUROCAAS_LEDGER_TABLE.

Items:

- open jobs: `pk = "open-job"`, `sk = "{bucket}/{group}/{timestamp}"`. Made when a job is claimed, deleted when it has
  ended, so the sweep reads only what is open. Attributes:
    - `state` S: `starting` or `launched`;
    - `owner` S, `lease` N (epoch seconds): which manager works on it, until when; removed when it is launched;
    - `created` N (epoch seconds), `submission` S (key), `total` N (number of datasets, set with `launched`);
    - `succeeded`, `failed` NS: indexes of the datasets that are final; `instances` SS: machines that have ended;
    - `closed` N (epoch seconds): when the last of them became final.
"""

from __future__ import annotations

OPEN_JOBS = "open-job"
STARTING = "starting"
LAUNCHED = "launched"


def open_job_key(bucket: str, group: str, timestamp: str) -> dict[str, str]:
    """The primary key of a job's item. None of the three parts can contain '/'."""
    return {"pk": OPEN_JOBS, "sk": f"{bucket}/{group}/{timestamp}"}


def parse_open_job_key(sk: str) -> tuple[str, str, str]:
    """`(bucket, group, timestamp)` of an item's sort key."""
    bucket, group, timestamp = sk.split("/")
    return bucket, group, timestamp
