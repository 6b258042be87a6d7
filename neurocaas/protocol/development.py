"""What the sides of image development agree on: how a development instance is marked, and where its test jobs
lie.
"""

from __future__ import annotations

from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.tags import ANALYSIS, NAME, OWNER, PRICE_TRACKING, TIMEOUT

TAG = "neurocaas-dev"
"""A machine with this tag (value `On`) belongs to a developer: the sweep stops it when its `Timeout` has
passed, and never ends it.
"""

GROUP = "debuggers"
"""The group whose data development instances may read, and below whose results their test jobs lie (guide,
"Testing a machine image").
"""

IDLE_MINUTES = 30
"""A development instance on which nobody works and nothing runs for so long switches itself off."""


def debug_keys(timestamp: str) -> JobKeys:
    """Keys of a test job: `debuggers/results/debugjob_{timestamp}/…`."""
    return JobKeys(GROUP, f"debugjob_{timestamp}", timestamp=timestamp)


def debug_job_key(keys: JobKeys) -> str:
    """The document of a test job: beside its logs, since developers may not write where the service keeps its
    records.
    """
    return f"{keys.logs_prefix}job.json"


def dev_tags(analysis: str, owner_arn: str, timeout_minutes: int) -> dict[str, str]:
    """Tags of a development instance and its volumes."""
    return {
        PRICE_TRACKING: "On",
        TIMEOUT: str(timeout_minutes),
        OWNER: owner_arn,
        ANALYSIS: analysis,
        TAG: "On",
        NAME: f"{analysis}/development"[:255],
    }
