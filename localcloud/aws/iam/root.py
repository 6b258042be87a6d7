"""Only the configured key is root, and its signature is verified like any other.

Stock MiniStack takes ``test``, every 12-digit number and the configured key for root without looking at the
signature, and derives the credentials of a Lambda function from public names. Both would let any process on
this machine act as root.
"""

from __future__ import annotations

import secrets
from typing import Any

from localcloud.aws import hooks


def install(access_key_id: str) -> None:
    """Close the back doors."""

    def is_root(key: str) -> bool:
        return key == access_key_id

    hooks.iam_evaluator.is_root_access_key = is_root
    hooks.sts.is_root_access_key = is_root
    # "May this key's signature stay unchecked?", asked when a request is pinned for its check: never.
    hooks.iam_evaluator._is_root_key = lambda key: False
    credentials = _Credentials().of
    hooks.lambda_runtime.execution_credentials = credentials
    hooks.lambda_svc.execution_credentials = credentials


class _Credentials:
    """Random credentials of execution roles, one set a function and role, made anew at every start."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], dict[str, str]] = {}

    def of(self, config: dict[str, Any]) -> dict[str, str]:
        """The variables that a function's process gets (signature of MiniStack's
        ``execution_credentials``).
        """
        function, role = str(config.get("FunctionArn", "")), str(config.get("Role", ""))
        account, _ = hooks.lambda_runtime._account_region_from_function_config(config)
        made = self._made.get((function, role))
        if made is None:
            made = {
                "AWS_ACCESS_KEY_ID": "ASIA" + secrets.token_hex(8).upper(),
                "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
                "AWS_SESSION_TOKEN": secrets.token_urlsafe(60),
            }
            self._made[(function, role)] = made
        name, session = role.rsplit("/", 1)[-1], str(config.get("FunctionName", "function"))[:64]
        hooks.sts.register_session(
            made["AWS_ACCESS_KEY_ID"],
            {
                "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
                "UserId": f"{hooks.sts._role_id(role)}:{session}",
                "SecretAccessKey": made["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": made["AWS_SESSION_TOKEN"],
            },
        )
        return dict(made)
