"""What the linter says: rules, and findings with their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ERROR, WARNING = "error", "warning"

RULES: dict[str, tuple[str, str]] = {
    # scripts
    "syntax": (ERROR, "bash cannot read it"),
    "encoding": (ERROR, "a script that is empty, not UTF-8, has a byte order mark or Windows line ends"),
    "shebang": (
        WARNING,
        "no `#!` line, or one that Linux reads otherwise: who runs the script by hand gets another shell",
    ),
    "interpreter": (
        ERROR,
        "a `#!` line that Linux does not read as it is meant: several arguments, or a "
        "program without its whole path",
    ),
    "apt-yes": (ERROR, "apt (or yum, dnf, zypper) installs or removes without --yes, and would ask"),
    "apt-update": (
        WARNING,
        "apt installs before any apt-get update in the script: the parent's index is old or empty",
    ),
    "apt-cli": (WARNING, "`apt` is for people, its interface is not stable; `apt-get` is for scripts"),
    "conda-yes": (ERROR, "conda changes an environment without --yes, and would ask"),
    "pip-unpinned": (WARNING, "pip installs without exact versions: another day gives another image"),
    "conda-unpinned": (WARNING, "conda installs without a version: another day gives another image"),
    "download-unchecked": (WARNING, "a download that no checksum follows"),
    "moving-ref": (
        WARNING,
        "`latest`, `main`, `master` or a clone without a commit: it changes without notice",
    ),
    "pipe-shell": (ERROR, "a download that a shell runs at once: nobody knows afterwards what ran"),
    "driver": (ERROR, "a driver or kernel: take a parent image that has it (dlami24)"),
    "place": (
        WARNING,
        "something in ~/neurocaas_contrib, which a job's machine moves to ~/neurocaas_contrib.image",
    ),
    "sudo": (WARNING, "sudo: scripts run as root already; `sudo -S` and `sudo -i` wait for somebody"),
    "interactive": (ERROR, "a program that asks or edits"),
    "nested-shell": (ERROR, "a shell or interpreter that waits for input"),
    "reboot": (ERROR, "a script that restarts the machine under Image Builder's feet"),
    "secret": (ERROR, "something that looks like a password, a key or a token"),
    "cd-unchecked": (WARNING, "cd without `set -e`, `||` or `&&`: the rest would run in the wrong folder"),
    "background": (WARNING, "a command in the background that nothing waits for"),
    # documents
    "yaml": (ERROR, "not YAML, or a key twice"),
    "schema": (ERROR, "a field that AWSTOE does not know, or with a value that it does not take"),
    "zero-steps": (
        ERROR,
        "a phase without steps, or a document without one of build, validate, test: it "
        '"succeeds" and does nothing',
    ),
    "duplicate-name": (ERROR, "two phases, two steps of a phase, or two parameters of one name"),
    "unknown-action": (ERROR, "an action module that AWSTOE does not have, or not on Linux"),
    "missing-input": (ERROR, "an action without an input that it needs"),
    "unknown-input": (WARNING, "an input that the action does not know"),
    "missing-parameter": (WARNING, "a parameter without a default: the recipe must give it a value"),
    "reference": (ERROR, "a `{{ reference }}` to something that is not there"),
    "type-trap": (WARNING, "an unquoted value that YAML readers change, such as 0644, 1.10 or yes"),
    "too-large": (WARNING, "more than 16,000 characters: Image Builder takes it only from S3"),
    "not-strict": (WARNING, "commands without `set -e`: AWSTOE looks at the last one's status only"),
    "home-unset": (WARNING, "$HOME in commands: AWSTOE sets none"),
}
"""Rule -> (severity, what it is)."""


@dataclass(frozen=True, order=True)
class Finding:
    """One mistake. `fix` says what to do; `severity` is the rule's."""

    file: str
    line: int
    rule: str
    got: str
    fix: str

    @property
    def severity(self) -> str:
        return RULES[self.rule][0]

    def text(self) -> str:
        """`file:line: severity [rule] got. fix`"""
        return f"{self.file}:{self.line}: {self.severity} [{self.rule}] {self.got}. {self.fix}"

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file, "line": self.line, "rule": self.rule, "severity": self.severity,
            "got": self.got, "fix": self.fix,
        }  # fmt: skip


def table() -> str:
    """The rules as the table of docs/images.md."""
    rows = "\n".join(f"| `{rule}` | {severity} | {what} |" for rule, (severity, what) in RULES.items())
    return f"| rule | severity | what it finds |\n| --- | --- | --- |\n{rows}\n"
