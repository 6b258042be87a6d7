"""Which service is at fault when a step did not come out: those that do not answer, and what of the stack is
not as it was deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from console.health import CheckState
from console.stack_health import checks
from smoke.bench import Bench

READS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "cloudwatch": ("describe_alarms", {"MaxRecords": 1}),
    "dynamodb": ("list_tables", {"Limit": 1}),
    "ec2": ("describe_regions", {}),
    "events": ("list_rules", {"Limit": 1}),
    "iam": ("get_account_summary", {}),
    "imagebuilder": ("list_image_pipelines", {"maxResults": 1}),
    "kms": ("list_keys", {"Limit": 1}),
    "lambda": ("list_functions", {"MaxItems": 1}),
    "logs": ("describe_log_groups", {"limit": 1}),
    "s3": ("list_buckets", {}),
    "sns": ("list_topics", {}),
    "sqs": ("list_queues", {"MaxResults": 1}),
    "ssm": ("describe_parameters", {"MaxResults": 1}),
}
"""A call of each service in use that reads little."""


def silent(bench: Bench) -> list[str]:
    """The services that do not answer a simple question, with what they say instead."""
    with ThreadPoolExecutor(4) as pool:
        said = pool.map(lambda service: _asked(bench, service), READS)
    return [f"{service} ({answer})" for service, answer in zip(READS, said, strict=True) if answer]


def _asked(bench: Bench, service: str) -> str:
    operation, arguments = READS[service]
    try:
        getattr(bench.make(service), operation)(**arguments)
    except Exception as error:  # noqa: BLE001  (what it is, is the finding)
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        return str(code or type(error).__name__)
    return ""


def differences(bench: Bench) -> list[str]:
    """What `invoke doctor STACK` would say is wrong; nothing of a stack that was not deployed."""
    if not bench.outputs:
        return []
    found = checks(bench.engine, bench.place.stack, lambda service, **_: bench.make(service))
    return [f"{one.name}: {one.found}" for one in found if one.state is CheckState.BAD]


def told(bench: Bench) -> str:
    """Both, as one text; "" when all answer and nothing differs."""
    parts = []
    if names := silent(bench):
        parts.append(f"services that do not answer: {', '.join(names)}")
    else:
        try:
            parts += differences(bench)
        except Exception as error:  # noqa: BLE001  (a diagnosis that fails is no second failure)
            parts.append(f"the stack cannot be looked at: {type(error).__name__}")
    return "; ".join(parts)
