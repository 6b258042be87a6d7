"""What every sign-in shares: how a person is sent to a page, and what is said when a sign-in is over."""

from __future__ import annotations

import sys
from collections.abc import Callable

from neurocaas.errors import AnalysisError
from neurocaas.protocol.printable import printable

Show = Callable[[str], None]
"""Tells a person something about a sign-in that is under way."""


class SignedOut(AnalysisError):
    """A sign-in that there is not, or that has expired: only the person can renew it."""

    def __init__(self, profile: str, got: str) -> None:
        named = f" --name {profile}" if profile else ""
        super().__init__(got, "a sign-in that has not expired", f"sign in again: `neurocaas login{named}`")


def show(text: str) -> None:
    """On standard error: a program may read what the command prints."""
    sys.stderr.write(printable(text, keep="\n") + "\n")


def ask(text: str) -> None:
    """A question, without an end of line."""
    sys.stderr.write(text)
    sys.stderr.flush()


def open_page(address: str) -> None:
    """In the person's browser, when there is one. The address is said as well, so nothing depends on it."""
    import webbrowser

    try:
        webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return
