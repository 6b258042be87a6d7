"""A job in a notebook: a table that is drawn again in place while the job is followed.

It is HTML in a display of IPython's, which every front end of Jupyter shows and a saved notebook keeps; no
widgets have to be installed on both sides. Outside a notebook nothing here imports IPython.
"""

from __future__ import annotations

import sys
from typing import Any


def in_notebook() -> bool:
    """Whether this is a kernel of Jupyter, to which a page listens; not a terminal, nor a script."""
    shell = sys.modules.get("IPython")
    current = shell.get_ipython() if shell is not None else None
    return getattr(current, "kernel", None) is not None


class NotebookView:
    """What `show` is told of, in one place of the page."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = ""

    def show(self, shown: Any) -> None:
        """Draw what has a `_repr_html_`, where it looks otherwise than before."""
        from IPython.display import HTML, display

        drawn = shown._repr_html_()
        if drawn == self._drawn:
            return
        self._drawn = drawn
        if self._handle is None:
            self._handle = display(HTML(drawn), display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(HTML(drawn))  # type: ignore[no-untyped-call]
