"""COMMAND of the first implementation, a shell line with four `{}`: what it prepares, what it runs, and what
of it is needed here.

Everything in it is either a step of the run script that an import writes (`blueprints.old_script`), or left
out with a reason.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from itertools import count
from string import Formatter

from blueprints import old_shell

PLACEHOLDERS = ("bucket", "input", "results folder", "config")
"""What str.format put in, in this order; without the fourth the config was silently lost."""
_MAIN = re.compile(r"(^|/)run_main\w*\.sh$")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_SHELLS = frozenset({"bash", "sh", "dash", "zsh"})
_INTERPRETERS = _SHELLS | {"python", "python2", "python3", "Rscript", "perl", "julia", "source", "."}
_SHOW_ONLY = frozenset({"ls", "pwd", "whoami", "date", "env", "id", "hostname"})
_ENDS = {
    "cleanup": "the machine removes its data with itself", "poweroff": "the machine switches itself off",
    "shutdown": "the machine switches itself off", "halt": "the machine switches itself off",
    "reboot": "no machine is used twice",
    "exit": "the script ends with the code of what it ran",
}  # fmt: skip
_USER_OPTIONS = {f"-{letter}" for letter in "ughpCDrtTUR"} | {
    f"--{word}" for word in ("user", "group", "host", "prompt", "chdir", "role")
}
"""Options of sudo that take a word."""
_CODE = re.compile(r"(?:/home/ubuntu/|(?:\.\./)+home/ubuntu/|~/|\./)?neurocaas_contrib(?=/|$)")


@dataclass(frozen=True)
class OldStep:
    """One command of the run script. `kind`: prepare (as it is), folder (one to go to), settings (a shell's
    dot file), conda, script (runs `script` with `arguments` as the main scripts did), program (`text` calls
    `script`, which has to be found first; None: as it is), or after (once all ran, whatever their codes).
    `text`: with variables in the place of placeholders."""

    kind: str
    text: str = ""
    script: str | None = None
    arguments: str = ""


@dataclass(frozen=True)
class OldCommand:
    """`steps` of the run script, in order; `left_out` what of the line is not in it, each with its reason;
    `doubts` what a person has to look at. Without a step that runs something the run script can only say
    so."""

    steps: tuple[OldStep, ...] = ()
    left_out: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def script(self) -> str | None:
        """The analysis script that was called, as it was written; None when the line names none."""
        return next((step.script for step in self.steps if step.script), None)

    @property
    def runs(self) -> bool:
        return any(step.kind in ("script", "program") for step in self.steps)

    @property
    def by_main(self) -> bool:
        """Whether a main script called the analysis script, as run_main.sh does here."""
        return any(step.kind == "script" for step in self.steps)

    @property
    def prepares(self) -> tuple[str, ...]:
        """What is done beside running the script, but for the way to a main script."""
        others = [step.text for step in self.steps if step.kind not in ("script", "program")]
        return tuple(text for text in others if not (self.by_main and text.startswith(("cd ", "enter "))))


def fault(text: str) -> str | None:
    """Why `text` cannot be a COMMAND, or None."""
    if "{}" not in text and " " in text.strip() and not re.search(r"[/;$\"'.]", text):
        return "a sentence, not a command"
    try:
        fields = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        return f"braces that are no placeholder {{}} ({str(error).lower()})"
    if any(fields) or "{{}}" in text:
        return "braces that are no placeholder {}"
    if not fields:
        return "no placeholder {}"
    try:
        for one in old_shell.commands(text):
            for word in one.words:
                old_shell.plain(word)
    except ValueError as error:
        if "no simple commands" not in str(error):
            return f"a shell line that does not end ({str(error).lower()})"
    return None


def read(text: str) -> OldCommand:
    """The parts of a COMMAND without fault."""
    return _Reader().read(text)


@dataclass
class _Reader:
    steps: list[OldStep] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def read(self, text: str) -> OldCommand:
        try:
            self._line(text)
        except ValueError as error:
            self.steps.clear()
            self.doubts.append(f"its shell is {error}: write the run script by hand")
            return OldCommand((), tuple(self.left_out), tuple(self.doubts))
        # no step ends in another
        alone = (f"one() {{\n{step.text or f'run {step.arguments}'}\n}}" for step in self.steps)
        if not old_shell.readable("\n".join(alone)):
            return OldCommand(
                (), tuple(self.left_out), ("its shell is none that bash reads: write the run script by hand",)
            )
        places = next(self._numbers)
        if places != len(PLACEHOLDERS):
            self.doubts.append(
                f"it has {places} placeholder{'' if places == 1 else 's'} {{}} in place of "
                f"{len(PLACEHOLDERS)}"
                + (
                    ": there the configuration was lost; here scripts find it in $configpath"
                    if places < 4
                    else ""
                )
            )
        if not any(step.kind in ("script", "program") for step in self.steps):
            self.doubts.append("it names no script: write what is to be run into the run script")
        return OldCommand(tuple(self.steps), tuple(dict.fromkeys(self.left_out)), tuple(self.doubts))

    def _line(self, text: str) -> None:
        every = old_shell.commands(text)
        last = max((number for number, one in enumerate(every) if "{}" in one.text), default=-1)
        kept = ""
        for number, one in enumerate(every):
            if kept:  # the second half of `a || b`, where neither is a call
                one, kept = old_shell.OldShellCommand(f"{kept} {one.text}", "", one.after), ""
            if one.after == "||" and "{}" not in one.text and number < last:
                kept = f"{one.text} ||"
                continue
            self._command(one, after=number > last)

    def _command(self, one: old_shell.OldShellCommand, *, after: bool) -> None:
        if one.text.startswith("(") and one.text.endswith(")") and "{}" in one.text:
            self._line(one.text[1:-1])
            return
        words = self._unwrapped(list(one.words))
        if not words:
            return
        first = old_shell.plain(words[0]) if old_shell.fixed(words[0]) else words[0]
        name = first.rpartition("/")[2]
        if name in _SHELLS and (inner := _inner(words)) is not None:
            if "{}" in inner:
                self._line(inner)
                return
            words[1:1] = ["-e", "-o", "pipefail"]
        if "{}" in one.text:
            self._call(words, one)
        elif name in _ENDS:
            self._out(one.text, _ENDS[name])
        elif name in _SHOW_ONLY and "|" not in words and ">" not in one.text:
            self._out(one.text, "it only shows something")
        elif name == "set":
            self._out(one.text, "the run script stops at the first failure")
        elif after:
            self._after(words, one)
        else:
            self._prepare(words, first)
            if one.after == "&":
                self._out("&", f"the script waits for {first}")

    def _unwrapped(self, words: list[str]) -> list[str]:
        """Without what starts another user, or a program that must not end with its shell."""
        assigned: list[str] = []
        while words:
            name = words[0].rpartition("/")[2]
            if _NAME.match(words[0]):
                assigned.append(words.pop(0))
            elif name == "sudo":
                taken = [words.pop(0)]
                while words and (words[0].startswith("-") or _NAME.match(words[0])):
                    taken.append(words.pop(0))
                    if taken[-1] == "--":
                        break
                    if taken[-1] in _USER_OPTIONS and words:
                        taken.append(words.pop(0))
                assigned += [one for one in taken if _NAME.match(one)]
                self._out(" ".join(taken), "a job's scripts run as root")
            elif name in ("su", "runuser") and "-c" in words:
                place = words.index("-c")
                self._out(" ".join(words[: place + 1]), "a job's scripts run as root")
                words = ["bash", "-c", *words[place + 1 : place + 2]]
            elif (
                name in ("nohup", "exec", "time", "nice", "env")
                and len(words) > 1
                and not words[1].startswith("-")
            ):
                self._out(words.pop(0), "the run script starts it, and waits for it")
            else:
                break
        return [*assigned, *words]

    def _call(self, words: list[str], one: old_shell.OldShellCommand) -> None:
        if one.after == "&":
            self._out("&", "the run script waits for what it runs")
        if one.after == "||":
            self.doubts.append("what follows || ran after a failure, and hid it: here a failure stays one")
        plain = [old_shell.plain(word) if old_shell.fixed(word.replace("{}", "")) else word for word in words]
        main = next((number for number, word in enumerate(plain) if _MAIN.search(word)), None)
        if main is not None:
            rest = [number for number in range(main + 1, len(words)) if "{}" not in plain[number]]
            if rest and not re.match(r"[|<>0-9&]", words[rest[0]]):
                self._out(plain[main], "machines run run_main.sh by themselves, around this script")
                for word in words[:main]:
                    if _NAME.match(word):
                        self.steps.append(OldStep("prepare", f"export {self._filled(word)}"))
                self._count(one.text)
                more = " ".join(words[number] for number in rest[1:])
                self.steps.append(
                    OldStep("script", script=_absolute(plain[rest[0]]), arguments=self._filled(more))
                )
                return
            if plain[main].rpartition("/")[2] in ("run_main.sh", "run_main_cli.sh"):
                self._count(one.text)
                return
        self._program(words, plain)

    def _program(self, words: list[str], plain: list[str]) -> None:
        place = 0
        while place < len(words) - 1 and (
            _NAME.match(words[place])
            or plain[place].rpartition("/")[2] in _INTERPRETERS
            or plain[place].startswith("-")
        ):
            place += 1
        script = _absolute(plain[place])
        if (
            script.startswith("-")
            or "{}" in script
            or not old_shell.fixed(words[place])
            or not re.search(r"/|\.(sh|py|R|pl|jl)$", script)
        ):
            self.steps.append(OldStep("program", self._filled(" ".join(words))))
            return
        before = words[:place]
        started = [word for word in before if not _NAME.match(word)]
        text = " ".join([*before, *([] if started else ["run"]), '"$script"', *words[place + 1 :]])
        self.steps.append(OldStep("program", self._filled(text), script))

    def _prepare(self, words: list[str], first: str) -> None:
        sourced = (
            old_shell.plain(words[1])
            if first in (".", "source") and len(words) > 1 and old_shell.fixed(words[1])
            else ""
        )
        settings = sourced if sourced.rpartition("/")[2].startswith(".") else ""
        if re.fullmatch(r"\.[A-Za-z]\w*", first) and len(words) == 1:
            settings = first
        if (
            first == "cd"
            and len(words) > 1
            and _CODE.match(old_shell.plain(words[1]))
            and old_shell.fixed(words[1])
        ):
            below = _CODE.sub("", old_shell.plain(words[1]), count=1)
            self.steps.append(
                OldStep("prepare", 'cd "$neurocaasrootdir"' + (shlex.quote(below) if below else ""))
            )
        elif (
            first == "cd"
            and len(words) == 2
            and old_shell.fixed(words[1])
            and not re.match(r"/|~|\.\./", old_shell.plain(words[1]))
        ):
            self.steps.append(OldStep("folder", f"enter {words[1]}"))
        elif settings:
            self.steps.append(OldStep("settings", f"settings {self._filled(words[-1])}"))
        elif first == "conda" and words[1:2] == ["activate"]:
            self.steps.append(OldStep("conda", self._filled(" ".join(words))))
        elif _NAME.match(first):
            export = "export " if all(map(_NAME.match, words)) else ""
            self.steps.append(OldStep("prepare", export + self._filled(" ".join(words))))
        else:
            self.steps.append(OldStep("prepare", self._filled(" ".join(words))))

    def _after(self, words: list[str], one: old_shell.OldShellCommand) -> None:
        if words[0] in (".", "source") and re.search(
            r"neurocaas_contrib|ncap_utils|(workflow|transfer|paths)\.sh", one.text
        ):
            self._out(one.text, "its functions were for the end of a job, which comes by itself")
            return
        self.steps.append(
            OldStep("after" if one.before != "&&" else "prepare", self._filled(" ".join(words)))
        )

    def _count(self, text: str) -> None:
        """The main scripts' own arguments: they are the same four here, and are only counted."""
        for _ in range(text.count("{}")):
            next(self._numbers)

    def _filled(self, text: str) -> str:
        return old_shell.filled(text, lambda: next(self._numbers))

    def _out(self, what: str, why: str) -> None:
        self.left_out.append(f"{what} ({why})")


def _absolute(script: str) -> str:
    """A path without `~`, the home of the image's user, and without the steps up to it."""
    return re.sub(r"^(~(ubuntu|ec2-user)?|(\.\./)+home/ubuntu)(?=/)", "/home/ubuntu", script)


def _inner(words: list[str]) -> str | None:
    """The line that `bash -c` runs."""
    for number, word in enumerate(words[1:], 1):
        if not word.startswith("-"):
            return None
        if re.fullmatch(r"-[a-z]*c", word):
            return old_shell.plain(words[number + 1]) if number + 1 < len(words) else None
    return None
