"""`invoke release`: what it writes, and what it refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from invoke.context import Context

from console import release
from console.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {
    "CHANGELOG.md": (
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [1.0.0] - 2026-01-01\n\n- First.\n"
    ),
    "pyproject.toml": '[project]\nname = "x"\nversion = "1.0.0"\n\n[tool.x]\nversion = "7"\n',
    "CITATION.cff": "cff-version: 1.2.0\nversion: 1.0.0\ndate-released: 2026-01-01\ntitle: x\n",
}


def test_the_version_is_in_all_files_and_the_changelog_has_its_heading() -> None:
    made = release.released(TEXTS, "1.1.0", "2026-02-03")
    assert made == {
        "CHANGELOG.md": TEXTS["CHANGELOG.md"].replace(
            "[Unreleased]\n", "[Unreleased]\n\n## [1.1.0] - 2026-02-03\n"
        ),
        "pyproject.toml": '[project]\nname = "x"\nversion = "1.1.0"\n\n[tool.x]\nversion = "7"\n',
        "CITATION.cff": "cff-version: 1.2.0\nversion: 1.1.0\ndate-released: 2026-02-03\ntitle: x\n",
    }
    with pytest.raises(UserError, match=r"nothing under ## \[Unreleased\]"):
        release.released(made, "1.2.0", "2026-02-03")


@pytest.mark.parametrize("version", ["1.0.0", "0.9.9", "v1.1.0", "1.1", "1.1.0-rc1", ""])
def test_a_version_that_does_not_follow_is_refused(version: str) -> None:
    with pytest.raises(UserError, match=r"(?s)present one is 1\.0\.0.*allowed: MAJOR.*do: choose"):
        release.released(TEXTS, version, "2026-02-03")


def test_the_files_of_this_project_can_be_released() -> None:
    texts = {name: (ROOT / name).read_text() for name in TEXTS}
    made = release.released(texts, "99.0.0", "2026-02-03")
    assert 'version = "99.0.0"' in made["pyproject.toml"]
    assert "version: 99.0.0\ndate-released: 2026-02-03" in made["CITATION.cff"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {**TEXTS, "Pulumi.yaml": "name: x\nruntime: python\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr("console.cloud.project_root", lambda: tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "Someone")
    git(tmp_path, "config", "user.email", "someone@example.org")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_release_is_one_commit_and_a_tag(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release.release.body(Context(), "1.1.0")
    assert git(repository, "log", "-1", "--format=%s").strip() == "Release 1.1.0"
    assert git(repository, "show", "--format=", "--name-only", "v1.1.0^{commit}").split() == sorted(TEXTS)
    assert git(repository, "status", "--porcelain") == ""
    assert "git push --follow-tags" in capsys.readouterr().out


def test_a_dry_run_changes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release.release.body(Context(), "1.1.0", dry_run=True)
    assert 'pyproject.toml: version = "1.1.0"\n' in capsys.readouterr().out
    assert git(repository, "status", "--porcelain") + git(repository, "tag") == ""


def test_a_changed_tree_and_a_used_tag_are_refused(repository: Path) -> None:
    git(repository, "tag", "v1.1.0")
    with pytest.raises(UserError, match=r"a tag v1\.1\.0 that is there"):
        release.release.body(Context(), "1.1.0")
    (repository / "Pulumi.yaml").write_text("name: y\n")
    with pytest.raises(UserError, match="files that differ"):
        release.release.body(Context(), "1.2.0")
