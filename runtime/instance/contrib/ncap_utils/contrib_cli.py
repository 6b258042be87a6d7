"""The command `neurocaas-contrib`, as far as scripts of the first implementation call it while a job runs: its data and configuration, a
folder for results and their way back, and values out of zip and YAML files.

Standard library; the functions of transfer.sh do the transfers. Where data went is remembered for the calls that ask for it.
"""

import argparse
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Dict

from yamltojson import content  # type: ignore[import-not-found]

HERE = Path(__file__).resolve().parent
KINDS = {"data": ("inputpath", "inputs"), "config": ("configpath", "configs")}


def main() -> int:
    given = _parser().parse_args()
    answer = given.run(given)
    if isinstance(answer, int):
        return answer
    print(answer)  # noqa: T201  (scripts take it)
    return 0


def get(given: argparse.Namespace) -> int:
    variable, folder = KINDS[given.kind]
    source, target = _job(variable), given.folder or _home() / folder
    place = target / Path(source).name
    code = 0
    if place.exists() and not given.force:
        print(f"{place} is there already; -f gets it again.")  # noqa: T201
    else:
        code = _transfer("download", source, _job("bucketname"), str(target))
    _remember({given.kind: str(place.absolute())})
    return code


def got(given: argparse.Namespace) -> str:
    try:
        path = Path(_remembered()[given.kind])
    except KeyError:
        sys.exit(f"neurocaas-contrib: the {given.kind} is not here yet. Call neurocaas-contrib workflow get-{given.kind} first.")
    return path.name if given.name_only else str(path)


def results_folder(_: argparse.Namespace) -> str:
    folder = _home() / "results"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def result_path(given: argparse.Namespace) -> str:
    folder = _job("processdir")
    whole = folder if folder.startswith("s3://") else f"s3://{_job('bucketname')}/{_job('groupdir')}/{folder}"
    return f"{whole}/{given.local.name}"


def put(given: argparse.Namespace) -> int:
    for path in given.results:
        below = f"/{path.name}" if path.is_dir() else ""
        target = _job("processdir") + below
        if code := _transfer("upload", str(path), _job("bucketname"), _job("groupdir"), target):
            return code
    return 0


def parse_zip(given: argparse.Namespace) -> str:
    try:
        with zipfile.ZipFile(given.zip) as archive:
            names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
            tops = sorted({name.split("/")[0] for name in names})
            if len(tops) != 1:
                sys.exit(
                    f"{given.zip}: got {len(tops)} files and folders at its top. Allowed: one folder. Pack the folder that has them all."
                )
            archive.extractall(given.zip.parent, names)
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(f"{given.zip}: {error}. Allowed: a zip file with one folder. Check the dataset.")
    return tops[0]


def read_yaml(given: argparse.Namespace) -> str:
    try:
        values = content(given.path)
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"{given.path}: {error}. Allowed: a JSON file, or a YAML file where this Python has PyYAML. Check the path.")
    if given.field not in values and given.default is None:
        sys.exit(f"{given.path} has no {given.field}. Allowed: {', '.join(map(str, values))}. Add it to the configuration.")
    value = values.get(given.field, given.default)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _job(name: str) -> str:
    """A variable of run_main.sh."""
    try:
        return os.environ[name]
    except KeyError:
        sys.exit("neurocaas-contrib: got no job. Allowed: calls from an analysis script. Run the script by run_main.sh.")


def _home() -> Path:
    return Path(_job("userhome")) / "contribdata"


def _state() -> Path:
    return Path(os.environ.get("NEUROCAAS_STATE") or _home()) / "contrib.json"


def _remembered() -> Dict[str, Any]:
    path = _state()
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _remember(more: Dict[str, str]) -> None:
    _state().write_text(json.dumps({**_remembered(), **more}), encoding="utf-8")


def _transfer(function: str, *arguments: str) -> int:
    return subprocess.call(["bash", "-c", f'source "$0"; {function} "$@"', str(HERE / "transfer.sh"), *arguments])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="neurocaas-contrib", description=__doc__)
    groups = parser.add_subparsers(dest="group", required=True)
    workflow = groups.add_parser("workflow").add_subparsers(required=True)
    for kind in KINDS:
        one = workflow.add_parser(f"get-{kind}")
        one.set_defaults(run=get, kind=kind)
        one.add_argument("-o", "--outpath", dest="folder", type=Path)
        one.add_argument("-f", "--force", action="store_true")
        one.add_argument("-d", "--display", action="store_true")
        workflow.add_parser(f"get-{kind}path").set_defaults(run=got, kind=kind, name_only=False)
        workflow.add_parser(f"get-{kind}name").set_defaults(run=got, kind=kind, name_only=True)
    workflow.add_parser("get-resultpath-tmp").set_defaults(run=results_folder)
    one = workflow.add_parser("get-resultpath")
    one.set_defaults(run=result_path)
    one.add_argument("-l", "--locpath", dest="local", type=Path, required=True)
    one = workflow.add_parser("put-result")
    one.set_defaults(run=put)
    one.add_argument("-r", "--result", dest="results", type=Path, nargs="+", required=True)
    one.add_argument("-d", "--display", action="store_true")
    scripting = groups.add_parser("scripting").add_subparsers(required=True)
    one = scripting.add_parser("parse-zip")
    one.set_defaults(run=parse_zip)
    one.add_argument("-z", "--zippath", dest="zip", type=Path, required=True)
    one = scripting.add_parser("read-yaml")
    one.set_defaults(run=read_yaml)
    one.add_argument("-p", "--path", type=Path, required=True)
    one.add_argument("-f", "--field", required=True)
    one.add_argument("-d", "--default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
