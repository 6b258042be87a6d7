"""Trust policies are judged as other policies are: with their variables replaced, and for a provider's token
with the name that the session is to have.

Stock MiniStack leaves ``${aws:username}`` as it is there, and knows ``sts:RoleSessionName`` only of
AssumeRole.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from urllib.parse import parse_qs

from localcloud.aws import hooks, tracking
from localcloud.aws.iam import conditions

SESSION_NAME = "sts:rolesessionname"


def install() -> None:
    """Replace variables in the conditions of trust policies. Install after ``conditions``, whose keys it
    resolves."""
    evaluator = hooks.iam_evaluator
    evaluate_original = evaluator.evaluate_trust_policy

    def evaluate(trust_doc: Any, caller_arn: str, context: Any = None) -> bool:
        if context is not None:
            context = _with_name(context)
            trust_doc = _replaced(trust_doc, context)
        answer: bool = evaluate_original(trust_doc, caller_arn, context)
        return answer

    evaluator.evaluate_trust_policy = evaluate


def _with_name(context: Any) -> Any:
    """The name of the session is a condition key of every call that begins one (IAM user guide, "IAM and AWS
    STS condition context keys")."""
    request = tracking.current.get()
    if context.service_context.get(SESSION_NAME) is not None or request is None:
        return context
    given = request.params.get("RoleSessionName")
    form = parse_qs(request.body.decode("utf-8", "replace")) if not given and request.body else {}
    found = given or form.get("RoleSessionName")
    name = found[0] if isinstance(found, list) and found else found
    if not isinstance(name, str):
        return context
    return dataclasses.replace(context, service_context={**context.service_context, SESSION_NAME: name})


def _replaced(trust_doc: Any, context: Any) -> Any:
    try:
        document = json.loads(trust_doc) if isinstance(trust_doc, str) else trust_doc
    except ValueError:
        return trust_doc
    if not isinstance(document, dict) or "${" not in json.dumps(document):
        return document
    statements = document.get("Statement", [])
    listed = [statements] if isinstance(statements, dict) else statements
    return {
        **document,
        "Statement": [
            {**one, "Condition": conditions.replaced(one["Condition"], context)}
            if isinstance(one, dict) and isinstance(one.get("Condition"), dict)
            else one
            for one in listed
        ],
    }
