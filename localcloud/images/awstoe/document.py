"""Component documents: what they are, and reading them."""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

DEFAULT_TIMEOUT = 7200


class InvalidDocument(Exception):
    """``problems``: every mistake found, each with what was got, what is allowed and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Step:
    """One step. ``timeout`` is seconds or None for no limit; ``inputs`` is as written, references
    unresolved.
    """

    name: str
    action: str
    inputs: Any
    timeout: int | None = DEFAULT_TIMEOUT
    on_failure: str = "Abort"
    attempts: int = 1
    condition: Any = None
    loop: Any = None
    disable_logging: bool = False


@dataclass(frozen=True)
class Phase:
    """A named list of steps."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Document:
    """A document whose structure is right. ``values`` holds constants, and parameters with their given or
    default values.
    """

    name: str
    phases: tuple[Phase, ...]
    values: dict[str, str] = field(default_factory=dict)

    def phase(self, name: str) -> Phase | None:
        """The phase called ``name``, or None."""
        return next((phase for phase in self.phases if phase.name == name), None)


def read(text: str, name: str) -> dict[str, Any]:
    """The mapping that a document's text is, unchecked. Every scalar is a string, so that ``0644`` and
    ``1.10`` stay what they are.

    Raises InvalidDocument.
    """
    try:
        raw = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (makes nothing but texts)
        json.dumps(raw)
    except yaml.YAMLError as error:
        raise InvalidDocument(
            [
                f"{name}: not YAML: {' '.join(str(error).split())}. Write a component document with "
                "schemaVersion and phases."
            ]
        ) from error
    # json's word for a value that contains itself, or a key that is no text
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidDocument(
            [f"{name}: got an alias that contains itself; allowed: values that end. Write the values out."]
        ) from error
    if not isinstance(raw, dict):
        raise InvalidDocument(
            [
                f"{name}: got {type(raw).__name__}; allowed: a mapping with schemaVersion and phases. Write "
                "a "
                "component document."
            ]
        )
    return raw
