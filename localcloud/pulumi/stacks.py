"""The local stacks: made in the file backend when they are missing, and kept in step with their stack
files.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from localcloud.pulumi import passphrase

INIT_SECONDS = 60


class StackFileConflict(Exception):
    """Stack files that cannot be used with the local passphrase, or stacks that the engine refused to make;
    one paragraph for each.
    """

    exit_code = 1  # of a command that ends with it


@dataclass(frozen=True)
class _Project:
    name: str
    config: Path

    @classmethod
    def read(cls, root: Path) -> _Project:
        settings = yaml.safe_load((root / "Pulumi.yaml").read_text())
        return cls(settings["name"], root / settings.get("stackConfigDir", "."))

    def file(self, stack: str) -> Path:
        return self.config / f"Pulumi.{stack}.yaml"


def with_files(root: Path) -> list[str]:
    """The names of the stacks that have a file in the Pulumi project at `root`."""
    project = _Project.read(root)
    files = sorted(project.config.glob("Pulumi.*.yaml"))
    return [file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files]


def exists(state: Path, project: str, stack: str) -> bool:
    """Whether the file backend in `state` has the stack. Its layout: `.pulumi/stacks/<project>/<stack>.json`
    (pkg/backend/diy).
    """
    folder = state / ".pulumi" / "stacks" / project
    return any((folder / f"{stack}.json{suffix}").is_file() for suffix in ("", ".gz"))


def init_stacks(
    stack_names: Iterable[str],
    *,
    project_root: Path,
    state: Path,
    passphrase_file: Path,
    cli: Path,
    variables: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Make every stack that is missing from the backend in `state`, after its stack file has been brought in
    step.

    A stack file holds the salt of the secrets' key, made by the engine together with the stack. What can go
    wrong with it, and what is
    done: the file was deleted: its salt is written back; the file was sealed with another passphrase (the
    local cloud's files were removed, or the stack is also used with a real account): a copy is set aside and
    the salt is made anew, unless the file holds secrets that only the other passphrase opens. Raises
    `StackFileConflict` with all problems at once.
    """
    project = _Project.read(project_root)
    project.config.mkdir(parents=True, exist_ok=True)
    phrase = passphrase.ensure_passphrase(passphrase_file)
    salts = _Salts(passphrase_file.with_name("salts.json"), phrase)
    problems = []
    for stack in stack_names:
        problem = _mend(project, stack, phrase, salts, passphrase_file.with_name("set-aside"), say)
        if problem is None and not exists(state, project.name, stack):
            problem = _init(stack, project_root, cli, variables)
        if problem is not None:
            problems.append(problem)
        elif project.file(stack).is_file():
            salts.remember(stack, passphrase.salt_in(project.file(stack).read_text()))
    if problems:
        raise StackFileConflict("\n".join(problems))


class _Salts:
    """The salts known to belong to a passphrase: checking one costs half a second, and a deleted one can be
    written back.
    """

    def __init__(self, file: Path, phrase: str) -> None:
        self._file = file
        self._owner = hashlib.sha256(phrase.encode()).hexdigest()
        stored = json.loads(file.read_text()) if file.is_file() else {}
        self._known: dict[str, str] = (
            stored["salts"] if stored.get("passphrase_sha256") == self._owner else {}
        )

    def of(self, stack: str) -> str | None:
        return self._known.get(stack)

    def known(self, salt: str) -> bool:
        return salt in self._known.values()

    def remember(self, stack: str, salt: str | None) -> None:
        if salt is not None and self._known.get(stack) != salt:
            self._known[stack] = salt
            new = self._file.with_suffix(".new")
            new.write_text(
                json.dumps({"passphrase_sha256": self._owner, "salts": self._known}, indent=2, sort_keys=True)
            )
            new.replace(self._file)


def _mend(
    project: _Project, stack: str, phrase: str, salts: _Salts, aside: Path, say: Callable[[str], None]
) -> str | None:
    """Bring a stack file in step with the passphrase; the text of a problem if that would lose something."""
    file = project.file(stack)
    text = file.read_text() if file.is_file() else ""
    salt = passphrase.salt_in(text)
    if salt is None:
        remembered = salts.of(stack)
        if remembered is not None:
            file.write_text(f"encryptionsalt: {remembered}\n{text}")
        return None
    if salts.known(salt) or passphrase.belongs(salt, phrase):
        return None
    if "secure:" in text:
        return (
            f"{file}: got secrets that were sealed with another passphrase than the local cloud's; "
            f"allowed are secrets sealed with the local one; "
            f"move the file away (mv {file} {file}.other) or remove its `secure:` values, then run the "
            "command again."
        )
    aside.mkdir(parents=True, exist_ok=True)
    copy = aside / f"{file.name}.{datetime.now(UTC):%Y%m%dT%H%M%S}"
    copy.write_text(text)
    rest = passphrase.without_salt(text)
    if rest.strip():
        file.write_text(rest)
    else:
        file.unlink()
    say(
        f"{file.name} was sealed with another passphrase; it gets a new salt, a copy of the old file is "
        f"{copy}"
    )
    return None


def _init(stack: str, project_root: Path, cli: Path, variables: Mapping[str, str]) -> str | None:
    answer = subprocess.run(
        [cli, "stack", "init", stack, "--no-select", "--non-interactive"],
        cwd=project_root,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INIT_SECONDS,
        check=False,
    )
    return (
        None
        if answer.returncode == 0
        else f"stack {stack}: the engine could not make it: {answer.stderr.strip()}"
    )
