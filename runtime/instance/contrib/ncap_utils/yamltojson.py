"""Prints the name of a JSON file with the content of a configuration: `python yamltojson.py PATH`.

For scripts of the first implementation, which read the configuration with jq: a .json file is its own answer, for a .yaml or .yml file
a .json file is written beside it. Standard library: the content is that of the job's description; only where there is no job, PyYAML
of the Python that runs this reads the file.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def main(path: Path) -> int:
    if path.suffix not in (".json", ".yaml", ".yml"):
        sys.stderr.write(f"The configuration: got {path.name}. Allowed: a file *.json, *.yaml or *.yml. Rename it.\n")
        return 65
    made = path.with_suffix(".json")
    if made != path:
        made.write_text(json.dumps(content(path)), encoding="utf-8")
    print(made.name)  # noqa: T201  (scripts take it as the new $configname)
    return 0


def content(path: Path) -> Any:
    """Of a configuration file. In a job its own is known; another that is not JSON takes PyYAML."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    job = os.environ.get("NEUROCAAS_JOB_FILE")
    if job and path.name == os.environ.get("configname"):  # noqa: SIM112  (run_main.sh's)
        return json.loads(Path(job).read_text(encoding="utf-8"))["config"]
    import yaml

    return yaml.safe_load(text)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
