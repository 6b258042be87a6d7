"""Who may import whom: the walls between the rooms (docs/architecture.md has the picture)."""

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = {"neurocaas.protocol"}
# Room -> what of ours it may import beside itself. The longest matching room decides. A room is a folder.
RULES = {
    "checks": set(),
    "awstoe": set(),
    "localcloud": {"awstoe"},
    "neurocaas.protocol": set(),
    "account": PROTOCOL,
    "runtime.aws": PROTOCOL,
    "runtime.manager": {"runtime.aws", *PROTOCOL},
    "runtime.monitor": {"runtime.aws", *PROTOCOL},
    "runtime.instance": PROTOCOL,
    "runtime.local": PROTOCOL,
    "neurocaas": PROTOCOL,
    "blueprints": PROTOCOL,
    "image_builder.bash": set(),
    "image_builder": {"account", "awstoe", "blueprints", *PROTOCOL},
    "components": {"account", "blueprints", "checks", "image_builder", *PROTOCOL},
    "console": {"account", "blueprints", "localcloud", "neurocaas", "runtime.local", *PROTOCOL},
    "ci": {"blueprints", "checks", "console", "image_builder", *PROTOCOL},
    # What goes through all rooms.
    "demo": {"account", "blueprints", "neurocaas", "console", "image_builder", "localcloud", *PROTOCOL},
    "portal_host": {"console", "localcloud", "neurocaas", *PROTOCOL},
    "road": {"blueprints", "neurocaas", "console", "image_builder", "localcloud", *PROTOCOL},
    "smoke": {"account", "blueprints", "neurocaas", "console", "image_builder", "demo", *PROTOCOL},
}
FOLDERS = {room.partition(".")[0] for room in RULES}
EVERYTHING = FOLDERS | {"tasks", "bootstrap", "benchmarks"}
STANDARD_LIBRARY_ONLY = ("neurocaas.protocol", "checks")
WITH_BOTO3_ONLY = ("runtime.aws", "runtime.manager", "runtime.monitor", "runtime.instance.agent", "neurocaas")
BOTO3 = {"boto3", "botocore", "s3transfer"}
# What a room needs on top, and why.
ALSO = {
    "neurocaas.configuration": {"tomli"},  # on Python 3.10, whose own library has no TOML
    # the command line; a notebook does not import it
    "neurocaas.cli": {"click"},
    "neurocaas.completion": {"click"},
    "neurocaas.usage": {"click"},
    "neurocaas.protocol.yaml12": {"yaml"},  # beside the Lambda's code; imported only for a YAML document
    "neurocaas.images": {"PIL"},  # pixels of images, imported only when images differ and if it is there
    "neurocaas.formats.nwb": {"h5py"},  # the attributes of an HDF5 file, if it is there
    "neurocaas.notebook": {"IPython"},  # imported only where it runs already
    "neurocaas.reading": {"pandas"},  # tables as data frames, if it is there
    "neurocaas.positions": {"yaml"},  # lines of a YAML config in which something is wrong, likewise
    "neurocaas.view": {"rich"},  # the live table, imported only for a terminal
    "neurocaas.progress": {"rich"},  # bars, likewise
}


def modules() -> Iterator[tuple[str, Path]]:
    for room in sorted(FOLDERS):
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if room == "blueprints" and len(parts) > 2:
                continue  # an analysis's own scripts run on its machine, in its own world
            if all(part.isidentifier() for part in parts):
                yield ".".join(parts).removesuffix(".__init__"), path


