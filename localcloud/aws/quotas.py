"""Service Quotas, as far as clients ask before they start machines: how many virtual CPUs may run at once.

The answers are those of a large account, which the local cloud does not hold anybody to, unless the
account's properties say less (``localcloud.account_properties``).
"""

from __future__ import annotations

import functools
import json
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context

SERVICE = "servicequotas"
_TARGET = "ServiceQuotasV20190624"
_VCPUS = 10_000
_GP3_GIB = 50 * 1024
_EC2 = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-417A185B": "Running On-Demand P instances",
    "L-1945791B": "Running On-Demand Inf instances",
    "L-2C3B7624": "Running On-Demand Trn instances",
    "L-7295265B": "Running On-Demand X instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
    "L-3819A6DF": "All G and VT Spot Instance Requests",
    "L-7212CCBC": "All P Spot Instance Requests",
}
"""Virtual CPUs ("On-Demand Instance quotas" and "Spot Instance quotas", EC2 user guide)."""
_EBS = {"L-7A658B76": "Storage for General Purpose SSD (gp3) volumes, in TiB"}
"""("Quotas for Amazon EBS", EBS user guide)."""
_SERVICES = {
    "ec2": ("Amazon Elastic Compute Cloud (Amazon EC2)", _EC2),
    "ebs": ("Amazon Elastic Block Store (Amazon EBS)", _EBS),
}


async def handle(
    context: Context,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, list[str]],
) -> hooks.Reply:
    """A handler of MiniStack."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation not in ("GetServiceQuota", "ListServiceQuotas"):
        return _refusal("ServiceException", f"The local cloud does not offer {operation} of Service Quotas.")
    request = json.loads(body or b"{}")
    service = request.get("ServiceCode", "")
    _, known = _SERVICES.get(service, ("", {}))
    if operation == "ListServiceQuotas":
        return _reply(200, {"Quotas": [_quota(context, service, code) for code in known]})
    if request.get("QuotaCode") not in known:
        return _refusal("NoSuchResourceException", "The specified resource does not exist.")
    return _reply(200, {"Quota": _quota(context, service, request["QuotaCode"])})


def _quota(context: Context, service: str, code: str) -> dict[str, Any]:
    name, known = _SERVICES[service]
    limits = context.account.now.quotas
    value = limits.get("vcpu", _VCPUS) if service == "ec2" else limits.get("ebs_gib", _GP3_GIB) / 1024
    return {
        "ServiceCode": service,
        "ServiceName": name,
        "QuotaArn": f"arn:aws:servicequotas:{hooks.region()}:{hooks.account()}:{service}/{code}",
        "QuotaCode": code,
        "QuotaName": known[code],
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _refusal(code: str, message: str) -> hooks.Reply:
    return _reply(400, {"__type": code, "Message": message})


def _reply(status: int, answer: dict[str, Any]) -> hooks.Reply:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()


def install(context: Context) -> None:
    """Add the service to MiniStack's table."""
    hooks.router.SERVICE_PATTERNS[SERVICE] = {
        "target_prefixes": [_TARGET],
        "host_patterns": [rf"{SERVICE}\."],
    }
    hooks.handlers()[SERVICE] = functools.partial(handle, context)
    hooks.iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
