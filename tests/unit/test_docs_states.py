"""`docs/states.md` names functions: each is where the page says."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICE = (ROOT / "runtime", ROOT / "neurocaas/protocol")
WORD = r"[A-Za-z_][A-Za-z_0-9]*"


def _quoted() -> list[str]:
    text = (ROOT / "docs/states.md").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"`([^`\s]+)`", text)))


def _defined() -> dict[str, set[str]]:
    """The names in each module and each class of the service, by the module's or class's last name."""
    found = defaultdict[str, set[str]](set)

    def note(owner: str, body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[owner].add(node.name)
            if isinstance(node, ast.ClassDef):
                note(node.name, node.body)
            elif isinstance(node, ast.Assign):
                found[owner] |= {target.id for target in node.targets if isinstance(target, ast.Name)}

    for path in (one for folder in SERVICE for one in folder.rglob("*.py")):
        note(path.stem, ast.parse(path.read_text(encoding="utf-8")).body)
        found[path.parent.name].add(path.stem)
    return found


DEFINED = _defined()
DOTTED = [
    word
    for word in _quoted()
    if re.fullmatch(rf"{WORD}(\.{WORD})+", word)
    and not re.search(r"\.(py|json|txt|sh)$", word)
    and word != "module.function"
]
FILES = [word for word in _quoted() if word.endswith(".py")]
ALONE = [word for word in _quoted() if re.fullmatch(r"_[a-z_]+|[A-Z]+_[A-Z_]+", word)]


@pytest.mark.parametrize("word", DOTTED)
def test_a_name_is_where_the_page_says(word: str) -> None:
    parts = word.split(".")
    for owner, name in pairwise(parts):
        assert name in DEFINED[owner], f"docs/states.md names {word}: {owner} has no {name}"


@pytest.mark.parametrize("word", ALONE)
def test_a_name_alone_is_somewhere_in_the_runtime(word: str) -> None:
    assert any(word in names for names in DEFINED.values()), f"docs/states.md names {word}: it is nowhere"


@pytest.mark.parametrize("word", FILES)
def test_a_file_is_there(word: str) -> None:
    assert any((folder / word).is_file() for folder in (ROOT, *SERVICE, Path(__file__).parent)), word
