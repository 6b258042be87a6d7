"""How pip is called, and what it is told to install."""

from __future__ import annotations

import re

from image_builder.bash.commands import Command, Word

_WITH_VALUE = frozenset({
    "-r", "--requirement", "-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f",
    "--find-links", "-t", "--target",
    "--prefix", "--root", "--progress-bar", "--cache-dir", "--trusted-host", "--only-binary", "--no-binary",
    "--python-version",
    "--platform", "--timeout", "--retries", "--src", "--log", "--cert", "--proxy", "--upgrade-strategy",
})  # fmt: skip
_LISTS = re.compile(r"(-r|--requirement|-c|--constraint)(=?.+)?")


def package_words(command: Command) -> list[Word]:
    """What `pip install` is told to install, for a command that is one and does not check digests."""
    arguments = arguments_of(command) or []
    verb = next((place for place, argument in enumerate(arguments) if argument.value == "install"), None)
    if verb is None or "--require-hashes" in command.values:
        return []
    options = options_of(arguments[verb + 1 :])[0]
    return [argument for argument in arguments[verb + 1 :] if argument not in options]


def arguments_of(command: Command) -> list[Word] | None:
    """The arguments of pip, however it is called; None for another program."""
    if command.program == "uv" and command.values[:1] == ["pip"]:
        return command.arguments[1:]
    if re.fullmatch(r"python[0-9.]*", command.program) and command.values[:2] == ["-m", "pip"]:
        return command.arguments[2:]
    return command.arguments if re.fullmatch(r"pip[0-9.]*", command.program) else None


def options_of(arguments: list[Word]) -> tuple[list[Word], list[Word]]:
    """The arguments that are options or their values, and those of them that name lists of packages."""
    options: list[Word] = []
    listed: list[Word] = []
    taken_by: Word | None = None
    for argument in arguments:
        if taken_by is None and not argument.value.startswith("-"):
            continue
        options.append(argument)
        if _LISTS.fullmatch((taken_by or argument).value):
            listed.append(argument)
        taken_by = argument if taken_by is None and argument.value in _WITH_VALUE else None
    return options, listed
