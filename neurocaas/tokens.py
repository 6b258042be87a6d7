"""What a sign-in has given, until it expires: one file each, for its owner only (mode 0600), in the
platform's place for caches. It can be deleted at any time; its owner then signs in again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurocaas.errors import AnalysisError
from neurocaas.places import cache_folder, write_private


def renewable(answer: Mapping[str, Any]) -> dict[str, str]:
    """What botocore's renewing credentials take, of STS's answer to one who takes a role."""
    found = answer["Credentials"]
    return {
        "access_key": found["AccessKeyId"],
        "secret_key": found["SecretAccessKey"],
        "token": found["SessionToken"],
        "expiry_time": found["Expiration"].isoformat(),
    }


class Kept:
    """The content of one file. `names`: what it belongs to, such as an address and a client's id."""

    def __init__(self, *names: str) -> None:
        digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]
        self.path: Path = cache_folder() / "sign-ins" / f"{digest}.json"

    def read(self) -> dict[str, Any]:
        """Empty when there is none, or none that can be read."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, content: Mapping[str, Any]) -> None:
        try:
            write_private(self.path, json.dumps(content))
        except OSError as error:
            raise AnalysisError(
                f"{self.path} cannot be written: {error.strerror}",
                "a folder in which you may write",
                "make room, or correct the folder's rights",
            ) from None

    def remove(self) -> bool:
        """Returns whether there was one."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
            return True
        return False
