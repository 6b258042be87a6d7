"""The project of a run: a copy with one analysis of its own, whose name nobody else has. It stays until all
that the run has made is gone, so that a run that was killed can be taken away.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from demo.playground import copied

FOLDER = Path("results") / "smoke"
SAMPLE = Path(__file__).parent / "sample"
GROUP = "smoke"
_RECORD = "run.json"
_MARK = "provision/10-mark.sh"
_FIRST = {"market": "on-demand", "seal": "first"}


@dataclass
class RunRecord:
    """What a later `--remove` must know. `made_utils`: whether the resources of utils are this run's own;
    `began`: the stacks that it has made in the backend, which are taken out again."""

    run: str
    budget_usd: float
    made_utils: bool = False
    region: str = ""
    began: list[str] = field(default_factory=list)


class RunPlace:
    """The folder of a run, with the record, the copy of the project and the logs."""

    def __init__(self, root: Path, record: RunRecord) -> None:
        self.root, self.record = root, record
        self.folder = root / FOLDER / record.run
        self.project = self.folder / "project"
        self.logs = self.folder / "logs"

    @property
    def analysis(self) -> str:
        return f"smoke-{self.record.run}"

    @property
    def stack(self) -> str:
        return f"{self.analysis}-webdev"

    @property
    def blueprint(self) -> Path:
        return self.project / "blueprints" / self.analysis

    def make(self) -> None:
        """Copy the project, and put the run's analysis in the place of all others. Groups and users of
        groups.yaml are not made; the settings of `utils` hold, but nothing is protected."""
        copied(self.root, self.project)
        (self.project / ".venv").symlink_to(sys.prefix)
        (self.project / "groups.yaml").unlink(missing_ok=True)
        for folder in (self.project / "blueprints").iterdir():
            if (folder / "blueprint.yaml").is_file():
                shutil.rmtree(folder)
        settings = self.root / "stacks" / "Pulumi.utils.yaml"
        if settings.is_file():
            shutil.copy2(settings, self.project / "stacks" / settings.name)
        self._write_analysis()
        self.save()

    def _write_analysis(self) -> None:
        values = {
            "NAME": self.analysis,
            "BUDGET": f"{self.record.budget_usd:g}",
            "MARKET": _FIRST["market"],
            "SEAL": f"{self.analysis}-{_FIRST['seal']}",
        }
        shutil.copytree(SAMPLE, self.blueprint)
        for name in ("blueprint.yaml", _MARK):
            file = self.blueprint / name
            text = file.read_text(encoding="utf-8")
            for word, value in values.items():
                text = text.replace(word, value)
            file.write_text(text, encoding="utf-8")

    def change(self) -> None:
        """Spot machines, and another mark on the image, which makes another recipe. Baked images stay."""
        for name, before, after in (
            ("blueprint.yaml", f"market: {_FIRST['market']}", "market: spot"),
            (_MARK, f"{self.analysis}-{_FIRST['seal']}", f"{self.analysis}-second"),
        ):
            file = self.blueprint / name
            file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _RECORD).write_text(json.dumps(asdict(self.record), indent=2) + "\n")

    def forget(self) -> None:
        """The copy is no longer needed: nothing of the run is left."""
        shutil.rmtree(self.project, ignore_errors=True)
        (self.folder / _RECORD).unlink(missing_ok=True)


def new(root: Path, budget_usd: float) -> RunPlace:
    """A run with a name that no other has."""
    return RunPlace(root, RunRecord(secrets.token_hex(3), budget_usd))


def stored(root: Path, run: str) -> RunPlace:
    """A run that was not taken away. Raises UserError when there is none of that name."""
    from console.errors import UserError

    try:
        return RunPlace(root, RunRecord(**json.loads((root / FOLDER / run / _RECORD).read_text())))
    except (OSError, ValueError, TypeError):
        left = sorted(file.parent.name for file in (root / FOLDER).glob(f"*/{_RECORD}"))
        raise UserError(
            f"--remove {run}", f"runs that have left something here: {', '.join(left) or 'none'}", "name one"
        ) from None
