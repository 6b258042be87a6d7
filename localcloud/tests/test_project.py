"""The local cloud is a guest: what belongs to the project around it is told by the project, in one table."""

import dataclasses
import re
from pathlib import Path

import pytest

from localcloud.project import VARIABLES, Project, ProjectSettingsInvalid, read

PACKAGE = Path(__file__).resolve().parents[1]
HOST = "neuro" + "caas"
"""The project that this package was written for."""
KEY_OF_CACHES = PACKAGE / "pulumi" / "cli-module" / "go.mod"
"""Every built CLI lies in a folder that is named by the digest of this file; it is built by minutes."""
THEIR_WORDS = ("invoke local.", "make setup", "bake-ami")


def texts() -> list[tuple[Path, str]]:
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return [(path, path.read_text(encoding="utf-8")) for path in files]


def test_nothing_here_names_the_project_around() -> None:
    named = [path for path, text in texts() if HOST in text.lower() or HOST in str(path.relative_to(PACKAGE))]
    assert [path for path in named if path != KEY_OF_CACHES] == []


def test_messages_name_no_command_of_the_project_around() -> None:
    wrong = [
        (path.relative_to(PACKAGE), word)
        for path, text in texts()
        for word in THEIR_WORDS
        if word in text and PACKAGE / "tests" not in path.parents
    ]
    assert wrong == []


def test_without_a_table_the_words_are_the_packages_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    found = read([tmp_path, tmp_path / "not-there"], {})
    assert found == Project()
    assert found.says("up") == "localcloud up"
    assert found.cache == "localcloud"


def test_the_first_folder_with_a_table_says_it_and_a_variable_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, text in (
        (first, "no toml at all ="),
        (second, '[tool.localcloud]\ncommand = "do "\ncache = "c"\n'),
    ):
        folder.mkdir()
        (folder / "pyproject.toml").write_text(text)
    found = read([first, second], {"LOCALCLOUD_CACHE": "mine", "LOCALCLOUD_BAKE": ""})
    assert (found.says("env"), found.cache, found.bake) == ("do env", "mine", Project().bake)


@pytest.mark.parametrize("line", ["comand = 'x'", "cache = 1"])
def test_a_slip_in_the_table_is_told(line: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.localcloud]\n{line}\n")
    with pytest.raises(
        ProjectSettingsInvalid, match=r"got c\w+ in \[tool.localcloud\]\n  allowed: .*cache, command"
    ):
        read([tmp_path], {})


def test_the_readme_has_every_variable() -> None:
    read_here = {
        name
        for path, text in texts()
        if path.suffix in (".py", ".sh") and PACKAGE / "tests" not in path.parents
        for name in re.findall(r"LOCALCLOUD_[A-Z]+(?:_[A-Z]+)*\b", text)
    }
    readme = (PACKAGE / "README.md").read_text()
    assert set(re.findall(r"LOCALCLOUD_[A-Z]+(?:_[A-Z]+)*\b", readme)) == read_here | set(VARIABLES)
    for field in dataclasses.fields(Project):
        assert f"| `{field.name}` | `{field.default}` |" in readme
