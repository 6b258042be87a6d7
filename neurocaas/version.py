"""Which version this is. It is written once, in the project's pyproject.toml."""

import re
from pathlib import Path


def version() -> str:
    """That of the checkout which this package lies in, else that of the installed package; "unknown" for a
    copy without either.
    """
    project = Path(__file__).parents[1] / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    if re.search(r'^name = "neurocaas"$', text, re.MULTILINE) and (
        found := re.search(r'^version = "([^"]+)"$', text, re.MULTILINE)
    ):
        return found[1]
    import importlib.metadata

    try:
        return importlib.metadata.version("neurocaas")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
