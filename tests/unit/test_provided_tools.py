"""What set-up provides is looked for in one place each, so that no part looks elsewhere than set-up put
it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "account",
    "awstoe",
    "benchmarks",
    "blueprints",
    "checks",
    "ci",
    "neurocaas",
    "components",
    "console",
    "demo",
    "image_builder",
    "localcloud",
    "road",
    "runtime",
    "tests",
)
HOMES = {
    "bwrap": "localcloud/bubblewrap.py",
    "pulumi": "localcloud/pulumi/cli.py",
    "go": "localcloud/pulumi/cli_build.py",
}
"""Program -> the one file that may look for it."""
BY_NAME = {"pulumi"}
"""What may be started by its name: `console.cloud` and the local cloud's environment put the one that was
found on PATH before.
"""
STARTING = {"run", "Popen", "call", "check_call", "check_output", "spawn"}
SETTINGS = {
    "LOCALCLOUD_BUBBLEWRAP": "localcloud/bubblewrap.py",
    "LOCALCLOUD_EMULATOR_PYTHON": "localcloud/emulator_env.py",
    "XDG_CACHE_HOME": "localcloud/cache.py",
}
"""Environment variable -> the one file of the local cloud and the console that may read it."""


def files(*folders: str) -> Iterator[Path]:
    yield from (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    yield from (ROOT / name for name in ("bootstrap.py", "tasks.py", "__main__.py"))


def looked_up(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Programs with literal names that a module looks for, or starts by their name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0] if node.args else None
            if name == "which" and isinstance(first, ast.Constant):
                yield "looks for", str(first.value)
            elif (
                name in STARTING
                and isinstance(first, ast.List | ast.Tuple)
                and first.elts
                and isinstance(first.elts[0], ast.Constant)
            ):
                yield "starts", str(first.elts[0].value)


def broken(path: Path, text: str) -> list[str]:
    place = path.relative_to(ROOT).as_posix()
    return [
        f"{place} {how} {name}: that is done in {HOMES[name]}"
        for how, name in looked_up(ast.parse(text))
        if name in HOMES and place != HOMES[name] and not (how == "starts" and name in BY_NAME)
    ]


def test_each_provided_program_is_looked_for_in_one_file() -> None:
    assert [line for path in files(*FOLDERS) for line in broken(path, path.read_text())] == []
    for name, home in HOMES.items():
        assert ("looks for", name) in set(looked_up(ast.parse((ROOT / home).read_text())))


def test_settings_of_provided_things_are_read_in_one_file() -> None:
    for path in files("localcloud", "console", "demo", "image_builder"):
        if ROOT / "localcloud" / "tests" in path.parents:
            continue
        read = {
            str(node.value)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant)
        } & set(SETTINGS)
        assert {SETTINGS[name] for name in read} <= {path.relative_to(ROOT).as_posix()}, path


@pytest.mark.parametrize(
    "text",
    [
        "import shutil\nshutil.which('bwrap')",
        "from shutil import which\nwhich('go', path='/bin')",
        "run(['bwrap', '--dev', '/dev'])",
        "run(('go', *rest))",
    ],
)
def test_another_look_up_would_be_seen(text: str) -> None:
    assert len(broken(ROOT / "localcloud" / "sandbox" / "sandbox.py", text)) == 1
