"""Resource options that every component uses in the same way."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi


def child(
    parent: pulumi.Resource,
    *,
    depends_on: Sequence[pulumi.Resource] = (),
    ignore_changes: Sequence[str] | None = None,
    protect: bool | None = None,
    retain_on_delete: bool | None = None,
    deleted_with: pulumi.Resource | None = None,
) -> pulumi.ResourceOptions:
    """Options of a child: the provider comes down from the parent. Only what the program needs is offered."""
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(depends_on) or None,
        ignore_changes=list(ignore_changes) if ignore_changes else None,
        protect=protect,
        retain_on_delete=retain_on_delete,
        deleted_with=deleted_with,
    )
