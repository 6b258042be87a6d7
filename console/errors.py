"""One place where an exception becomes a message for a person and an exit code.

A task's body may raise whatever its room raises. Exceptions that a person can act on are printed without a
traceback, with exit code 1; anything else is a defect of ours and keeps its traceback.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from invoke.exceptions import Exit

from neurocaas.protocol.printable import printable
from neurocaas.protocol.problems import UserFacingError
from neurocaas.remedies import explained


class UserError(UserFacingError):
    """A mistake in how a task was called, or in what it found."""


def message(error: BaseException) -> str | None:
    """The text for a person, or None when the exception is not one that a person can put right."""
    if hasattr(error, "exit_code"):  # of ours, or of the local cloud, which has no class in common with us
        return str(getattr(error, "told", error))
    told = explained(error)
    return str(told) if told else None


def _shown(text: str) -> str:
    """Lines stay whole where a program may read them."""
    from console.layout import fitted

    return fitted(text) if sys.stderr.isatty() else text


def user_errors(body: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a task's body so that mistakes end in one message and exit code 1 (or the exception's own),
    without a traceback.
    """

    @functools.wraps(body)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return body(*args, **kwargs)
        except Exit:
            raise
        except Exception as error:
            text = message(error)
            if text is None:
                raise
            raise Exit(_shown(printable(f"error: {text}")), code=getattr(error, "exit_code", 1)) from error
        except KeyboardInterrupt:
            raise Exit("interrupted", code=130) from None

    guarded.__signature__ = inspect.signature(body)  # type: ignore[attr-defined]
    return guarded
