"""What the tour submits: the guide's mock analysis, and the diffusion-tensor fit on two recordings."""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.errors import UserError


@dataclass(frozen=True)
class TourSample:
    """One analysis of the tour. `baked`: its machines need an image of their own. `recordings`: which of the
    blueprint's sample data.
    """

    analysis: str
    config: Mapping[str, Any]
    baked: bool
    recordings: tuple[str, ...] = ()

    @property
    def stack(self) -> str:
        return f"{self.analysis}-webdev"

    def data(self, root: Path, folder: Path) -> list[Path]:
        """The datasets as files in `folder`: recordings from the blueprint's own sample_data.py, or a line of
        text.
        """
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
            raise UserError(
                str(error), "the recordings that the blueprint names", "see above, then try again"
            ) from error

    def numbers(self, results: Path) -> list[str]:
        """The results as lines: the numbers in the JSON files that the analysis wrote, a line for each group
        of them, and its figures.
        """
        lines = []
        made = results / "process_results"
        for path in sorted(made.rglob("*.json")):
            if path.name.endswith("_config.json"):
                continue  # the job's own config, copied beside the results
            dataset = path.parent.name if path.parent != made else path.stem
            lines += [f"{dataset}  {name}: {text}" for name, text in _groups(json.loads(path.read_text()))]
        return lines + [f"figure: {path}" for path in sorted(made.rglob("*.png"))]


def _groups(value: Any, name: str = "numbers") -> Iterator[tuple[str, str]]:
    """Every mapping with numbers in it, by its name and as text."""
    if not isinstance(value, dict):
        return
    numbers = {
        key: one for key, one in value.items() if isinstance(one, (int, float)) and not isinstance(one, bool)
    }
    numbers.pop("schema_version", None)
    if numbers:
        yield name, ", ".join(f"{key} {one:g}" for key, one in numbers.items())
    for key, inner in value.items():
        yield from _groups(inner, str(key))


SAMPLES = (
    TourSample("analysis", {"wait": 5}, baked=False),
    TourSample("dti", {"fit_method": "WLS"}, baked=True, recordings=("small_64D", "small_25")),
)
