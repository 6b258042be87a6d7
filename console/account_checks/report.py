"""How the checks are told: lines for people, and one JSON object (docs/schema/account.json)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from console.account_checks.model import AccountCheck, CheckVerdict
from console.shareable import shareable, shareable_document

SCHEMA_VERSION = 1
_MARGIN = 29


def document(cloud: str, region: str, checks: Sequence[AccountCheck]) -> dict[str, Any]:
    """What `--json` prints; it names no account, so that it can be sent to others."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "account",
        "ok": sound(checks),
        "cloud": shareable(cloud),
        "region": region,
        "checks": [shareable_document(check.to_dict()) for check in checks],
    }


def sound(checks: Sequence[AccountCheck]) -> bool:
    """Whether nothing was found on which a deploy or a job would fail."""
    return not any(check.verdict is CheckVerdict.FAIL for check in checks)


def text(checks: Sequence[AccountCheck]) -> str:
    """The same for people. What could not be asked has lines of its own and is counted."""
    from console.layout import labelled

    lines = []
    for check in checks:
        label = f"{check.verdict:<8} {check.name}"
        lines.append(labelled(label, shareable(check.got), _MARGIN).removeprefix("  "))
        if check.verdict is not CheckVerdict.OK:
            lines.append(labelled("", f"allowed: {shareable(check.allowed)}", _MARGIN))
            lines.append(labelled("", f"do: {shareable(check.do)}", _MARGIN))
    count = Counter(check.verdict for check in checks)
    told = ", ".join(f"{count[verdict]} {verdict}" for verdict in CheckVerdict if count[verdict])
    return "\n".join([*lines, "", told])
