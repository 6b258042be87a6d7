"""The command `neurocaas-contrib` of the first implementation, as scripts and developers on a machine call
it: `workflow …` (data and configuration here, results back, a command with its log) and `scripting …` (values
out of zip and YAML files).

All 60 of its commands are known: those that mean nothing on a machine say which command of today does it, and
end with code 2. Nothing here deletes a file of others or switches the machine off. Standard library, Python
3.7: it is run by the machine's own Python.
"""

import argparse
import json
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any, List, Optional

from .config import content
from .elsewhere import ELSEWHERE
from .store import Refused, Store, say
from .workflow import (
    cleanup,
    get,
    got,
    initialize,
    log_command,
    put,
    register,
    register_results,
    result_path,
    results_folder,
    whose,
)

OTHERS = 2
"""Exit code of a command that does nothing here, as of one that does not exist."""


def main(arguments: List[str]) -> int:
    given = _parser().parse_args(arguments)
    try:
        answer = given.run(given)
    except Refused as error:
        sys.stderr.write(f"neurocaas-contrib: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(
            f"neurocaas-contrib: {error}. Allowed: files and folders that may be read and "
            "written. Check the path.\n"
        )
        return 1
    if isinstance(answer, int):
        return answer
    say(answer)
    return 0


def parse_zip(given: argparse.Namespace) -> str:
    target = given.out or given.zip.parent
    try:
        target.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(str(given.zip)) as archive:
            names = [name for name in archive.namelist() if not _added_by_a_system(name)]
            tops = sorted({name.split("/")[0] for name in names})
            if len(tops) != 1:
                raise Refused(
                    f"{given.zip}: got {len(tops)} files and folders at its top. Allowed: one folder. Pack "
                    "the folder that has them all."
                )
            archive.extractall(str(target), names)
    except (OSError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise Refused(
            f"{given.zip}: {error}. Allowed: a zip file with one folder, without a password. "
            "Check the dataset."
        ) from None
    return str(tops[0])


def _added_by_a_system(name: str) -> bool:
    last = name.rstrip("/").split("/")[-1]
    return name.startswith("__MACOSX") or last == ".DS_Store" or last.startswith("._")


def read_yaml(given: argparse.Namespace) -> str:
    try:
        values = content(given.path)
    except (OSError, ValueError, ImportError) as error:
        raise Refused(
            f"{given.path}: {error}. Allowed: a JSON or YAML file. Check the path and the file."
        ) from None
    if not isinstance(values, dict):
        raise Refused(
            f"{given.path}: got {json.dumps(values)[:80]}. Allowed: a file of fields and values. "
            "Correct the file."
        )
    if given.field in values:
        return _word(values[given.field])
    if given.default is not None:
        return str(given.default)
    fields = ", ".join(map(str, values)) or "none"
    raise Refused(
        f"No field {given.field} exists in this yaml file. Allowed: {fields}. Add it to "
        f"{given.path}, or give a default: -d."
    )


def _word(value: Any) -> str:
    """As scripts take it: a list as words, an object as JSON, all else as Python writes it (True, None)."""
    if isinstance(value, list):
        return " ".join(
            one if isinstance(one, str) else json.dumps(one) if isinstance(one, (list, dict)) else str(one)
            for one in value
        )
    return json.dumps(value) if isinstance(value, dict) else str(value)


def nothing_here(given: argparse.Namespace) -> int:
    command = " ".join([given.group, *([given.command] if given.command else [])])
    sys.stderr.write(
        f"neurocaas-contrib {command}: got a call on a machine or in a script. Allowed here: workflow … and "
        "scripting …. "
        f"{ELSEWHERE[given.group][given.command]}.\n"
    )
    return OTHERS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="neurocaas-contrib", description=__doc__)
    # of a developer's computer: they select nothing here
    parser.add_argument("--location", help=argparse.SUPPRESS)
    parser.add_argument("-a", "--analysis-name", help=argparse.SUPPRESS)
    groups = parser.add_subparsers(dest="group", required=True, metavar="{workflow,scripting,…}")
    _workflow(groups.add_parser("workflow", help="a job's data, configuration and results"))
    _scripting(groups.add_parser("scripting", help="values out of files"))
    for group, commands in ELSEWHERE.items():
        # whatever its options were, they are not looked at
        one = groups.add_parser(group, add_help=False, prefix_chars="\0")
        if None in commands:
            one.set_defaults(run=nothing_here, command=None)
            one.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
            continue
        inner = one.add_subparsers(dest="command", required=True)
        for name in commands:
            leaf = inner.add_parser(name or "", add_help=False, prefix_chars="\0")
            leaf.set_defaults(run=nothing_here)
            leaf.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    return parser


def _workflow(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Any, **defaults: Optional[str]) -> argparse.ArgumentParser:
        made = commands.add_parser(name)
        made.set_defaults(run=lambda given: run(Store.open(), given), **defaults)
        return made

    one = commands.add_parser("initialize-job")
    one.set_defaults(run=initialize)
    one.add_argument("-p", "--path", type=Path)
    for name, kind in (("data", "data"), ("config", "config"), ("file", "file")):
        registered = command(f"register-{'dataset' if kind == 'data' else name}", register, kind=kind)
        _place(registered)
        fetched = command(f"get-{name}", get, kind=kind)
        fetched.add_argument("-o", "--outputpath", "--outpath", dest="folder", type=Path)
        for flag, long in (("-f", "--force"), ("-d", "--display")):
            fetched.add_argument(flag, long, nargs="?", const=True, default=False, type=_flag)
        asked = [command(f"get-{name}{what}", got, kind=kind, what=what) for what in ("name", "path")]
        if kind == "file":
            for parts in (registered, fetched, *asked):
                parts.add_argument("-n", "--name", required=True)
    _place(command("register-resultpath", register_results))
    command("get-bucket", whose, what="bucket")
    command("get-group", whose, what="group")
    command("get-resultpath-tmp", results_folder)
    command("get-resultpath", result_path).add_argument("-l", "--locpath", dest="local", type=Path)
    one = command("put-result", put)
    one.add_argument(
        "-r", "--resultpath", "--result", dest="results", type=Path, nargs="+", action="append", required=True
    )
    one.add_argument("-d", "--display", nargs="?", const=True, default=False, type=_flag)
    for name, local in (("log-command", None), ("log-command-local", "yes")):
        one = command(name, log_command, local=local)
        one.add_argument("-c", "--command", dest="line", required=True)
        one.add_argument("-b", "--bucket")
        one.add_argument("-r", "--resultfolder", dest="folder")
    command("cleanup", cleanup)


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-b", "--bucket")
    parser.add_argument("-k", "--key")
    parser.add_argument("-l", "--localpath", dest="local", type=Path)


def _flag(text: str) -> bool:
    if text.lower() in ("true", "yes", "1", "false", "no", "0"):
        return text.lower() in ("true", "yes", "1")
    raise argparse.ArgumentTypeError(f"got {text!r}. Allowed: true or false, or nothing behind the option")


def _scripting(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("parse-zip")
    one.set_defaults(run=parse_zip)
    one.add_argument("-z", "--zippath", dest="zip", type=Path, required=True)
    one.add_argument("-o", "--outpath", "--outputpath", dest="out", type=Path)
    one = commands.add_parser("read-yaml")
    one.set_defaults(run=read_yaml)
    one.add_argument("-p", "--path", type=Path, required=True)
    one.add_argument("-f", "--field", required=True)
    one.add_argument("-d", "--default")
