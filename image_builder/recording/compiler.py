"""From the log of a recording to the scripts that repeat it.

Lines that failed and lines without effect stay as comments; everything else becomes a line of
`NN-recorded.sh`, in its folder, with its environment, pinned (`rewrite`). What cannot be repeated is told as
a problem, all at once; nothing is written then.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from image_builder import secrets
from image_builder.bash.asking import only_strictness
from image_builder.bash.lines import continues, expand_aliases, learn_aliases
from image_builder.recording.events import Event
from image_builder.recording.refusals import Refused
from image_builder.recording.rewrite import rewrite
from neurocaas.protocol.problems import Problem

BUILD_FOLDER = "/opt/build"
MARK = "# Recorded with `invoke record`"
_HEAD = f"""#!/bin/bash
{MARK}. Lines that failed or changed nothing are comments.
set -Eeuo pipefail
export HOME=/root DEBIAN_FRONTEND=noninteractive PIP_NO_INPUT=1
umask 022
mkdir -p {BUILD_FOLDER}
chmod 0755 {BUILD_FOLDER}
cd -- {BUILD_FOLDER}
"""


@dataclass
class Compiled:
    """`build` and `validate` are the scripts' texts ("" when there is nothing to do); `warnings` are "line N:
    …".
    """

    build: str = ""
    validate: str = ""
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    kept: int = 0
    left_out: int = 0


def compile_recording(events: list[Event]) -> Compiled:
    """The scripts of a recording. When there are problems the texts are empty."""
    result = Compiled()
    dropped = {event.target: event.text for event in events if event.kind == "drop"}
    lines, checks = [], []
    cwd, known_aliases = BUILD_FOLDER, dict[str, str]()
    exported: dict[str, str | None] = {}
    for event in events:
        exported.update(event.environment)
        if event.kind == "note":
            lines += [f"\n# {line}" for line in event.text.splitlines()]
        elif event.kind == "check":
            checks.append(_check(event, exported))
        elif event.kind == "resume":
            result.warnings.append(
                "the recording was interrupted once; variables that were not exported "
                "are not known to what follows"
            )
        elif event.kind == "command":
            why = _left_out(event, dropped.get(event.seq), result)
            if why is not None:
                result.left_out += 1
                if all(part.lstrip().startswith("#") for part in event.text.splitlines()):
                    lines.append(event.text)  # it is a comment
                elif why != "changes the folder":
                    lines.append(_comment(f"{why}: {event.text}"))
                continue
            if learn_aliases(event.text, known_aliases):
                result.left_out += 1
                lines.append(_comment(f"written out below: {event.text}"))
                continue
            event = replace(event, text=expand_aliases(event.text, known_aliases))
            try:
                text = _emit(event, result)
            except Refused as refused:
                result.problems.append(
                    Problem(_where(event), refused.got, "lines that a script can repeat", refused.do)
                )
                continue
            if event.cwd != cwd:
                lines.append(f"cd -- {shlex.quote(event.cwd)}")
            cwd = event.cwd_after
            lines.append(text)
            result.kept += 1
    result.warnings = list(dict.fromkeys(result.warnings))
    if not result.problems:
        result.build = _HEAD + "\n" + "\n".join(lines).lstrip("\n") + "\n" if result.kept else ""
        result.validate = _validate(checks)
    return result


def _left_out(event: Event, dropped: str | None, result: Compiled) -> str | None:
    """Why a line is not in the script, None when it is. `dropped`: the text of the event that drops it."""
    if dropped is not None:
        if event.file_count and not dropped:
            kept = f"what it changed ({_files(event)}) is in the recorded root, and verifying will show it"
            result.warnings.append(f"line {event.seq} is left out, but {kept}")
        return dropped or "dropped"
    if event.status != 0:
        if event.file_count:
            shown = ", ".join(path for _, path in event.files[:3]) + (" …" if event.file_count > 3 else "")
            got = (
                f"a line that failed (exit status {event.status}) after it had changed {_files(event)} "
                f"({shown})"
            )
            do = (
                f"`rec drop {event.seq}` leaves it out; when what it made is needed, type what makes it "
                "again first"
            )
            result.problems.append(
                Problem(_where(event), got, "lines that succeed, or that change nothing", do)
            )
        return f"failed ({event.status})"
    if not event.has_effect:
        return "no effect"
    found = event.commands
    if found and all(only_strictness(command) for command in found):
        return "the script has its own"
    if not (event.file_count or event.environment or event.state):
        return "changes the folder"  # every line that needs it gets a cd of its own
    return None


def _files(event: Event) -> str:
    return f"{event.file_count} file{'s' if event.file_count > 1 else ''}"


def _where(event: Event) -> str:
    return f"line {event.seq} `{event.text.splitlines()[0] if event.text else ''}`"


def _emit(event: Event, result: Compiled) -> str:
    rewritten = rewrite(event)
    result.warnings += [f"line {event.seq}: {warning}" for warning in rewritten.warnings]
    # what follows is no part of it
    text = rewritten.text + "\n" if continues(rewritten.text) else rewritten.text
    if rewritten.plain:
        return text
    # As the shell of the recording did: go on after a failure inside, take unset variables for empty, and
    # look at the last status only.
    again = "-euo" if any(only_strictness(command) for command in event.commands) else "-uo"
    return f"set +uo pipefail\n{{\n{text}\n}} || (exit $?)\nset {again} pipefail"


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in text.splitlines())


def _check(event: Event, exported: Mapping[str, str | None]) -> str:
    """What `rec check` was told, where it ran and with the variables that were exported then: `python` is the
    one that it was there.
    """
    line = f"bash -eo pipefail -c {shlex.quote(event.text)}"
    unset = [f"--unset={name}" for name, value in sorted(exported.items()) if value is None]
    known = {
        name: value
        for name, value in sorted(exported.items())
        if value is not None and not secrets.PLACEHOLDER.search(value)
    }
    words = [*unset, *(shlex.quote(f"{name}={value}") for name, value in known.items())]
    line = f"env {' '.join(words)} {line}" if words else line
    return line if event.cwd in ("", BUILD_FOLDER) else f"(cd -- {shlex.quote(event.cwd)} && {line})"


def _validate(checks: list[str]) -> str:
    if not checks:
        return ""
    return (
        f"#!/bin/bash\n{MARK}: what `rec check` was told.\nset -Eeuo pipefail\n\n" + "\n".join(checks) + "\n"
    )


def is_recorded(text: str) -> bool:
    """Whether a script was made by this compiler."""
    return MARK in text[:200]
