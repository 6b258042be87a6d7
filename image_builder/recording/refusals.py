"""Lines that no script can repeat, each with what to do instead."""

from __future__ import annotations

from collections.abc import Sequence

from image_builder import secrets
from image_builder.bash import programs
from image_builder.bash.asking import asks_unseen, only_strictness, waits_inside
from image_builder.bash.commands import Command
from image_builder.recording.events import Event

_NO_SECRETS = (
    "`rec drop` the line: images and git keep no secrets. Put the value into the SSM parameter "
    "/neurocaas/{}, and have the machine read it "
    "when it needs it"
)


class Refused(Exception):
    """A line that no script can repeat: `got`, and `do`, what to do instead."""

    def __init__(self, got: str, do: str) -> None:
        super().__init__(got)
        self.got, self.do = got, do


def no_secret(event: Event) -> None:
    """Raise Refused when something secret was taken out of an event."""
    hidden = [*secrets.PLACEHOLDER.findall(event.text)]
    for path, content in event.contents.items():
        hidden += [f"{name} in {path}" for name in secrets.PLACEHOLDER.findall(content.text or "")]
    for name, value in event.environment.items():
        hidden += [name] if value is not None and secrets.PLACEHOLDER.search(value) else []
    if hidden:
        name = hidden[0].split()[0].lower().replace("_", "-")
        raise Refused(
            f"a secret ({', '.join(dict.fromkeys(hidden))})",
            _NO_SECRETS.format(name),
        )


def refuse(command: Command, line: Sequence[Command]) -> None:
    """Raise Refused for a command, one of those of its line, that a script cannot repeat."""
    name, values = command.program, command.values
    if command.after == "&" and not command.nested:
        raise Refused(
            "a command in the background, whose end nobody waits for",
            "run it in the foreground, or `rec drop` it",
        )
    if name in programs.REBOOTS:
        raise Refused(
            f"`{name}`: a recording cannot restart the machine",
            "end here, and record what follows with --add",
        )
    fed = any(
        other.piped or any(redirection.operator.startswith("<") for redirection in other.redirections)
        for other in line
    )
    if (
        name in programs.ASKERS
        and not (name == "adduser" and "--disabled-password" in values)
        and not (name == "read" and fed)
    ):
        raise Refused(
            f"`{name}`, which asks",
            _NO_SECRETS.format("secret") if asks_unseen(command) else programs.ASKERS[name],
        )
    if name == "crontab" and "-e" in values:
        raise Refused("`crontab -e`", "write a file into /etc/cron.d")
    if name == "alias":
        raise Refused(
            "an alias in a longer line: scripts expand none",
            "give it a line of its own, or define a function",
        )
    if (
        name == "set"
        and values
        and values[0][:1] in "-+"
        and values[0] != "--"
        and not only_strictness(command)
    ):
        raise Refused(
            "options of the shell, which change what the lines after it mean", "`rec drop` the line"
        )
    if (name == "cd" and values == ["-"]) or name == "popd":
        raise Refused(f"`{name}` to a folder that only this shell remembers", "name the folder")
    if name == "rec":
        raise Refused("`rec` inside of a longer line", "give `rec` a line of its own")
    _refuse_nested(command)


def _refuse_nested(command: Command) -> None:
    name = command.program
    if name in programs.SESSIONS or (waits_inside(command) and name in ("su", "sudo")):
        do = "type the commands here (you are root), or `rec as USER -- COMMAND`"
        raise Refused(f"`{name}`: what was typed inside is not recorded", do)
    if waits_inside(command):
        raise Refused(
            f"`{name}` without a script: what was typed inside is not recorded",
            "type the commands here, or give it a script",
        )
