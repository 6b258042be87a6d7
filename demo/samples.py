"""What the tour submits: the guide's mock analysis, and the diffusion-tensor fit on two recordings."""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.errors import UserError


@dataclass(frozen=True)
class Sample:
    """One analysis of the tour. `baked`: its machines need an image of their own. `recordings`: which of the blueprint's sample data."""

    analysis: str
    config: Mapping[str, Any]
    baked: bool
    recordings: tuple[str, ...] = ()

    @property
    def stack(self) -> str:
        return f"{self.analysis}-webdev"

    def data(self, root: Path, folder: Path) -> list[Path]:
        """The datasets as files in `folder`: recordings from the blueprint's own sample_data.py, or a line of text."""
        if not self.recordings:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / "hello.txt"
            path.write_text("The mock analysis waits, whatever it is given.\n")
            return [path]
        source = root / "blueprints" / self.analysis / "sample_data.py"
        spec = importlib.util.spec_from_file_location(f"sample_data_{self.analysis}", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            return list(module.sample_datasets(folder, self.recordings))
        except module.SampleError as error:
            raise UserError(str(error), "the recordings that the blueprint names", "see above, then try again") from error

    def numbers(self, results: Path) -> list[str]:
        """The results as lines: every number in the JSON files that the analysis wrote, and where its figures lie."""
        lines = []
        made = results / "process_results"
        for path in sorted(made.rglob("*.json")):
            if path.name.endswith("_config.json"):
                continue  # the job's own config, copied beside the results
            what = path.parent.name if path.parent != made else path.stem
            lines += [f"{what}: {name} = {value}" for name, value in _numbers(json.loads(path.read_text()))]
        return lines + [f"figure: {path}" for path in sorted(made.rglob("*.png"))]


def _numbers(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [one for key, inner in value.items() for one in _numbers(inner, f"{name}.{key}" if name else str(key))]
    return [(name, value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


SAMPLES = (
    Sample("analysis", {"wait": 5}, baked=False),
    Sample("dti", {"fit_method": "WLS"}, baked=True, recordings=("small_64D", "small_25")),
)
