"""Parts of answers that many operations share."""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.aws import hooks
from localcloud.aws.imagebuilder.registry import Record
from localcloud.aws.protocol.restjson import ServiceError


def token(request: Record) -> Record:
    """The client token, which most answers repeat."""
    return {"clientToken": request["clientToken"]} if request.get("clientToken") else {}


def public(record: Record) -> Record:
    """A record without what is ours, with its owner."""
    return {name: value for name, value in record.items() if not name.startswith("_")} | {
        "owner": hooks.account()
    }


def filtered(items: Iterable[Record], request: Record) -> list[Record]:
    """Filters by plain members (``name``, ``version``, ``platform``, ``type``, ``arn`` …)."""
    chosen = list(items)
    for wanted in request.get("filters", []):
        chosen = [
            item for item in chosen if str(item.get(wanted.get("name", ""), "")) in wanted.get("values", [])
        ]
    return chosen


def page(member: str, items: list[Record], request: Record) -> Record:
    """The page that ``maxResults`` and ``nextToken`` ask for, under ``member``."""
    cursor = request.get("nextToken") or "0"
    if not cursor.isdigit():
        raise ServiceError("InvalidPaginationTokenException", "The pagination token is not valid.")
    start, size = int(cursor), request.get("maxResults") or 25
    more = {"nextToken": str(start + size)} if start + size < len(items) else {}
    return {member: items[start : start + size], **more}
