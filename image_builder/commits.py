"""Commits of one folder: what the project writes into a blueprint is a commit of its own, whatever else lies
in the working tree.

Other changes stay as they are, staged ones too. A folder that is in no git repository is no mistake: it is
said, and nothing is committed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neurocaas.protocol.problems import UserFacingError

_OF_A_CALLER = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
)
"""Set by git around hooks and aliases; they would lead our git to another repository or index."""


class CommitError(UserFacingError):
    """A commit that git refuses."""


@dataclass(frozen=True)
class CommitState:
    """Where a folder stands in git. `commit`: of HEAD, None outside a repository and before the first commit.
    `dirty`: the folder differs from that commit."""

    commit: str | None
    dirty: bool


def state(folder: Path) -> CommitState:
    """What git says of a folder; State(None, True) where there is no git."""
    try:
        head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except FileNotFoundError:
        return CommitState(None, True)
    if head.returncode != 0:
        return CommitState(None, True)
    changes = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", ".")
    return CommitState(head.stdout.strip(), changes.returncode != 0 or bool(changes.stdout.strip()))


def can_commit(repo_root: Path, say: Callable[[str], None]) -> bool:
    """Whether a commit is possible, to be asked before long work. False, and a word to `say`, where there is
    no repository; CommitError where git needs something first: a name for the author, or the end of a
    merge."""
    try:
        inside = _git(repo_root, "rev-parse", "--is-inside-work-tree", "--absolute-git-dir")
    except FileNotFoundError:
        say("nothing is committed: there is no git on PATH")
        return False
    answers = inside.stdout.split("\n")
    if inside.returncode != 0 or answers[0] != "true":
        said = _last(inside.stderr) or "not a working tree"
        say(f"nothing is committed: {repo_root} is in no git repository that can be used ({said})")
        return False
    under_way = [name for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD") if (Path(answers[1]) / name).exists()]
    if under_way:
        raise CommitError(
            f"the repository {repo_root} is in the middle of a merge ({under_way[0]}), and git makes no "
            "commit of one folder then",
            "a repository without a merge under way",
            "finish the merge with `git commit`, or end it with `git merge --abort` (`git cherry-pick "
            "--abort`); or add --no-commit",
        )
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        identity = _git(repo_root, "-c", "user.useConfigOnly=true", "var", who)
        if identity.returncode != 0:
            raise CommitError(
                f"git does not know who you are ({_last(identity.stderr) or who})",
                "a name and an address for the author of commits",
                '`git config user.name "Your Name"` and `git config user.email you@example.org`; or add '
                "--no-commit",
            )
    return True


def commit_folder(
    repo_root: Path, folder: Path, message: str, *, say: Callable[[str], None], empty: bool = False
) -> str | None:
    """Commit all changes below `folder` (new and deleted files too, ignored ones not), and nothing else.
    Returns the commit's hash.

    None when the folder has no changes (unless `empty`), and, with a word to `say`, when there is no
    repository. Raises CommitError when git refuses (no author, a merge under way, a hook that says no); the
    index is then as it was.
    """
    if not can_commit(repo_root, say):
        return None
    path = str(folder.resolve())
    if (
        not empty
        and not _checked(repo_root, "status", "--porcelain", "--untracked-files=all", "--", path).strip()
    ):
        return None
    untracked = [
        name
        for name in _checked(
            repo_root, "ls-files", "-z", "--others", "--exclude-standard", "--full-name", "--", path
        ).split("\0")
        if name
    ]
    fresh = [f":(top,literal){name}" for name in untracked]
    if fresh:  # a commit of a path takes only what the index knows
        _checked(repo_root, "add", "--intent-to-add", "--", *fresh)
    done = _git(
        repo_root,
        "commit",
        "--quiet",
        *(["--allow-empty"] if empty else []),
        "--message",
        message,
        "--only",
        "--",
        path,
    )
    if done.returncode != 0:
        if fresh:
            _git(repo_root, "reset", "--quiet", "--", *fresh)
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CommitError(
            f"git made no commit of {folder}: " + "\n    ".join(said[-5:]),
            "a commit of that folder alone",
            "see what git says above (a hook?), then commit the folder yourself; or add --no-commit",
        )
    return _checked(repo_root, "rev-parse", "HEAD").strip()


def _checked(folder: Path, *arguments: str) -> str:
    done = _git(folder, *arguments)
    if done.returncode != 0:
        raise CommitError(
            f"`git {arguments[0]}` failed in {folder}: {_last(done.stderr)}",
            "a repository that git can read and write",
            "put it right, or add --no-commit",
        )
    return done.stdout


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_CALLER}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**environment, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
