"""Who may import whom inside the local cloud: each room only what lies below it, and no circle of files."""

import ast
import itertools
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
GROUND = {"account_properties", "memory", "paths", "private", "processes", "progress"}
# Room (a folder or a file of the package) -> the rooms that it may import. From the ground upwards.
LAYERS: dict[str, set[str]] = {
    "": set(),  # the package itself
    **{room: set() for room in sorted(GROUND)},
    "instance_types": set(),
    "project": {"paths"},
    "cache": set(),
    "version": set(),
    "apt": {"progress"},
    "packages": {"progress"},
    "bubblewrap": {"apt", "cache", "progress"},
    "emulator_env": {"cache", "paths"},
    "running": {"paths", "processes"},
    "keys": {"paths", "running"},
    "ports": {"paths", "processes", "running"},
    "sandbox": {"bubblewrap", "instance_types", "memory", "private"},
    "images": {"paths", "running", "sandbox"},
    "fleet": {"images", "paths", "private", "running", "sandbox"},
    "aws": {"account_properties", "images", "instance_types", "paths"},
    "pulumi": {"cache", "packages", "paths", "private", "progress"},
    "needs": {"bubblewrap", "memory", "paths", "ports", "processes", "progress", "running", "sandbox"},
    "cloud": {"account_properties", "bubblewrap", "emulator_env", "keys", "memory", "paths", "ports",
              "private", "processes", "running", "sandbox", "version"},
    "commands": {"cloud", "paths", "pulumi"},
    "__main__": {"commands", "paths", "pulumi"},
}  # fmt: skip
WORDS = "project"
"""What the project around calls things: every room after it in the table may ask."""


def modules(package: Path) -> dict[str, Path]:
    """The modules of a package by their full names, its tests and the script that builds it left out."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        if package / "tests" not in path.parents and path != package / "setup.py":
            name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path, module: str, known: Iterable[str]) -> Iterator[str]:
    """The modules among `known` that a file imports, anywhere in it: in functions and for types as well."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [whole if (whole := f"{base}.{alias.name}") in known else base for alias in node.names]
        else:
            continue
        yield from (name for name in names if name in known and name != module)


def graph(package: Path) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports."""
    known = modules(package)
    return {module: set(imported(path, module, known)) for module, path in known.items()}


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """Nodes of which each points to the next, the last to the first; empty where there is no circle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def room(module: str) -> str:
    """The room of a module of this package: the first part of its name below the package's."""
    return module.partition(".")[2].partition(".")[0]


GRAPH = graph(PACKAGE)


def test_every_room_is_in_the_table_and_exists() -> None:
    assert {room(module) for module in GRAPH} == set(LAYERS)


def test_the_table_itself_goes_down() -> None:
    below: set[str] = set()
    for name, allowed in LAYERS.items():
        assert allowed <= below, f"{name} may import what comes after it in the table"
        below.add(name)


@pytest.mark.parametrize("name", LAYERS)
def test_a_room_imports_only_what_the_table_allows(name: str) -> None:
    wrong = [
        f"{module} imports {target}"
        for module, targets in GRAPH.items()
        if room(module) == name
        for target in sorted(targets)
        if room(target) not in {name, "", *LAYERS[name], *([] if name in GROUND else [WORDS])}
    ]
    assert wrong == []


def test_the_table_allows_nothing_that_is_not_used() -> None:
    used = {(room(module), room(target)) for module, targets in GRAPH.items() for target in targets}
    unused = [(name, target) for name, allowed in LAYERS.items() for target in sorted(allowed)
              if (name, target) not in used]  # fmt: skip
    assert unused == []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(GRAPH) == []


def test_no_folders_import_each_other_in_a_circle() -> None:
    """At every depth, a folder and the files beside it count as one each."""
    for depth in range(2, 5):
        arrows: dict[str, set[str]] = {}
        for module, targets in GRAPH.items():
            here = ".".join(module.split(".")[:depth])
            arrows.setdefault(here, set()).update(
                there for target in targets if (there := ".".join(target.split(".")[:depth])) != here
            )  # fmt: skip
        assert circle(arrows) == []


@pytest.mark.parametrize(
    "text",
    [
        "from made import b\n",
        "import made.b\n",
        "from .b import x\n",
        "from . import b\n",
        "def late():\n    from made.b import x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from made.b import X\n",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(text: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for name, content in {
        "__init__": "",
        "a": text,
        "b": "import made.c",
        "c": "from made.a import x",
    }.items():
        (made / f"{name}.py").write_text(content)
    found = circle(graph(made))
    assert len(found) == 4
    assert all((first, second) in {("made.a", "made.b"), ("made.b", "made.c"), ("made.c", "made.a")}
               for first, second in itertools.pairwise(found))  # fmt: skip
