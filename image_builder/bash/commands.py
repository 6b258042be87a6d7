"""A simple command of bash: its words, redirections and place, and the program that it runs in the end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^]]*\])?\+?=")
_WRAPPERS: dict[str, frozenset[str]] = {
    "sudo": frozenset({"-u", "--user", "-g", "--group", "-p", "--prompt", "-C", "-h", "-T", "-D", "--chdir"}),
    "env": frozenset({"-u", "--unset", "-C", "--chdir", "-S"}),
    "exec": frozenset({"-a"}), "nice": frozenset({"-n"}), "ionice": frozenset({"-c", "-n"}),
    "timeout": frozenset({"-s", "-k"}),
    "stdbuf": frozenset({"-i", "-o", "-e"}), "command": frozenset(), "nohup": frozenset(),
    "builtin": frozenset(),
}  # fmt: skip


@dataclass(frozen=True)
class Word:
    """One word: `raw` as written at text[start:end], `value` without its quotes (substitutions stay as
    written).
    """

    raw: str
    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Redirection:
    """`operator` such as ">>", and the word after it."""

    operator: str
    target: Word


@dataclass
class Command:
    """A simple command. `after` is the operator that ends it; `nested`: it stands inside a substitution;
    `piped`: a pipe feeds it; `head`:
    the reserved word right before it, such as `if` or `!`."""

    start: int
    line: int
    nested: bool
    head: str = ""
    assignments: list[Word] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)
    after: str = ""
    end: int = 0
    piped: bool = False

    @property
    def program(self) -> str:
        """The program's name without its folder, past `sudo`, `env` and the like; "" for assignments
        alone.
        """
        index = self.program_index
        return self.words[index].value.rpartition("/")[2] if index < len(self.words) else ""

    @property
    def program_index(self) -> int:
        index = 0
        while index < len(self.words) and (name := self.words[index].value.rpartition("/")[2]) in _WRAPPERS:
            ahead = index + 1
            if name == "command" and ahead < len(self.words) and self.words[ahead].value in ("-v", "-V"):
                return index
            while ahead < len(self.words):
                value = self.words[ahead].value
                if value == "--":
                    ahead += 1
                    break
                if value.startswith("-") and value != "-":
                    last = f"-{value[-1]}" if name == "sudo" and value[1] != "-" else value  # of `-iu USER`
                    ahead += 2 if last in _WRAPPERS[name] else 1
                elif ASSIGNMENT.match(value) and name in ("sudo", "env"):
                    ahead += 1
                else:
                    break
            if name == "timeout":
                ahead += 1
            if ahead >= len(self.words):
                return index
            index = ahead
        return index

    @property
    def arguments(self) -> list[Word]:
        """The words after the program."""
        return self.words[self.program_index + 1 :]

    @property
    def values(self) -> list[str]:
        return [word.value for word in self.arguments]
