"""Which code a running local cloud was started from."""

import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parent
_TESTS = _ROOT / "tests"
_KINDS = {".py", ".sh", ".json"}


def code_digest() -> str:
    """A digest of this package's files, its tests left out.

    The fleet reads some of them only when a machine starts, so processes of an older checkout would mix two
    versions.
    """
    digest = hashlib.sha256()
    files = (path for path in _ROOT.rglob("*") if path.suffix in _KINDS)
    for file in sorted(path for path in files if _TESTS not in path.parents):
        digest.update(f"{file.relative_to(_ROOT)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
