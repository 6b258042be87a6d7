"""The agent's commands. Exit codes: 0 done, 1 a transfer failed (said on stderr), 2 wrong arguments, 3
reports not sent; of `run`, the script's."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .context import Context, result_place, service_files
from .opening import open_storage
from .pins import Pins, read_pins
from .storage import Location, StorageError


def main(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    if chosen.command == "run":
        from .session import run

        return run(chosen.words, chosen.state, os.environ)
    if chosen.command == "hold":
        from .hold import wait

        return wait(chosen.state)
    if chosen.command in ("watch", "finish"):
        from .watch import ScriptWatch  # the transfers start faster without it

        watch = ScriptWatch(
            Context.from_environment(os.environ), chosen.logs, chosen.state, open_storage(os.environ)
        )
        return watch.run(sys.stdin.fileno()) if chosen.command == "watch" else watch.finish()
    if chosen.command == "restore":
        return _restore(chosen)
    from .transfer import Transfer

    state = os.environ.get("NEUROCAAS_STATE")
    try:
        pins = Pins() if chosen.command == "upload" else read_pins(os.environ)
        transfer = Transfer(open_storage(os.environ), Path(state) / "files" if state else None, pins)
        if chosen.command == "upload":
            place = result_place(chosen.bucket, chosen.group, chosen.resultdir)
            transfer.upload(
                Path(chosen.source), place, leave_out=chosen.leave_out, taken=service_files(os.environ)
            )
        else:
            get = transfer.download if chosen.command == "download" else transfer.download_folder
            get(Location.parse(chosen.source, chosen.bucket), Path(chosen.folder or "."))
    except (StorageError, OSError) as error:
        sys.stderr.write(f"{chosen.command}: {error}\n")
        return 1
    return 0


def _restore(chosen: argparse.Namespace) -> int:
    """Fetch a checkpoint; 1 when there is none."""
    from neurocaas.protocol.units import size

    from .checkpoint import restore

    try:
        place = Location.parse(chosen.source, chosen.bucket)
        found = restore(open_storage(os.environ), place, Path(chosen.folder))
    except (StorageError, OSError) as error:
        sys.stderr.write(f"restore: {error}\n")
        return 1
    if found is None:
        return 1
    sys.stderr.write(
        f"NeuroCAAS: goes on from the checkpoint of {found.time} ({size(found.size)}, machine "
        f"{found.attempt} of this dataset).\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("watch", "finish"):
        command = commands.add_parser(name)
        command.add_argument(
            "--logs", type=Path, required=True, help="folder of joboutput.txt and joberror.txt"
        )
        command.add_argument("--state", type=Path, required=True, help="folder of the job's parts")
    command = commands.add_parser("hold")
    command.add_argument("--state", type=Path, required=True, help="folder of the job's parts")
    command = commands.add_parser("run")
    command.add_argument("--state", type=Path, required=True, help="folder of the job's parts")
    command.add_argument("words", nargs="+", help="the program and its arguments, after --")
    for name in ("download", "download-folder", "restore"):
        command = commands.add_parser(name)
        for argument in ("source", "bucket", "folder"):
            command.add_argument(argument)
    command = commands.add_parser("upload")
    for argument in ("source", "bucket", "group", "resultdir"):
        command.add_argument(argument)
    command.add_argument("leave_out", nargs="?", default="")
    return parser
