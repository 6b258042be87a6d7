"""``{{ context:key }}``: what a document may ask about its execution (Image Builder User Guide, "Use context
variables").
"""

import platform
import time
import uuid
from collections.abc import Callable

from localcloud.images.awstoe.transfer import Aws


def _release(key: str) -> str:
    try:
        return platform.freedesktop_os_release().get(key, "")
    except OSError:
        return ""


def _account(aws: Aws) -> str:
    return str(aws.metadata("dynamic/instance-identity/document", "accountId"))


CONTEXT: dict[str, Callable[[Aws, str, str, str], str]] = {
    "executionId": lambda aws, execution, phase, step: execution,
    "accountId": lambda aws, execution, phase, step: _account(aws),
    "region": lambda aws, execution, phase, step: aws.region,
    "osPlatform": lambda aws, execution, phase, step: "linux",
    "osName": lambda aws, execution, phase, step: _release("NAME"),
    "osVersion": lambda aws, execution, phase, step: _release("VERSION_ID"),
    "date": lambda aws, execution, phase, step: time.strftime("%Y-%m-%d", time.gmtime()),
    "dateTime": lambda aws, execution, phase, step: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    "uuid": lambda aws, execution, phase, step: str(uuid.uuid4()),
    "hostname": lambda aws, execution, phase, step: platform.node(),
    "phase": lambda aws, execution, phase, step: phase,
    "step": lambda aws, execution, phase, step: step,
}
"""Key -> its value, from the execution's id and the names of phase and step. May raise ActionError."""
