"""Prints the name of a JSON file with the content of a configuration: `python yamltojson.py PATH`.

For scripts of the first implementation, which read the configuration with jq: a .json file is its own answer,
for a .yaml or .yml file a .json file is written beside it. Standard library, Python 3.7.
"""

import json
import sys
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent)]

from contrib_commands.config import content  # type: ignore[import-not-found]  # noqa: E402  (its folder is put on the path first)


def main(path: Path) -> int:
    if path.suffix.lower() not in (".json", ".yaml", ".yml"):
        sys.stderr.write(
            f"The configuration: got {path.name}. Allowed: a file *.json, *.yaml or *.yml. Rename it.\n"
        )
        return 65
    made = path if path.suffix == ".json" else path.with_suffix(".json")
    if made != path:
        made.write_text(json.dumps(content(path)), encoding="utf-8")
    print(made.name)  # noqa: T201  (scripts take it as the new $configname)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
