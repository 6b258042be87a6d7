"""What a developer's console knows of a development instance, kept in a file: closing the console loses
nothing.

The file lies in the user's state folder (`$XDG_STATE_HOME`, default `~/.local/state`), never in the project,
one for each developer, analysis, account, region and endpoint.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1


def state_file(analysis: str, *identity: str) -> Path:
    """The file of an analysis; `identity` is everything else that makes it another instance."""
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:12]
    # a relative value is ignored, as the XDG base directory specification says
    configured = os.environ.get("XDG_STATE_HOME", "")
    home = Path(configured) if configured.startswith("/") else Path.home() / ".local" / "state"
    return home / "neurocaas" / "dev" / f"{analysis}-{digest}.json"


@dataclass
class DevelopmentState:
    """`instance` is the current one, `instance_hist` are those before it. `saved`: nothing was done on it
    since its last image.
    `ami_hist` are the images made, `commands` the test jobs submitted, oldest first. `opened`: addresses that
    may reach port 22."""

    instance: str | None = None
    saved: bool = False
    instance_hist: list[str] = field(default_factory=list)
    ami_hist: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "DevelopmentState":
        """What the file says; a missing file, or one of another version, says nothing."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document.pop("schema_version") == SCHEMA_VERSION:
                return cls(**document)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass
        return cls()

    def save(self, path: Path) -> None:
        """Replace the file in one step, readable by its owner only."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"schema_version": SCHEMA_VERSION, **asdict(self)}, file, indent=1)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
