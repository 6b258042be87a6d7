"""Every request is checked on every resource it touches, and on the roles that it passes on.

MiniStack checks one action on one resource. Here a request becomes a list of checks; it passes when all pass.
Source of what is checked: Service Authorization Reference, "Actions, resources, and condition keys for Amazon
EC2 / AWS Lambda / EC2 Image Builder".
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.aws import caller, hooks, tracking


@dataclass(frozen=True)
class Check:
    """One action on one resource. ``context``: condition keys of this resource."""

    action: str
    arn: str
    context: dict[str, Any] = field(default_factory=dict)
    service: str = ""


Expansion = Callable[[tracking.Request, Check], list[Check]]

_denied: contextvars.ContextVar[Check | None] = contextvars.ContextVar("localcloud_denied", default=None)


def pass_role(role_arn: str, service: str) -> Check:
    """The check that the caller may give a role to an AWS service (``ec2.amazonaws.com`` …)."""
    return Check("iam:PassRole", role_arn, {"iam:PassedToService": service}, "iam")


WITH_TOKEN = "sts:AssumeRoleWithWebIdentity"  # noqa: S105  an action


def install(expansions: dict[str, Expansion], believed: Callable[[], bool] = lambda: False) -> None:
    """Check what ``expansions[service]`` makes of a request instead of the request alone. ``believed``:
    whether a call that brings a provider's token in the place of a signature gets as far as the role's trust
    policy.
    """
    evaluator, actions = hooks.iam_evaluator, hooks.iam_actions
    enforce_original, response_original = evaluator.enforce, actions.access_denied_response

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        if iam_action == WITH_TOKEN and not access_key_id and believed():
            return None
        context = dict(service_context or {})
        _denied.set(None)

        def judge(asked: str, action: str, arn: str, keys: dict[str, Any]) -> bool:
            return (
                enforce_original(access_key_id, action, asked, region, resource_arn=arn, service_context=keys)
                is None
            )

        caller.judge.set(judge)
        first = Check(iam_action, resource_arn, context, service)
        request = tracking.current.get()
        expand = expansions.get(service)
        asked = request is not None and (
            request.action == iam_action or request.action in tracking.TRANSACTIONS
        )
        if expand is None or request is None or not asked or evaluator.is_root_access_key(access_key_id):
            return enforce_original(
                access_key_id, iam_action, service, region, resource_arn=resource_arn, service_context=context
            )
        for check in expand(request, first):
            denied = enforce_original(
                access_key_id,
                check.action,
                check.service or service,
                region,
                resource_arn=check.arn,
                service_context=check.context,
            )
            if denied is not None:
                _denied.set(check)
                return denied
        return None

    def response(service: str, action: str, principal_arn: str, request_id: str, **options: Any) -> Any:
        check = _denied.get()
        if check is not None and not options.get("error_code") and service not in ("ssm", "logs"):
            explicit = options.get("explicit_deny", False)
            options["message"] = actions.identity_denial_message(
                check.action, principal_arn, check.arn, explicit
            )
        return response_original(service, action, principal_arn, request_id, **options)

    evaluator.enforce = enforce
    actions.access_denied_response = response
