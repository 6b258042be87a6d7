"""Sizes, money, durations and dates as people read them, everywhere in the same way.

A value is never written as nothing where it is something: 12 bytes are no `0.000 GB`, and a run that cost
$0.0004 did not cost `$0.00`. Units are decimal (1 kB is 1000 bytes), as of disks and of networks.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

from neurocaas.protocol.problems import InvalidInput, Problem, shown

_PREFIXES = ("k", "M", "G", "T", "P", "E")
_SCALES = ((86400, "day", "days", 3600), (3600, "h", "h", 60), (60, "min", "min", 1))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NEXT = {3600: "h", 60: "min", 1: "s"}

DURATION_ALLOWED = "a time such as 45s, 30m, 4h or 2d"
SIZE_ALLOWED = "a size such as 64 MiB, 20 GiB or 1.5 TB"
_DURATION = re.compile(r"([0-9]{1,9}) ?(s|m|min|h|d|w)")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([kKMGTP]i?)?B")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def size(count: float) -> str:
    """`1 byte`, `999 bytes`, `1.2 MB`."""
    whole = round(count)
    if whole < 1000:
        return f"{whole} byte{'' if whole == 1 else 's'}"
    return scaled(count, "B")


def scaled(count: float, unit: str) -> str:
    """A number with a decimal prefix: `1.0 kB`, `12.3 MB`."""
    power = 1
    while power < len(_PREFIXES) and round(count / 1000**power, 1) >= 1000:
        power += 1
    return f"{count / 1000**power:.1f} {_PREFIXES[power - 1]}{unit}"


def rate(count: float, seconds: float) -> str:
    """So many bytes in so many seconds: `4.0 MB/s`; "" where no time has passed."""
    return f"{size(count / seconds)}/s" if seconds > 0 else ""


def money(usd: float) -> str:
    """Dollars: in cents, and finer below ten of them, to two digits that say something."""
    if usd < 0:
        return f"-{money(-usd)}"
    if usd == 0 or usd >= 0.1:
        return f"${usd:,.2f}"
    if usd < 0.00005:
        return "less than $0.0001"
    digits = max(2, 1 - math.floor(math.log10(usd)))
    return price(round(usd, min(digits, 4)))


def price(usd: float) -> str:
    """A price for one of something (an hour, a GiB): as exact as it is told, to four digits: `$0.096`."""
    text = f"{usd:,.4f}".rstrip("0")
    whole, _, digits = text.partition(".")
    return f"${whole}.{digits:0<2}"


def duration(seconds: float | None, *, tenths: bool = False) -> str:
    """`7 s`, `1 min 5 s`, `2 h 3 min`, `3 days 4 h`; "" when unknown. With `tenths`, `0.3 s` below a
    minute, `less than 0.1 s`."""
    if seconds is None:
        return ""
    if tenths and round(seconds, 1) < 60:
        return f"{seconds:.1f} s" if round(seconds, 1) else "less than 0.1 s"
    whole = round(seconds) if tenths else int(seconds)
    for length, one, several, below in _SCALES:
        if whole >= length:
            count, rest = divmod(whole, length)
            more = f" {rest // below} {_NEXT[below]}" if rest // below else ""
            return f"{count} {one if count == 1 else several}{more}"
    return f"{whole} s"


def brief_time(time: datetime | None, now: datetime | None = None) -> str:
    """The same in few columns: `30 Nov 21:05`, or `31 Jan 2025` when that was long ago."""
    if time is None:
        return ""
    local = time.astimezone()
    long_ago = abs((now or datetime.now(timezone.utc)) - time) > timedelta(days=300)
    return (
        f"{local.day} {_MONTHS[local.month - 1]} {local:%Y}"
        if long_ago
        else (f"{local.day} {_MONTHS[local.month - 1]} {local:%H:%M}")
    )


def minute(time: datetime | None) -> str:
    """A time as this computer's clock shows it, to the minute: `2026-11-30 21:05`; "" when unknown."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else ""


def seconds_of(text: str) -> int:
    """The seconds of a time as people write it: `45s`, `30m`, `4h`, `2d`. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"got {text!r}; allowed: {DURATION_ALLOWED}")
    return int(found[1]) * _SECONDS[found[2]]


def brief(seconds: int) -> str:
    """A time as `seconds_of` reads it, in its largest whole unit: `45s`, `30m`, `4h`, `2d`."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def duration_field(field: str, value: object, *, most: int, do: str, least: int = 0) -> int:
    """The seconds of a field of a document, from `least` to `most`. Raises InvalidInput, in three parts."""
    try:
        seconds = seconds_of(value) if isinstance(value, str) else -1
    except ValueError:
        seconds = -1
    if not least <= seconds <= most:
        allowed = f"{DURATION_ALLOWED}, from {brief(least)} to {brief(most)}"
        raise InvalidInput([Problem(field, shown(value), allowed, do)])
    return seconds


def size_field(field: str, value: object, *, most: int, do: str, least: int = 0) -> int:
    """The bytes of a field of a document, from `least` to `most`. Raises InvalidInput, in three parts."""
    try:
        count = bytes_of(value) if isinstance(value, str) else -1
    except ValueError:
        count = -1
    if not least <= count <= most:
        raise InvalidInput([Problem(field, shown(value), f"{SIZE_ALLOWED}, up to {size(most)}", do)])
    return count


def bytes_of(text: str) -> int:
    """The bytes of a size as people write it: `64 MiB` (1024 times 1024 each), `20 GB` (1000 times 1000 times
    1000 each). Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"got {text!r}; allowed: {SIZE_ALLOWED}")
    prefix = found[2] or ""
    power = "kMGTP".index(prefix[0].replace("K", "k")) + 1 if prefix else 0
    return round(float(found[1]) * float(1024 if prefix.endswith("i") else 1000) ** power)
