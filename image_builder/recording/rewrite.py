"""One recorded line as it must be written to mean the same on another day: packages pinned, downloads
checked, questions answered.

`rewrite` returns the text to run, or raises Refused with the reason and what to do instead.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from image_builder.bash import programs
from image_builder.bash.commands import Command
from image_builder.bash.lines import Edits, complete
from image_builder.bash.pipes import piped_shell, runner_of
from image_builder.recording import packages
from image_builder.recording.events import Event
from image_builder.recording.refusals import Refused, no_secret, refuse

_OTHERWISE = frozenset({"source", ".", "eval", "trap", "set", "shopt", "exec", "function", *programs.CONDA})
"""Programs that may not be run under the strict options: they run code in this shell, or change its
options.
"""


@dataclass
class Rewritten:
    """`text` runs in place of the line; `plain`: it may run under `set -euo pipefail` as it is; `warnings`
    are for the person.
    """

    text: str
    plain: bool
    warnings: list[str] = field(default_factory=list)


def rewrite(event: Event) -> Rewritten:
    """The line of an event that has an effect and succeeded. Raises Refused."""
    no_secret(event)
    if "<<" in event.text and not complete(event.text):
        raise Refused("a here-document that never ends", "end it with its word on a line of its own")
    found = event.commands
    if {command.program for command in found} & programs.EDITORS:
        return _written_files(event)
    for command in found:
        refuse(command, found)
    piped = piped_shell(event.text)
    if piped:
        return _saved_script(event, piped.source, piped.runner, piped.arguments)
    for command in found:
        runner = runner_of(command, found) if command.program in programs.DOWNLOADERS else ""
        if runner:
            got = (
                f"what `{command.program}` prints, run by `{runner}` at once: nobody knows on another day "
                "what it is"
            )
            raise Refused(
                got,
                "`rec drop` the line; save the download into a file, whose digest is "
                "recorded, and run the file",
            )
    edits = Edits(event.text)
    top = [command for command in found if not command.nested]
    packages.pin(event, top, edits)
    _downloads(event, found, edits)
    _clones(event, edits)
    return Rewritten(edits.result(), _plain(event, top), edits.warnings)


def _plain(event: Event, top: list[Command]) -> bool:
    """Whether the line does under `set -euo pipefail` what it did without: one pipeline whose parts all
    succeeded, nothing unset.

    The inside of a function or of a compound command would stop at its first failure, which the shell of the
    recording did not do.
    """
    between = {command.after for command in top[:-1]}
    simple = between <= {"|"} or between == {"&&"}
    if (
        event.unset
        or event.functions
        or any(event.pipestatus)
        or not simple
        or (top and top[-1].after not in ("", "\n"))
    ):
        return False
    return not any(command.program in _OTHERWISE for command in top)


def _written_files(event: Event) -> Rewritten:
    """An editor's result: the files as they were afterwards."""
    lines = []
    wanted = [
        path for kind, path in event.files if kind != "removed" and not re.search(r"(\.sw[a-z]|~)$", path)
    ]
    for path in wanted:
        content = event.contents.get(path)
        if content is None:
            continue  # a folder, or a link
        if content.text is None:
            raise Refused(
                f"{path}, which an editor wrote, is no text of at most 64 KiB",
                "put the file into provision/, and copy it",
            )
        mark = f"END-{content.sha256[:16]}"
        body = content.text if content.text.endswith("\n") else content.text + "\n"
        place = shlex.quote(path)
        lines.append(f"cat > {place} <<'{mark}'\n{body}{mark}")
        if not content.text.endswith("\n"):
            lines.append(f"truncate --size=-1 {place}")
        lines.append(f"chmod {content.mode:04o} {place}")
        if (content.uid, content.gid) != (0, 0):
            lines.append(f"chown {content.uid}:{content.gid} {place}")
    removed = [path for kind, path in event.files if kind == "removed"]
    lines += [f"rm -rf -- {shlex.quote(path)}" for path in removed]
    return Rewritten("\n".join(lines), plain=True)


def _saved_script(event: Event, source: str, runner: str, arguments: str) -> Rewritten:
    """`curl … | bash`: save what is downloaded, see that it is what ran here, run the copy."""
    if not event.fetched:
        raise Refused(
            "a download piped into a shell that could not be fetched again",
            "download the script, and run the file",
        )
    file = f"/tmp/recorded-{event.seq}.sh"  # noqa: S108 (Image Builder empties /tmp before the snapshot)
    text = (
        f"{source} > {file}\necho '{event.fetched}  {file}' | sha256sum --check --strict --quiet\n"
        f"{runner} {file}{' ' + arguments if arguments else ''}"
    )
    return Rewritten(
        text,
        plain=not event.unset,
        warnings=["a script from the network runs as root: it is pinned to what ran here"],
    )


def _downloads(event: Event, found: Sequence[Command], edits: Edits) -> None:
    loaders = [command for command in found if command.program in programs.DOWNLOADERS]
    for path, content in sorted(event.contents.items()):
        edits.after.append(
            f"echo {shlex.quote(f'{content.sha256}  {path}')} | sha256sum --check --strict --quiet"
        )
    if loaders and event.file_count > len(event.contents):
        edits.warnings.append(
            "a download that is unpacked or removed in the same line: only files that stay are checked"
        )
    for command in loaders:
        for value in command.values:
            if re.search(r"https?://.*\b(latest|main|master|nightly|HEAD)\b", value):
                edits.warnings.append(
                    f"{value} moves: the check after it fails when it does; better name a version"
                )


def _clones(event: Event, edits: Edits) -> None:
    for folder, commit in sorted(event.commits.items()):
        place = shlex.quote(folder)
        edits.after.append(
            f'[ "$(git -C {place} rev-parse HEAD)" = {commit} ] || {{ git -C {place} fetch --quiet origin '
            f"{commit}; "
            f"git -C {place} reset --quiet --hard {commit}; }}"
        )
