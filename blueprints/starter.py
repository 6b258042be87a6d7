"""A new analysis from the starter blueprint: `invoke configure NAME`."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path

from blueprints.finding import finding
from blueprints.model import FILE, UTILS
from blueprints.parents import BASE
from runtime.protocol import yaml12
from runtime.protocol.names import ANALYSIS_NAME
from runtime.protocol.problems import InvalidInput, Problem, shown

STARTER = "analysis"
NAME_RULE = "Names must be 3 to 63 lowercase letters, digits and '-', with a letter or digit at both ends"
_RESERVED = {UTILS: "the stack of this one is shared by all analyses", BASE: "this is the project's base image"}
"""Names that are taken, and by what."""

_README = """\
# {name}

Made from the starter blueprint; nothing in it is final. In the order of the developer guide (docs/developers.md):

1. `blueprint.yaml`: title, description, `instance.type`, and `parameters`, the JSON Schema of the config file.
2. `run_{name}.sh`: what happens to one dataset. It gets `$inputpath`, `$configpath` and the others from run_main.sh.
3. `provision/*.sh`: what the image needs, in the order of the file names. Baked by `invoke bake-ami --stack {name}-webdev`.
4. `tests/`: a dataset, a config and a submission to try it with: `data.txt` goes to `debuggers/inputs/`, `config.json` to
   `debuggers/configs/`, and `submit.json` last, to `debuggers/submissions/my_submit.json`.

`invoke validate {name}` checks it, `invoke deploy {name}-webdev` deploys it. The bucket is called `{name}` unless `bucket:` says otherwise;
names of buckets are unique in all of AWS.
"""


def check_new_name(name: str, root: Path) -> None:
    """Raises InvalidInput unless `name` can become a folder in blueprints/; nothing is ever overwritten."""
    folder = root / "blueprints" / name
    problems: list[Problem] = []
    if not ANALYSIS_NAME.fullmatch(name):
        problems.append(Problem("analysis name", shown(name), NAME_RULE, f"Choose another name{_proposal(name)}"))
    elif name in _RESERVED:
        allowed = f"any other name: {_RESERVED[name]}"
        problems.append(Problem("analysis name", shown(name), allowed, "Choose another name"))
    elif folder.exists():
        do = "Choose another name; nothing was changed"
        problems.append(Problem("analysis name", f"{name!r}, which already exists", f"a name without a folder blueprints/{name}", do))
    if problems:
        raise InvalidInput(problems)


def _proposal(name: str) -> str:
    """The nearest name that follows the rule, as an addition to a sentence; empty when there is none."""
    near = near_name(name)
    return f", for instance {near}" if near else ""


def near_name(text: str) -> str:
    """The nearest name to `text` that follows the rule, "" when there is none."""
    near = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    return near if ANALYSIS_NAME.fullmatch(near) else ""


def configure(name: str, root: Path) -> list[str]:
    """Makes `blueprints/<name>/` from the starter; the files made, relative to `root`. They appear all at once or not at all.

    Raises InvalidInput for a name that breaks the rule or exists, and when the starter itself is missing.
    """
    check_new_name(name, root)
    starter = root / "blueprints" / STARTER
    if not (starter / FILE).is_file():
        missing = f"no file blueprints/{STARTER}/{FILE}"
        do = f"Restore the starter: git checkout blueprints/{STARTER}"
        raise InvalidInput([finding("", None, (), "file.missing", missing, "the starter blueprint", do)])
    target = root / "blueprints" / name
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".configure-") as scratch:
        made = Path(scratch) / name
        shutil.copytree(starter, made, ignore=shutil.ignore_patterns("__pycache__"))
        _rename(made, name)
        made.rename(target)
    return sorted(str(file.relative_to(root)) for file in target.rglob("*") if file.is_file())


def _rename(folder: Path, name: str) -> None:
    """Puts the name into a copy of the starter. Images baked for the starter are not taken along."""
    blueprint = folder / FILE
    text = blueprint.read_text(encoding="utf-8")
    script = f"run_{name}.sh"
    quoted = name if yaml12.is_text(name) else json.dumps(name)  # 123, 1e3, null and the like are not text in YAML
    for key, value in (("name", quoted), ("title", quoted), ("script", script)):
        text = re.sub(rf"(?m)^{key}:.*$", f"{key}: {value}", text, count=1)
    text = re.sub(r"(?ms)^description: >-\n(?:  .*?\n)+", "description: What it computes, from what, for whom.\n", text, count=1)
    text = re.sub(r"(?m)^  amis:.*\n(?:    .*\n)*", "", text)
    blueprint.write_text(text, encoding="utf-8")
    (folder / f"run_{STARTER}.sh").rename(folder / script)
    own = (folder / script).read_text(encoding="utf-8").replace(f'"$userhome/{STARTER}/', f'"$userhome/{name}/')
    (folder / script).write_text(own, encoding="utf-8")
    (folder / "README.md").write_text(_README.format(name=name), encoding="utf-8")
