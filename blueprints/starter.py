"""A new analysis from a starter: `invoke configure NAME`.

The starter of shell scripts is the blueprint `analysis`. Those of other languages are in
`blueprints/starters/`: what they have in common, and a folder for each.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path

from blueprints.finding import finding, meant
from blueprints.model import FILE
from blueprints.reserved import RESERVED
from neurocaas.protocol import yaml12
from neurocaas.protocol.names import ANALYSIS_NAME
from neurocaas.protocol.problems import InvalidInput, Problem, shown

STARTER = "analysis"
SHELL = "shell"
LANGUAGES = (SHELL, "python", "r", "matlab-runtime")
_ONLY_HERE = "golden.json"
"""The expected numbers of the starters' golden tests, to which theirs are links."""
_OTHERS, _COMMON = "starters", "common"
NAME_RULE = "Names must be 3 to 63 lowercase letters, digits and '-', with a letter or digit at both ends"
_README = """\
# {name}

Made from the starter blueprint; nothing in it is final. In the order of the developer guide (docs/developers.md):

1. `blueprint.yaml`: title, description, `instance.type`, and `parameters`, the JSON Schema of the config file.
2. `run_{name}.sh`: what happens to one dataset. docs/scripts.md tells what it finds on its machine. Try it here, without any cloud:
   `invoke run-local --analysis {name} --data blueprints/{name}/tests/data.txt --config blueprints/{name}/tests/config.json`
3. `provision/*.sh`: what the image needs, in the order of the file names. Baked by `invoke bake-ami --stack {name}-webdev`.
4. `tests/`: a dataset, a config and a submission to try it with: `data.txt` goes to `debuggers/inputs/`, `config.json` to
   `debuggers/configs/`, and `submit.json` last, to `debuggers/submissions/my_submit.json`.

`invoke validate {name}` checks it; `invoke ship {name}` does all the rest: it deploys, bakes the image, and runs a job on `tests/`. The
bucket gets a name of its own, which nobody has to know: commands take the analysis's, `{name}`.
"""  # noqa: E501


def check_new_name(name: str, root: Path) -> None:
    """Raises InvalidInput unless `name` can become a folder in blueprints/; nothing is ever overwritten."""
    folder = root / "blueprints" / name
    problems: list[Problem] = []
    if not ANALYSIS_NAME.fullmatch(name):
        problems.append(
            Problem("analysis name", shown(name), NAME_RULE, f"Choose another name{_proposal(name)}")
        )
    elif name in RESERVED:
        allowed = f"any other name: {RESERVED[name]}"
        problems.append(Problem("analysis name", shown(name), allowed, "Choose another name"))
    elif folder.exists():
        do = "Choose another name; nothing was changed"
        problems.append(
            Problem(
                "analysis name",
                f"{name!r}, which already exists",
                f"a name without a folder blueprints/{name}",
                do,
            )
        )
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


def configure(name: str, root: Path, language: str = SHELL) -> list[str]:
    """Makes `blueprints/<name>/` from the starter of a language; the files made, relative to `root`. They
    appear all at once or not at all.

    Raises InvalidInput for a name that breaks the rule or exists, a language without a starter, and when the
    starter itself is missing.
    """
    if language not in LANGUAGES:
        do = meant(language, LANGUAGES, "Choose one; a script of any other language begins as shell")
        raise InvalidInput([Problem("--language", shown(language), ", ".join(LANGUAGES), do)])
    check_new_name(name, root)
    home = root / "blueprints"
    sources = [home / STARTER] if language == SHELL else [home / _OTHERS / _COMMON, home / _OTHERS / language]
    missing = next((one for one in (sources[0] / FILE, *sources) if not one.exists()), None)
    if missing is not None:
        place = missing.relative_to(root)
        do = f"Restore the starter: git checkout {sources[-1].relative_to(root)}"
        raise InvalidInput(
            [finding("", None, (), "file.missing", f"no {place}", "the starter blueprint", do)]
        )
    target = home / name
    with tempfile.TemporaryDirectory(dir=home, prefix=".configure-") as scratch:
        made = Path(scratch) / name
        for source in sources:
            # What is a link among the starters is a file of the new analysis.
            shutil.copytree(
                source, made, ignore=shutil.ignore_patterns("__pycache__", _ONLY_HERE), dirs_exist_ok=True
            )
        _rename(made, name)
        made.rename(target)
    return sorted(str(file.relative_to(root)) for file in target.rglob("*") if file.is_file())


def _rename(folder: Path, name: str) -> None:
    """Puts the name into a copy of the starter. Images baked for the starter are not taken along."""
    blueprint = folder / FILE
    text = blueprint.read_text(encoding="utf-8")
    script = f"run_{name}.sh"
    # 123, 1e3, null and the like are not text in YAML
    quoted = name if yaml12.is_text(name) else json.dumps(name)
    for key, value in (("name", quoted), ("title", quoted), ("script", script)):
        text = re.sub(rf"(?m)^{key}:.*$", f"{key}: {value}", text, count=1)
    text = re.sub(
        r"(?ms)^description: >-\n(?:  .*?\n)+",
        "description: What it computes, from what, for whom.\n",
        text,
        count=1,
    )
    text = re.sub(r"(?m)^  amis:.*\n(?:    .*\n)*", "", text)
    blueprint.write_text(text, encoding="utf-8")
    (folder / f"run_{STARTER}.sh").rename(folder / script)
    own = (
        (folder / script).read_text(encoding="utf-8").replace(f'"$userhome/{STARTER}/', f'"$userhome/{name}/')
    )
    (folder / script).write_text(own, encoding="utf-8")
    (folder / "README.md").write_text(_README.format(name=name), encoding="utf-8")
