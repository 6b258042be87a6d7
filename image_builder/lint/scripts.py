"""The rules for bash: provisioning scripts, and the commands of ExecuteBash."""

from __future__ import annotations

import re
from collections.abc import Iterator

from blueprints.scripts import syntax
from image_builder import secrets
from image_builder.bash import programs
from image_builder.bash.asking import asks_unseen, waits_inside
from image_builder.bash.commands import Command, Word
from image_builder.bash.pip import package_words
from image_builder.bash.pipes import runner_of
from image_builder.bash.reading import commands
from image_builder.lint.findings import Finding
from image_builder.place import puts_there

_MOVING = re.compile(
    r"(?<![A-Za-z0-9])latest(?![A-Za-z0-9])|/(main|master|HEAD|nightly|develop)(?=[/?#]|$)|/archive/(refs/heads/)?(main|master|develop)\.",
    re.IGNORECASE,
)
_MACHINE_ITSELF = re.compile(r"https?://(169\.254\.169\.254|localhost|127\.0\.0\.1|\[)")
_MOVING_BRANCHES = frozenset({"main", "master", "develop", "dev", "trunk", "HEAD", "nightly"})
_STRICT = re.compile(r"^\s*set\s+(-[a-zA-Z]*e|.*-o\s+errexit)|\A#!.*sh\s+-\w*e", re.MULTILINE)
_EXACT = re.compile(r"==|===| @ |^git\+.*@[0-9a-f]{7,}|\.whl$|\.tar\.gz$|^\.|^/|^\$|^-|^\"?\$")
_APT = frozenset({"apt", "apt-get", "aptitude"})
_UNPACKERS = frozenset({"tar", "bsdtar", "cpio", "gunzip", "gzip", "xz", "unxz", "bunzip2", "bzip2", "zstd",
    "unzip", "funzip", "tee", "dd",
                        "patch", "apt-key"})  # fmt: skip
_QUIET = frozenset({"--disabled-password", "--disabled-login", "--system", "--group", "-l", "-u", "-d", "-e",
    "-S", "-n", "-x", "--lock",
                    "--unlock", "--delete", "--expire", "--status", "--stdin"})  # fmt: skip
"""With these `passwd` and `adduser` ask nothing."""
_CHECK = frozenset({"sha256sum", "sha512sum", "sha1sum", "shasum", "md5sum", "gpgv", "cosign", "minisign"})
_DOCKERFILE = re.compile(r"\A(?:[ \t]*(?:#.*)?\n)*(?:FROM|ARG)[ \t]+\S")


def lint_script(
    text: str, file: str, *, strict: bool = False, standalone: bool = True, updated: bool = False
) -> list[Finding]:
    """Findings of a bash text.

    `strict`: whoever runs it stops at the first failure. `standalone`: it is a file of its own, not part of a
    document. `updated`: what ran before has asked for apt's index.
    """
    return sorted(set(_Linter(text, file, strict or bool(_STRICT.search(text)), standalone, updated).run()))


def asks_for_index(text: str) -> bool:
    """Whether a bash text asks for apt's index."""
    return any(command.program in _APT and "update" in command.values for command in commands(text))


