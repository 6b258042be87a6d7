"""What is said beside a result: library and commands alike, on standard error."""

import sys

from neurocaas.layout import edge, wrapped
from neurocaas.protocol.printable import printable


def note(text: str) -> None:
    """Beside the result: standard error."""
    sys.stderr.write(wrapped(printable(text), edge(sys.stderr)) + "\n")
