"""Text that can be given to strangers: without account ids, ARNs, addresses, keys and names of machines."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

_HIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"arn:aws[a-z-]*:[^\s\"',;)\]}]+"), "<arn>"),
    (re.compile(r"\bhttps?://[^\s\"',;)\]}]+"), "<url>"),
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "<e-mail>"),
    (re.compile(r"(?<![\d.])\d{1,3}(\.\d{1,3}){3}(?![\d.])"), "<ip>"),
    (re.compile(r"\b(AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}"), "<key>"),
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "<account>"),
    (re.compile(r"\bip-\d+-\d+-\d+-\d+\b"), "<host>"),
)


_PERHAPS_IPV6 = re.compile(r"(?<![\w:])[0-9a-f]{1,4}:[0-9a-f:]{3,}(?![\w:])", re.IGNORECASE)


def _ipv6(found: re.Match[str]) -> str:
    """A time of day looks like one, too."""
    try:
        ipaddress.IPv6Address(found[0])
    except ValueError:
        return found[0]
    return "<ip>"


def shareable(text: str, also: Mapping[str, str] | None = None) -> str:
    """The text with such words replaced. `also`: words of this run to replace, and by what."""
    for word, instead in sorted((also or {}).items(), key=lambda pair: -len(pair[0])):
        text = text.replace(word, instead) if word else text
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return _PERHAPS_IPV6.sub(_ipv6, text)


def shareable_document(value: Any, also: Mapping[str, str] | None = None) -> Any:
    """The same for every text of a JSON document."""
    if isinstance(value, str):
        return shareable(value, also)
    if isinstance(value, Mapping):
        return {name: shareable_document(one, also) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shareable_document(one, also) for one in value]
    return value


def masked_account(account: str) -> str:
    """Enough of an account's id to recognize one's own."""
    return f"...{account[-4:]}"