class _Linter:
    def __init__(self, text: str, file: str, strict: bool, standalone: bool, updated: bool) -> None:
        self.text, self.file, self.strict, self.standalone, self.updated = (
            text,
            file,
            strict,
            standalone,
            updated,
        )
        self.commands = commands(text)

    def finding(self, line: int, rule: str, got: str, fix: str) -> Finding:
        return Finding(self.file, line, rule, got, fix)

    def run(self) -> Iterator[Finding]:
        if self.standalone and _DOCKERFILE.match(self.text):
            yield self.finding(
                1, "syntax", "a Dockerfile", "Write its RUN lines into a script, and ENV as exports"
            )
            return
        yield from self._whole()
        updated = self.updated
        for position, command in enumerate(self.commands):
            if command.program in _APT:
                yield from self._apt(command, updated)
                updated = updated or "update" in command.values
            elif command.program in programs.OTHER_PACKAGES:
                yield from self._other_packages(command)
            yield from self._packages(command)
            yield from self._download(command, position)
            yield from self._asks(command)
            yield from self._shell(command)

    def _whole(self) -> Iterator[Finding]:
        if self.standalone and not self.text.startswith("#!"):
            yield self.finding(1, "shebang", "no `#!` line", "Begin with `#!/bin/bash`")
        if wrong := syntax(self.text):
            yield self.finding(wrong[0], "syntax", wrong[1], "Correct the line, or what it belongs to above")
        for secret in secrets.find(self.text):
            at = self.text.count("\n", 0, secret.start) + 1
            fix = "Remove it, change it where it is valid, and read it from SSM on the machine"
            yield self.finding(at, "secret", f"what looks like a secret ({secret.name})", fix)

    def _other_packages(self, command: Command) -> Iterator[Finding]:
        verbs = {
            "install",
            "update",
            "upgrade",
            "remove",
            "erase",
            "groupinstall",
            "localinstall",
            "reinstall",
        } & set(command.values)
        no_questions = programs.YES_FLAGS | {"-n", "--non-interactive"}
        if verbs and not no_questions & set(command.values):
            verb = verbs.pop()
            yield self.finding(
                command.line,
                "apt-yes",
                f"`{command.program} {verb}` without -y",
                f"Write `{command.program} -y {verb} …`",
            )

    def _apt(self, command: Command, updated: bool) -> Iterator[Finding]:
        if command.words[command.program_index].value == "apt":
            yield self.finding(command.line, "apt-cli", "`apt`", "Write `apt-get`")
        verb = next((value for value in command.values if value in programs.APT_VERBS), None)
        if verb is None:
            return
        quiet = set(command.values) & {"-s", "--simulate", "--dry-run", "--print-uris"}
        if not quiet and not set(command.values) & programs.YES_FLAGS:
            yield self.finding(
                command.line,
                "apt-yes",
                f"`{command.program} {verb}` without --yes",
                f"Write `apt-get {verb} --yes …`",
            )
        if (
            verb in ("install", "build-dep")
            and not updated
            and not any(value.endswith(".deb") for value in command.values)
        ):
            yield self.finding(
                command.line, "apt-update", f"`{verb}` before any update", "Put `apt-get update` before it"
            )
        for value in command.values:
            if value.startswith(programs.DRIVERS):
                yield self.finding(
                    command.line,
                    "driver",
                    f"the package {value}",
                    "Set `image.parent: dlami24`, which has the driver",
                )

    def _packages(self, command: Command) -> Iterator[Finding]:
        if command.program in programs.CONDA:
            yield from self._conda(command)
        for word in package_words(command):
            if not _EXACT.search(word.value):
                name = re.split(r"[<>=!~]", word.value)[0]
                fix = f"{word.value}@COMMIT" if word.value.startswith("git+") else f"{name}==VERSION"
                yield self.finding(self._line_of(word), "pip-unpinned", f"`{word.value}`", f"Write `{fix}`")

    def _conda(self, command: Command) -> Iterator[Finding]:
        verb = next((value for value in command.values if not value.startswith("-")), "")
        if verb not in programs.CONDA_VERBS:
            return
        if not set(command.values) & programs.YES_FLAGS:
            yield self.finding(
                command.line, "conda-yes", f"`{command.program} {verb}` without --yes", "Add `--yes`"
            )
        skip = verb not in ("install", "create")
        for word in command.arguments[[argument.value for argument in command.arguments].index(verb) + 1 :]:
            if not skip and re.fullmatch(r"([\w.-]+::)?[A-Za-z][\w.-]*", word.value):
                yield self.finding(
                    self._line_of(word), "conda-unpinned", f"`{word.value}`", f"Write `{word.value}=VERSION`"
                )
            skip = word.value in programs.CONDA_WITH_VALUE or verb not in ("install", "create")

    def _line_of(self, word: Word) -> int:
        return self.text.count("\n", 0, word.start) + 1

    def _download(self, command: Command, position: int) -> Iterator[Finding]:
        name, values = command.program, command.values
        if name == "git" and "clone" in values:
            after = [other for other in self.commands[position + 1 :] if other.program == "git"]
            fixed = any({"checkout", "reset", "switch"} & set(other.values) for other in after)
            branch = re.search(r" (?:-b|--branch)[ =](\S+)", " " + " ".join(values))
            if not fixed and (branch is None or branch[1] in _MOVING_BRANCHES):
                fix = "Add `git -C FOLDER checkout COMMIT` after it"
                yield self.finding(command.line, "moving-ref", "a clone of whatever is newest", fix)
        if name not in programs.DOWNLOADERS:
            return
        runner = runner_of(command, self.commands)
        if runner:
            fix = "Save it to a file, check it with sha256sum, then run the file"
            yield self.finding(command.line, "pipe-shell", f"what `{name}` prints, run by `{runner}`", fix)
            return
        for value in values:
            if (
                re.match(r"(https?|ftp)://", value)
                and not _MACHINE_ITSELF.match(value)
                and _MOVING.search(value)
            ):
                yield self.finding(
                    command.line, "moving-ref", f"`{value}`", "Name a version, a tag or a commit"
                )
        saves = self._kept(command, position)
        saves = saves or (
            name == "wget"
            and not any(re.match(r"--spider|-\w*O-?$|--output-document", value) for value in values)
        )
        saves = saves or any(
            re.match(r"-\w*[oO]$|--output|--remote-name", value) and "-" not in values for value in values
        )
        to_nowhere = "/dev/null" in values or any(
            redirection.target.value == "/dev/null" for redirection in command.redirections
        )
        from_itself = any(_MACHINE_ITSELF.match(value) for value in values)
        if (
            saves
            and not to_nowhere
            and not from_itself
            and not any(_checks(other) for other in self.commands[position + 1 :])
        ):
            fix = "Follow it with `echo 'DIGEST  FILE' | sha256sum --check`"
            yield self.finding(command.line, "download-unchecked", f"what `{name}` saves is not checked", fix)

    def _kept(self, command: Command, position: int) -> bool:
        """Whether what a command prints goes into a file, perhaps at the end of its pipe, or is unpacked."""
        pipe = [command]
        for other in self.commands[position + 1 :]:
            if pipe[-1].after not in ("|", "|&"):
                break
            pipe.append(other)
        written = any(
            redirection.operator in (">", ">>", ">|") for part in pipe for redirection in part.redirections
        )
        return written or any(part.program in _UNPACKERS for part in pipe[1:])

    def _asks(self, command: Command) -> Iterator[Finding]:
        name, values = command.program, command.values
        batch = any(re.match(r"-\w*[sS]$|--version$|--help$|--batch$", value) for value in values)
        if (name in programs.EDITORS - {"ed", "ex"} and not batch) or (name == "crontab" and "-e" in values):
            yield self.finding(
                command.line,
                "interactive",
                f"`{name}`",
                "Write the file with a here-document, or change it with sed",
            )
        elif name in ("docker", "podman") and any(re.fullmatch(r"-(it|ti)|--tty", value) for value in values):
            yield self.finding(
                command.line, "interactive", f"`{name}` with a terminal", "Leave -t out: there is none"
            )
        elif (
            name in ("passwd", "adduser")
            and not _QUIET & set(values)
            and not command.piped
            and not _joins_group(command)
        ):
            yield self.finding(
                command.line,
                "interactive",
                f"`{name}`",
                programs.ASKERS[name][0].upper() + programs.ASKERS[name][1:],
            )
        elif name in ("select", "tzselect"):
            yield self.finding(command.line, "interactive", f"`{name}`", "Write the choice into the script")
        elif name == "read" and any(re.match(r"-[a-z]*[ps]", value) for value in values):
            fix = (
                "Read the secret from SSM on the machine"
                if asks_unseen(command)
                else "Write the value into the script"
            )
            yield self.finding(command.line, "interactive", "`read` from somebody", fix)
        elif name == "ssh-keygen" and not any(value in ("-N", "-A", "-R", "-l", "-y") for value in values):
            yield self.finding(
                command.line,
                "interactive",
                "`ssh-keygen`",
                programs.ASKERS[name][0].upper() + programs.ASKERS[name][1:],
            )
        restarts = name in programs.REBOOTS - {"init", "telinit"} or (
            name in ("init", "telinit") and bool({"0", "6"} & set(values))
        )
        restarts = (restarts and "-c" not in values) or (
            name == "systemctl" and bool({"reboot", "poweroff", "halt"} & set(values))
        )
        if restarts:
            fix = "Leave it out; a bake needs no restart, and machines boot the finished image"
            yield self.finding(command.line, "reboot", f"`{name}`", fix)

    def _shell(self, command: Command) -> Iterator[Finding]:
        name, values = command.program, command.values
        wrapped = [word.value.rpartition("/")[2] for word in command.words[: command.program_index]]
        if "sudo" in wrapped or name == "sudo":
            options = [word.value for word in command.words[: command.program_index]]
            if name == "sudo" or not any(re.match(r"-[A-Za-z]*u|--user\b", option) for option in options):
                yield self.finding(command.line, "sudo", "`sudo`", "Leave it out: scripts run as root")
        if waits_inside(command) and name != "sudo":
            yield self.finding(
                command.line,
                "nested-shell",
                f"`{name}` without a script",
                "Give it a script, or write its commands out",
            )
        tested = command.head in ("if", "elif", "while", "until", "!") or command.after in ("&&", "||")
        if name == "cd" and not self.strict and not tested and values not in (["/"], []):
            fix = "Begin with `set -euo pipefail`, or add `|| exit 1`"
            yield self.finding(command.line, "cd-unchecked", "`cd` that may fail unnoticed", fix)
        if command.after == "&" and not any(other.program == "wait" for other in self.commands):
            yield self.finding(
                command.line, "background", f"`{name} &`", "Run it in the foreground, or `wait` for it"
            )
        if puts_there(command):
            fix = (
                "Put what the analysis needs into a folder of another name; scripts of a blueprint travel "
                "with it"
            )
            yield self.finding(
                command.line, "place", f"`{name}` puts something into ~/neurocaas_contrib", fix
            )
        if name in ("modprobe", "insmod", "dkms") or re.match(r"NVIDIA-Linux.*\.run", name):
            yield self.finding(
                command.line,
                "driver",
                f"`{name}`",
                "Take a parent image that has the driver: `image.parent: dlami24`",
            )


def _checks(command: Command) -> bool:
    """Whether a command compares a file with a digest or a signature."""
    return command.program in _CHECK or (command.program in ("gpg", "gpg2") and "--verify" in command.values)


def _joins_group(command: Command) -> bool:
    """`adduser USER GROUP`, which asks nothing."""
    return command.program == "adduser" and sum(not value.startswith("-") for value in command.values) == 2
