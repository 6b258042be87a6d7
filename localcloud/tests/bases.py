"""The base root that homes of tests share: thousands of files, which each home would make for itself."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from localcloud import private
from localcloud.cache import cache_home, locked
from localcloud.paths import Paths
from localcloud.sandbox import base, sandbox

__all__ = ["detect", "isolated", "share_base"]


def share_base(home: Path) -> Path:
    """Let a new home have the base of this host; the home. Its sandboxes only read it."""
    shared = _base()
    images = Paths(home).images
    private.folder(home)
    private.folder(images)
    if not (images / shared.name).exists():
        (images / shared.name).symlink_to(shared)
    return home


def detect(home: Path) -> sandbox.Host:
    """The best kind of sandbox in a new home, with the base that all share."""
    return sandbox.detect(share_base(home))


def isolated(home: Path) -> sandbox.Host:
    """The same, for a test that needs sandboxes with namespaces; skips it on a host that allows none."""
    host = detect(home)
    if host.mode is sandbox.Mode.PROCESS:
        pytest.skip("this host allows no namespaces: " + "; ".join(host.notes))
    return host


@functools.cache
def _base() -> Path:
    user = os.getuid() != 0
    images = cache_home() / "bases" / ("user" if user else "root")
    with locked(images.with_suffix(".lock"), waiting_for="the base of sandboxes", say=print):
        return base.prepare(images, user_namespace=user)
