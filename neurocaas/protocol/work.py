"""What a job computes, as one digest: two jobs of the same digest have the same code on the same image with
the same configurations over the same data, so their results are the same as far as the analysis is
reproducible.

Of data counts what S3 says of its content (size and ETag), under which name scripts see it, and not where it
lies: an ETag is the MD5 of what was sent in one piece, else of its pieces' digests, and of no content at all
where an object is encrypted with a key of KMS; then only the very same upload is recognised (S3 API
reference, "Object"). So equal digests mean equal data, and unequal ones say nothing. Times, prices, sizes of
machines and disks do not count.

When a job has succeeded, the service notes it under its digest (`work_key`), where its group reads it and
nobody of it writes: a job is never found by another group, and never when it failed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas.protocol.config import SERVICE_KEYS
from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.keys import JOBS
from neurocaas.protocol.pins import Pin
from neurocaas.protocol.status import SUCCESS
from neurocaas.protocol.typed_json import data_of, read

SCHEMA_VERSION = 1
_WHAT = "work"
WORK_MAX_BYTES = 4096


@dataclass(frozen=True)
class DoneWork:
    """`job`: the last job (its timestamp) that has done this work with success."""

    job: str
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> DoneWork:
        """Raises DocumentError for a document of another version or shape."""
        return read(cls, loads(text, _WHAT, SCHEMA_VERSION), _WHAT)


def work_key(group: str, work: str) -> str:
    """Where the service notes which job has done this work."""
    return f"{JOBS}/{group}/work/{work}.json"


def has_succeeded(end: bytes | None) -> bool:
    """Whether this is the `end.txt` of a job of which every dataset has succeeded."""
    return end is not None and end.split(b" ", 1)[0] == SUCCESS.encode()


def content_of(path: str, pins: Sequence[Pin]) -> str:
    """What stands for the content of a dataset: its object, or the objects of the folder `path`."""
    lines = [f"{pin.path.removeprefix(path)}\0{pin.size}\0{pin.etag}" for pin in pins]
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest()


def work_of(code: str, image: str, script: str, runs: Iterable[tuple[str, Mapping[str, Any], str]]) -> str:
    """The digest. `code`: SHA-256 of the code; `image`: the image's id; `runs`: each dataset's name, its
    configuration with the defaults filled in, and `content_of` it. The order of datasets is none of it."""
    texts = dict[int, str]()  # of each mapping once: many datasets share one

    def text(config: Mapping[str, Any]) -> str:
        if id(config) not in texts:
            own = {name: value for name, value in config.items() if name not in SERVICE_KEYS}
            texts[id(config)] = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
        return texts[id(config)]

    kept = [(name, config, content) for name, config, content in runs]  # ids stay those of living mappings
    rows = sorted(f"{name}\0{text(config)}\0{content}" for name, config, content in kept)
    whole = "\n".join(["1", code, image, script, *rows])
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
