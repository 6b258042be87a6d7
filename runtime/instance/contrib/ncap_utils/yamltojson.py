"""Prints the name of a JSON file with the content of a configuration: `python yamltojson.py PATH`.

For scripts of the first implementation, which read the configuration with jq: a .json file is its own answer, for a .yaml or .yml file
a .json file is written beside it. Standard library: the content is that of the job's description; only where there is no job, PyYAML
of the Python that runs this reads the file.
"""

import json
import os
import sys
from pathlib import Path


def main(path: Path) -> int:
    if path.suffix not in (".json", ".yaml", ".yml"):
        sys.stderr.write(f"The configuration: got {path.name}. Allowed: a file *.json, *.yaml or *.yml. Rename it.\n")
        return 65
    made = path.with_suffix(".json")
    if made != path:
        made.write_text(json.dumps(_content(path)), encoding="utf-8")
    print(made.name)  # noqa: T201  (scripts take it as the new $configname)
    return 0


def _content(path: Path) -> object:
    job = os.environ.get("NEUROCAAS_JOB_FILE")
    if job:
        return json.loads(Path(job).read_text(encoding="utf-8"))["config"]
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
