"""Service Quotas, as far as clients ask before they start machines: how many virtual CPUs may run at once.

The local cloud itself sets no such limit (``localcloud.aws.ec2.capacity`` can); the answers are those of a
large account.
"""

from __future__ import annotations

import json
from typing import Any

from localcloud.aws import hooks

SERVICE = "servicequotas"
_TARGET = "ServiceQuotasV20190624"
_VCPUS = 10_000.0
_QUOTAS = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-417A185B": "Running On-Demand P instances",
    "L-1945791B": "Running On-Demand Inf instances",
    "L-2C3B7624": "Running On-Demand Trn instances",
    "L-7295265B": "Running On-Demand X instances",
}
"""Of EC2 ("On-Demand Instance quotas", EC2 user guide)."""


async def handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
) -> hooks.Reply:
    """A handler of MiniStack."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation not in ("GetServiceQuota", "ListServiceQuotas"):
        return _refusal("ServiceException", f"The local cloud does not offer {operation} of Service Quotas.")
    request = json.loads(body or b"{}")
    known = _QUOTAS if request.get("ServiceCode") == "ec2" else {}
    if operation == "ListServiceQuotas":
        return _reply(200, {"Quotas": [_quota(code) for code in known]})
    if request.get("QuotaCode") not in known:
        return _refusal("NoSuchResourceException", "The specified resource does not exist.")
    return _reply(200, {"Quota": _quota(request["QuotaCode"])})


def _quota(code: str) -> dict[str, Any]:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{hooks.region()}:{hooks.account()}:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": _QUOTAS[code],
        "Value": _VCPUS,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _refusal(code: str, message: str) -> hooks.Reply:
    return _reply(400, {"__type": code, "Message": message})


def _reply(status: int, answer: dict[str, Any]) -> hooks.Reply:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()


def install() -> None:
    hooks.router.SERVICE_PATTERNS[SERVICE] = {
        "target_prefixes": [_TARGET],
        "host_patterns": [rf"{SERVICE}\."],
    }
    hooks.handlers()[SERVICE] = handle
    hooks.iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
