"""Package installations: the versions that were installed, and no questions."""

from __future__ import annotations

import re
import shlex

from image_builder.bash import programs
from image_builder.bash.commands import Command, Word
from image_builder.bash.lines import Edits
from image_builder.recording import pip
from image_builder.recording.events import Event

_NOT_WITH_PACKAGES = re.compile(r"^(-f|--file|--clone)\b|\.(conda|tar\.bz2)(#|$)")
"""Arguments of conda beside which it takes no names of packages: lists in files, copies of environments,
archives.
"""


def pin(event: Event, commands: list[Command], edits: Edits) -> None:
    """Change the commands of a line that install packages into such that install what was installed."""
    several_conda = sum(_conda_verb(command) is not None for command in commands) > 1
    for command in commands:
        _apt(event, command, edits)
        _conda(event, command, edits, alone=not several_conda)
    pip.pin(event, commands, edits)
    if pip.is_unseen(event, commands):
        edits.warnings.append(
            "Python packages that no pip of the line names (is it in quotes?): they are "
            "not pinned; name versions"
        )


def _apt(event: Event, command: Command, edits: Edits) -> None:
    name = command.program
    if name == "add-apt-repository" and not set(command.values) & programs.YES_FLAGS:
        word = command.words[command.program_index]
        edits.put(word.end, word.end, " --yes")
    if name not in ("apt", "apt-get", "aptitude"):
        return
    word = command.words[command.program_index]
    if name == "apt":
        edits.put(word.start, word.end, "apt-get")
    verb = next((argument for argument in command.arguments if argument.value in programs.APT_VERBS), None)
    if verb is None:
        return
    if not set(command.values) & programs.YES_FLAGS:
        edits.put(verb.end, verb.end, " --yes")
    if verb.value not in ("install", "reinstall", "upgrade", "dist-upgrade", "full-upgrade") or not event.apt:
        return
    wanted = [
        argument
        for argument in command.arguments
        if argument.start > verb.end and not argument.value.startswith("-")
    ]
    for argument in wanted:  # drop the names: the pinned list below has them all
        bare = re.split(r"[=/]", argument.value)[0]
        if bare in event.apt:
            edits.put(argument.start, argument.end, f"{bare}={event.apt[bare]}")
    named = {re.split(r"[=/]", argument.value)[0] for argument in wanted}
    others = [
        f"{package}={version}" for package, version in sorted(event.apt.items()) if package not in named
    ]
    if others:
        at = command.arguments[-1].end if command.arguments else command.end
        edits.put(at, at, " \\\n    " + " ".join(shlex.quote(other) for other in others))
    if event.apt_automatic:
        edits.after.append(
            f"apt-mark auto {' '.join(shlex.quote(package) for package in event.apt_automatic)} >/dev/null"
        )
    if verb.value.endswith("upgrade"):
        edits.put(verb.start, verb.end, "install")


def _conda_verb(command: Command) -> Word | None:
    """The word that says what conda is to do with packages; None when it does nothing of the kind."""
    if command.program not in programs.CONDA:
        return None
    return next((argument for argument in command.arguments if argument.value in programs.CONDA_VERBS), None)


def _conda(event: Event, command: Command, edits: Edits, *, alone: bool) -> None:
    verb = _conda_verb(command)
    if verb is None:
        return
    # an environment from a file: it asks nothing, and takes no packages
    of_file = command.values[:1] == ["env"]
    if not set(command.values) & programs.YES_FLAGS and not (of_file and verb.value != "remove"):
        edits.put(verb.end, verb.end, " --yes")
    if not event.conda or verb.value in ("remove", "uninstall"):
        return
    if of_file or not alone or any(_NOT_WITH_PACKAGES.search(value) for value in command.values):
        edits.after.append(
            "ls " + " \\\n    ".join(shlex.quote(path) for path in sorted(event.conda)) + " >/dev/null"
        )
        edits.warnings.append(
            "conda solves this again: the check after it fails on the day when that gives another build"
        )
        return
    if verb.value in ("update", "upgrade"):  # which take names only
        edits.put(verb.start, verb.end, "install")
        for argument in command.arguments:
            if argument.value in ("--all", "--update-all"):
                edits.put(argument.start, argument.end, "")
    at = command.arguments[-1].end
    edits.put(
        at, at, " \\\n    " + " ".join(shlex.quote(package) for package in sorted(event.conda.values()))
    )
