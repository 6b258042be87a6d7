"""Trying a component document, anybody's, on a clean root: by the runner that local bakes use, with a folder
in the place of S3.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprints import BASE, PARENTS, parent_at
from image_builder.lint.kinds import kind_of
from image_builder.recording.errors import RecordingError
from image_builder.recording.root import CleanRoots

ROOT = Path(__file__).resolve().parents[2]
_ALL = ("build", "validate", "test")


@dataclass(frozen=True)
class Trial:
    """What to run, and how. `objects`: a folder whose `BUCKET/KEY` are the objects of S3; `logs`: where
    AWSTOE's log folder goes.
    """

    document: Path
    phases: tuple[str, ...] = ()
    parameters: Mapping[str, str] | None = None
    parent: str = "ubuntu24"
    objects: Path | None = None
    logs: Path | None = None

    def run(self, roots: CleanRoots, log: Callable[[str], None]) -> dict[str, Any]:
        """The result in the service's words. Raises RecordingError for what cannot be tried."""
        try:
            text = self.document.read_text(encoding="utf-8")
            parent = parent_at(self.parent, ROOT, roots.account, roots.region).for_image_builder
        except (OSError, UnicodeDecodeError) as error:
            raise RecordingError(
                f"{self.document}: {error}", "a component document", "correct the name of --document"
            ) from error
        except ValueError as error:
            raise RecordingError(f"--parent {error}", ", ".join((*PARENTS, BASE)), "choose one") from error
        if self.objects is not None and not self.objects.is_dir():
            raise RecordingError(
                f"no folder {self.objects}", "a folder of buckets", "correct the name of --s3"
            )
        other = kind_of(text)
        if other is not None:
            raise RecordingError(f"{self.document}: {other[0]}", "a component document (AWSTOE)", other[1])
        root = roots.open("trial", parent)
        try:
            log(f"on {root.description}")
            with tempfile.TemporaryDirectory() as folder:
                document = (self.document.name, text)
                more: dict[str, Any] = {
                    "parameters": self.parameters,
                    "objects": self.objects,
                    "logs": Path(folder),
                }
                result = root.run_documents([document], self.phases or _ALL, None, log, **more)
                shown = {key: value for key, value in result.items() if key != "type"}
                shown["logUrl"] = self._kept(Path(folder))
        finally:
            root.close()
        return shown

    def _kept(self, folder: Path) -> str:
        made: Sequence[Path] = sorted(folder.glob("TOE_*"))
        if self.logs is None or not made:
            return ""
        self.logs.mkdir(parents=True, exist_ok=True)
        return str(shutil.copytree(made[0], self.logs / made[0].name))


def pairs(text: str) -> dict[str, str]:
    """`Name=value,Other=value` as a mapping; a value may have commas (`Hosts=a,b,Other=c`). Raises
    RecordingError.
    """
    found: dict[str, str] = {}
    name = ""
    for part in text.split(",") if text else ():
        match = re.fullmatch(r"([A-Za-z0-9_-]+)=(.*)", part, re.DOTALL)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] += f",{part}"
        else:
            raise RecordingError(
                f"--parameters {text!r}",
                "Name=value, several separated by commas",
                "write `--parameters Name=value`",
            )
    return found