def imports(path: Path, module: str) -> Iterator[str]:
    """The names that a file imports anywhere in it, relative ones made absolute."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def room_of(module: str) -> str | None:
    return max((room for room in RULES if within(module, room)), key=len, default=None)


ALL = list(modules())


@pytest.mark.parametrize("room", sorted(RULES))
def test_a_room_imports_only_the_rooms_it_may(room: str) -> None:
    mine = [(module, path) for module, path in ALL if room_of(module) == room]
    assert mine, f"the room {room} is empty: has it moved?"
    wrong = [
        f"{module} imports {name}"
        for module, path in mine
        for name in imports(path, module)
        if name.partition(".")[0] in EVERYTHING
        and not any(within(name, allowed) for allowed in {room, "runtime.__init__", *RULES[room]})
    ]
    assert wrong == []


def test_rooms_are_folders() -> None:
    assert [room for room in RULES if not (ROOT / room.replace(".", "/")).is_dir()] == []


def test_a_room_imports_only_rooms_below_it() -> None:
    """Floor by floor, each room stands on what it may import: there is no circle of rooms, no arrow up."""
    TopologicalSorter(RULES).prepare()


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Neither when they are loaded, nor later in a function, nor for types."""
    known = dict(ALL)
    graph = {
        module: {
            found for name in imports(path, module) if (found := module_of(name, known)) not in (None, module)
        }
        for module, path in ALL
    }
    assert circle(graph) == []


def module_of(name: str, known: Mapping[str, Path]) -> str | None:
    """The module that an imported name is, or is a member of."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def circle(graph: Mapping[str, Collection[str | None]]) -> list[str]:
    """Modules, each of which is imported by the next one; [] when there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_circles_are_found() -> None:
    assert circle({"a": {"b"}, "b": set()}) == []
    assert sorted(set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}))) == ["a", "b", "c"]


def test_the_page_of_the_architecture_has_these_rules() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (`[a-z_/`, ]+`) \|.*\| (.+?) \|$", text, re.MULTILINE)
    told = {
        room.replace("/", "."): {
            {"protocol": "neurocaas.protocol"}.get(one, one.replace("/", ".")) for one in may.split(", ")
        }
        - {"nothing of ours"}
        for rooms, may in table
        for room in re.findall(r"`(.+?)`", rooms)
    }
    assert told == RULES
    names = list(told)
    up = [(room, one) for room in names for one in told[room] if names.index(one) > names.index(room)]
    assert up == [], "a row may name only rooms that stand above it in the table"


@pytest.mark.parametrize("room", [*STANDARD_LIBRARY_ONLY, *WITH_BOTO3_ONLY])
def test_what_runs_on_other_machines_needs_no_other_packages(room: str) -> None:
    allowed = set() if room in STANDARD_LIBRARY_ONLY else BOTO3
    mine = [(module, path) for module, path in ALL if within(module, room)]
    assert mine
    wrong = [
        f"{module} imports {name}"
        for module, path in mine
        for name in imports(path, module)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names | EVERYTHING | {"__future__"}
        and top not in allowed | ALSO.get(module, set())
        and not within(f"{room}.{top}", room + ".vendor")
    ]
    assert wrong == []


def test_no_component_talks_to_aws_by_itself() -> None:
    wrong = [f"{module} imports {name}" for module, path in ALL if within(module, "components")
             for name in imports(path, module) if name.partition(".")[0] in BOTO3]  # fmt: skip
    assert wrong == []


def test_nothing_that_runs_in_aws_asks_whether_it_is_local() -> None:
    wrong = [
        f"{module}: {word}"
        for module, path in ALL
        if module.startswith(
            ("runtime.aws", "runtime.manager", "runtime.monitor", "neurocaas.protocol", "components")
        )
        for word in ("localcloud", "LOCALCLOUD", "localhost", "127.0.0.1")
        if word in path.read_text()
    ]
    # the address of the page on a person's computer, which a bucket of any cloud admits
    assert wrong == ["components.storage: 127.0.0.1"]


def test_relative_imports_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("from . import a\nfrom ..console import b\nimport c.d\ndef f():\n    from e import g\n")
    assert list(imports(file, "neurocaas.x")) == ["neurocaas.a", "console.b", "c.d", "e.g"]
