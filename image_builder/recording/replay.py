"""Replaying scripts on a clean root, through the documents that a bake would run, and what came of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueprints import Imaged, parent_of
from blueprints.provision import Provision
from image_builder import archive, documents
from image_builder.recording import inventory
from image_builder.recording.inventory import Difference, Inventory
from image_builder.recording.root import CleanRoot, CleanRoots
from image_builder.recording.verification import accepted, digest_of

MANIFEST = "manifest.json.gz"
"""Name of the recorded root's manifest in `CleanRoots.folder`."""

_EVERY_SECONDS = 2.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Verdict:
    """How a replay ended. `differences` has the harmless ones too (`cache`); `against`: what the replay was
    compared with.
    """

    failure: str | None
    differences: tuple[Difference, ...]
    against: str
    root: str
    seconds: float
    when: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    @property
    def real(self) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if difference.cache is None)

    @property
    def reproduces(self) -> bool:
        return self.failure is None and not self.real

    @property
    def words(self) -> str:
        """The verdict as a phrase."""
        if self.failure is not None:
            return f"does not replay: {self.failure}"
        count = len(self.real)
        return "reproduces" if not count else f"reproduces with {count} difference{'s' if count > 1 else ''}"

    def as_json(self) -> dict[str, Any]:
        """What is stored and printed; harmless differences as a number a kind."""
        kinds = [difference.cache for difference in self.differences if difference.cache]
        return {
            "verdict": self.words,
            "reproduces": self.reproduces,
            "failure": self.failure,
            "differences": [{"path": difference.path, "what": difference.what} for difference in self.real],
            "known_caches": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
            "against": self.against,
            "root": self.root,
            "seconds": round(self.seconds, 1),
            "when": self.when,
        }


def run(
    root: CleanRoot,
    analysis: str,
    provision: Provision,
    say: Say,
    phases: tuple[str, ...] = ("build", "validate"),
) -> str | None:
    """Run the scripts of some phases on a root. Returns why they failed, in one line, or None."""
    packed: bytes | None = None
    where = None
    if documents.needs_archive(provision):
        packed = archive.pack(provision.material)
        where = documents.Archive("replay", "provision.tar.gz", archive.sha256(packed))
    compiled = [
        document
        for document in documents.compile_documents(analysis, provision, where)
        if document.kind == "build"
    ]
    if not compiled:
        return None

    def heard(line: str) -> None:
        if not line.startswith("Stdout: neurocaas-manifest "):  # the build's own list of packages, packed
            say(line)

    present = [phase for phase in phases if any(script.phase == phase for script in provision.scripts)]
    result = root.run_documents(
        [(document.name, document.data) for document in compiled], present, packed, heard
    )
    if result["status"] != "failed":
        return None
    failure = result.get("failure") or {}
    place = (
        f"{failure['script']} line {failure['line']}: "
        if failure.get("script") and failure.get("line")
        else ""
    )
    return f"{place}{failure.get('text') or failure.get('message') or result.get('failureMessage') or 'it ended without a result'}"  # noqa: E501


def verify(roots: CleanRoots, imaged: Imaged, provision: Provision, say: Say) -> Verdict:
    """Replay on a clean root of the image's parent; compare with the recorded root, or for other scripts with
    a second replay.
    """
    begun = time.monotonic()
    recorded = inventory.load(roots.folder(imaged.name) / MANIFEST, digest_of(imaged, provision))
    against = "the recorded root" if recorded else "a second replay"
    found: list[Inventory] = [recorded] if recorded else []
    described = ""
    while len(found) < 2:
        say(f"replay {len(found) if recorded else len(found) + 1} of {1 if recorded else 2} on a clean root")
        with clean_root(roots, f"verify-{imaged.name}", imaged) as root:
            described = root.description
            failure = run(root, imaged.name, provision, say)
            if failure is not None:
                return Verdict(failure, (), against, described, time.monotonic() - begun)
            say("the scripts ran; now every file is looked at")
            found.append(inventory.take(root.views(), Counter(say)))
    harmless = accepted(imaged.folder / "provision")
    return Verdict(
        None,
        tuple(inventory.compare(found[0], found[1], harmless)),
        against,
        described,
        time.monotonic() - begun,
    )


@contextlib.contextmanager
def clean_root(roots: CleanRoots, name: str, imaged: Imaged, over: Sequence[str] = ()) -> Iterator[CleanRoot]:
    """A fresh root over the image's parent (and kept layers on it, nearest first), thrown away at the end."""
    root = roots.open(name, parent_of(imaged, roots.account, roots.region).for_image_builder, over=over)
    try:
        yield root
    finally:
        root.close()


def save_manifest(root: CleanRoot, folder: Path, recipe_sha256: str, say: Say = lambda line: None) -> None:
    """Keep the manifest of a recorded root for its verification."""
    inventory.save(inventory.take(root.views(), Counter(say)), folder / MANIFEST, recipe_sha256)


class Counter:
    """Says how far reading a root has come, every few seconds."""

    def __init__(self, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._said = clock()

    def __call__(self, count: int) -> None:
        if self._clock() - self._said >= _EVERY_SECONDS:
            self._said = self._clock()
            self._say(f"  {count:,} files looked at")
