"""Commits of one folder, with a real git."""

import os
import subprocess
from pathlib import Path

import pytest

from image_builder.commits import CommitError, CommitState, can_commit, commit_folder, state


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    (root / "blueprints/dti/tests").mkdir(parents=True)
    (root / "blueprints/other").mkdir()
    for name in (
        "blueprints/dti/blueprint.yaml",
        "blueprints/dti/old.txt",
        "blueprints/other/blueprint.yaml",
        "staged.txt",
        "loose.txt",
    ):
        (root / name).write_text("first\n")
    (root / ".gitignore").write_text("*.cache\n")
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "config", "user.name", "Someone")
    git(root, "config", "user.email", "someone@example.org")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    return root


def test_only_the_folder_and_all_of_it(repository: Path) -> None:
    folder = repository / "blueprints/dti"
    (folder / "blueprint.yaml").write_text("second\n")
    (folder / "old.txt").unlink()
    (folder / "tests/new [1] *.txt").write_text("new\n")
    (folder / "a.cache").write_text("ignored\n")
    for other in ("staged.txt", "loose.txt", "blueprints/other/blueprint.yaml"):
        (repository / other).write_text("changed\n")
    (repository / "untracked.txt").write_text("x\n")
    git(repository, "add", "staged.txt")
    made = commit_folder(repository, folder, "before\n\nwhy", say=pytest.fail)
    assert made == git(repository, "rev-parse", "HEAD").strip()
    assert git(repository, "show", "--format=", "--name-status", "-z", "HEAD").split("\0")[:-1] == [
        "M", "blueprints/dti/blueprint.yaml", "D", "blueprints/dti/old.txt", "A", "blueprints/dti/tests/new "
            "[1] *.txt",
    ]  # fmt: skip
    assert git(repository, "status", "--porcelain").splitlines() == [
        " M blueprints/other/blueprint.yaml", " M loose.txt", "M  staged.txt", "?? untracked.txt",
    ]  # fmt: skip
    assert commit_folder(repository, folder, "again", say=pytest.fail) is None


def test_a_hook_that_refuses_leaves_the_index_as_it_was(repository: Path) -> None:
    hook = repository / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'run the formatter' >&2\nexit 1\n")
    hook.chmod(0o755)
    folder = repository / "blueprints/dti"
    (folder / "new.txt").write_text("new\n")
    (folder / "old.txt").write_text("changed\n")
    git(repository, "add", "blueprints/dti/old.txt")
    before = git(repository, "status", "--porcelain")
    with pytest.raises(CommitError, match="run the formatter"):
        commit_folder(repository, folder, "before", say=pytest.fail)
    assert git(repository, "status", "--porcelain") == before


def test_no_author_and_a_merge_are_told_before_anything_happens(repository: Path) -> None:
    git(repository, "config", "--unset", "user.email")
    with pytest.raises(CommitError, match=r"git config user\.email"):
        can_commit(repository, pytest.fail)
    git(repository, "config", "user.email", "someone@example.org")
    (repository / ".git/MERGE_HEAD").write_text(git(repository, "rev-parse", "HEAD"))
    with pytest.raises(CommitError, match="middle of a merge"):
        commit_folder(repository, repository / "blueprints/dti", "m", say=pytest.fail)


def test_outside_a_repository_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    folder = tmp_path / "plain"
    folder.mkdir()
    assert commit_folder(folder, folder, "m", say=said.append) is None
    assert "no git repository" in said[0]
    assert state(folder) == CommitState(None, True)
    monkeypatch.setenv("PATH", str(folder))
    assert not can_commit(folder, said.append)
    assert "no git on PATH" in said[1]
    assert state(folder) == CommitState(None, True)


def test_state_and_first_commit(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index-of-a-hook"))
    head = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    (repository / "blueprints/other/blueprint.yaml").write_text("changed\n")
    assert state(repository / "blueprints/dti") == CommitState(head, False)
    assert state(repository / "blueprints/other") == CommitState(head, True)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.delenv("GIT_INDEX_FILE")
    git(empty, "init", "--quiet")
    git(empty, "config", "user.name", "Someone")
    git(empty, "config", "user.email", "someone@example.org")
    (empty / "file").write_text("x")
    assert state(empty) == CommitState(None, True)
    assert commit_folder(empty, empty, "first", say=pytest.fail) == git(empty, "rev-parse", "HEAD").strip()
