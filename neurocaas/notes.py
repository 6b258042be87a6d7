"""What is said beside a result: library and commands alike, on standard error."""

import sys

from neurocaas.protocol.printable import printable


def note(text: str) -> None:
    """Beside the result: standard error."""
    sys.stderr.write(printable(text) + "\n")
