"""Package installations: the versions that were installed, and no questions."""

from __future__ import annotations

import re
import shlex

from image_builder.recording import programs
from image_builder.recording.edits import Edits
from image_builder.recording.events import Event
from image_builder.shell import Command, Word

_PIP_WITH_VALUE = frozenset({
    "-r", "--requirement", "-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-t", "--target",
    "--prefix", "--root", "--progress-bar", "--cache-dir", "--trusted-host", "--only-binary", "--no-binary", "--python-version",
    "--platform", "--timeout", "--retries", "--src", "--log", "--cert", "--proxy",
})  # fmt: skip


def pin(event: Event, command: Command, edits: Edits) -> None:
    """Change a command that installs packages into one that installs what was installed."""
    _apt(event, command, edits)
    _conda(event, command, edits)
    _pip(event, command, edits)


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
    wanted = [argument for argument in command.arguments if argument.start > verb.end and not argument.value.startswith("-")]
    for argument in wanted:  # drop the names: the pinned list below has them all
        bare = re.split(r"[=/]", argument.value)[0]
        if bare in event.apt:
            edits.put(argument.start, argument.end, f"{bare}={event.apt[bare]}")
    named = {re.split(r"[=/]", argument.value)[0] for argument in wanted}
    others = [f"{package}={version}" for package, version in sorted(event.apt.items()) if package not in named]
    if others:
        at = command.arguments[-1].end if command.arguments else command.end
        edits.put(at, at, " \\\n    " + " ".join(shlex.quote(other) for other in others))
    if event.apt_automatic:
        edits.after.append(f"apt-mark auto {' '.join(shlex.quote(package) for package in event.apt_automatic)} >/dev/null")
    if verb.value.endswith("upgrade"):
        edits.put(verb.start, verb.end, "install")


def _conda(event: Event, command: Command, edits: Edits) -> None:
    if command.program not in programs.CONDA:
        return
    verb = next((argument for argument in command.arguments if argument.value in programs.CONDA_VERBS), None)
    if verb is None and command.values[:1] == ["env"] and len(command.arguments) > 1:
        verb = command.arguments[1]
    if verb is None:
        return
    if not set(command.values) & programs.YES_FLAGS:
        edits.put(verb.end, verb.end, " --yes")
    if event.conda and verb.value in ("install", "create", "update", "upgrade"):
        at = command.arguments[-1].end
        edits.put(at, at, " \\\n    " + " ".join(shlex.quote(package) for package in event.conda))


def _pip_arguments(command: Command) -> list[Word] | None:
    """The arguments of pip, however it is called; None for another program."""
    if command.program == "uv" and command.values[:1] == ["pip"]:
        return command.arguments[1:]
    if re.fullmatch(r"python[0-9.]*", command.program) and command.values[:2] == ["-m", "pip"]:
        return command.arguments[2:]
    return command.arguments if re.fullmatch(r"pip[0-9.]*", command.program) else None


def package_words(command: Command) -> list[Word]:
    """What `pip install` is told to install, for a command that is one and does not check digests."""
    arguments = _pip_arguments(command) or []
    verb = next((place for place, argument in enumerate(arguments) if argument.value == "install"), None)
    if verb is None or "--require-hashes" in command.values:
        return []
    return _packages(arguments[verb + 1 :])


def _pip(event: Event, command: Command, edits: Edits) -> None:
    arguments = _pip_arguments(command) or []
    verb = next((argument for argument in arguments if argument.value in ("install", "uninstall")), None)
    if verb is None:
        return
    if verb.value == "uninstall":
        if not {"-y", "--yes"} & {argument.value for argument in arguments}:
            edits.put(verb.end, verb.end, " --yes")
        return
    if "--require-hashes" in command.values:
        return
    pinned = {normal(key.rpartition("|")[2]): version for key, version in event.python.items()}
    named: set[str] = set()
    for argument in package_words(command):
        match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*(?:[<>=!~].*)?", argument.value)
        if match and normal(match[1]) in pinned:
            named.add(normal(match[1]))
            edits.put(argument.start, argument.end, shlex.quote(f"{match[1]}{match[2] or ''}=={pinned[normal(match[1])]}"))
    others = [f"{name}=={version}" for name, version in sorted(pinned.items()) if name not in named]
    if others:
        edits.put(arguments[-1].end, arguments[-1].end, " \\\n    " + " ".join(shlex.quote(other) for other in others))


def _packages(arguments: list[Word]) -> list[Word]:
    """The arguments that are neither options nor their values."""
    found, skip = [], False
    for argument in arguments:
        if skip or argument.value.startswith("-"):
            skip = not skip and argument.value in _PIP_WITH_VALUE
        else:
            found.append(argument)
    return found


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
