"""Requests are signed with the time that S3 has, where the machine's own clock is wrong and cannot be set."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any


def sign_with(skew: float) -> None:
    """From now on botocore signs with its clock and `skew` seconds. (One without that function keeps its own.)"""
    auth: Any = import_module("botocore.auth")  # only where it is needed: it takes its time
    now = getattr(auth, "get_current_datetime", None)
    if now:
        auth.get_current_datetime = lambda *arguments, **named: now(*arguments, **named) + timedelta(seconds=skew)
