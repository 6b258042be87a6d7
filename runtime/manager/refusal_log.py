"""What EC2 says when it refuses a launch, in the function's log: the group's certificate has the code alone,
since the text may tell of the account what is none of a group's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from neurocaas.protocol import logline
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.tags import BUCKET, GROUP, JOB
from runtime.manager import refusals
from runtime.manager.port import LaunchError, LaunchRequest

_ENCODED = re.compile(r"Encoded authorization failure message: ([\w+/=-]+)")
_MOST = 16_000
"""Characters of a decoded message that are logged: it has the policies that matched."""


def write(sts: Callable[[], Any], request: LaunchRequest, error: LaunchError) -> None:
    """One line: the code, EC2's words, what was asked for, and which right was lacking, where the words hide
    that and the manager may have it decoded."""
    tags = request.tags
    usual = refusals.elsewhere(error) or refusals.paced(error)
    logline.write(
        "manager",
        "RunInstances was refused",
        level="INFO" if usual else "ERROR",
        job=JobId(*(tags.get(name, "") for name in (BUCKET, GROUP, JOB))),
        detail=_ENCODED.sub("", error.text).strip(),
        code=error.code,
        instance_type=request.instance_type,
        market=request.market,
        zone=request.zone,
        machines=request.count,
        **_decoded(sts, error.text),
    )


def _decoded(sts: Callable[[], Any], text: str) -> dict[str, str]:
    """The encoded message of a text, in words where possible."""
    found = _ENCODED.search(text)
    if found is None:
        return {}
    try:
        answer = sts().decode_authorization_message(EncodedMessage=found[1])
    except (ClientError, BotoCoreError):
        return {"encoded": found[1]}
    return {"decoded": str(answer["DecodedMessage"])[:_MOST]}
