"""Argument names, types and outputs of each resource type, exactly as the installed `pulumi_aws` has them.

They are derived once per machine, version of `pulumi_aws` and table (`derive`), kept in the user's cache,
and read from there in a millisecond.

Types are strings: `string`, `boolean`, `integer`, `number`, `any`, `asset`, `archive`, `#Name` (a nested
object), and `[T]` / `{T}` for a list / map of `T`; `archive|asset` where both may stand; `document` is a JSON
text or the same as an object.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from localcloud.cache import HomeUnknown, cache_home, content_hash

HERE = Path(__file__).parent
SOURCES = (HERE / "derive.py", HERE / "table.py")
"""What the schema depends on, besides `pulumi_aws`."""


@dataclass(frozen=True)
class ObjectSchema:
    """A nested object: its properties (name to type) and those that must be given."""

    properties: dict[str, str]
    required: frozenset[str]


@dataclass(frozen=True)
class ResourceSchema:
    """A resource type: inputs (name to type), the required ones, all outputs, and outputs that are always
    secret.
    """

    inputs: dict[str, str]
    required: frozenset[str]
    outputs: frozenset[str]
    secrets: frozenset[str]


@dataclass(frozen=True)
class Schema:
    """Resource types by token, nested objects by name."""

    resources: dict[str, ResourceSchema]
    objects: dict[str, ObjectSchema]


_ONE_AT_A_TIME = threading.Lock()
"""The engine's first calls come all at once."""


def load() -> Schema:
    """The schema of the table's types: from the cache, else derived (about a second) and put there."""
    with _ONE_AT_A_TIME:
        return _load()


@functools.cache
def _load() -> Schema:
    raw = json.loads(_text())
    return Schema(
        resources={
            token: ResourceSchema(
                inputs=entry["inputs"],
                required=frozenset(entry["required"]),
                outputs=frozenset(entry["outputs"]),
                secrets=frozenset(entry["secrets"]),
            )
            for token, entry in raw["resources"].items()
        },
        objects={
            name: ObjectSchema(entry["properties"], frozenset(entry["required"]))
            for name, entry in raw["objects"].items()
        },
    )


def _text() -> str:
    try:
        file = cache_home() / "provider-schema" / f"{version('pulumi_aws')}-{content_hash(*SOURCES)}.json"
    except HomeUnknown:
        return _derived()
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8")
    text = _derived()
    with contextlib.suppress(OSError):  # a cache that cannot be written costs a second at each start, no more
        _keep(file, text)
    return text


def _derived() -> str:
    command = [sys.executable, "-W", "ignore", "-m", "localcloud.pulumi.provider.derive"]
    return subprocess.run(command, cwd=HERE.parents[2], stdout=subprocess.PIPE, text=True, check=True).stdout


def _keep(file: Path, text: str) -> None:
    """Write it as a whole: other processes may be at the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as new:
        new.write(text)
    Path(name).replace(file)
