"""Who may import whom: the walls between the rooms (docs/architecture.md has the picture)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = {
    "account", "blueprints", "checks", "ci", "neurocaas", "components", "console", "demo", "image_builder",
    "localcloud", "runtime",
    "tasks", "bootstrap", "benchmarks",
}  # fmt: skip
PROTOCOL = {"runtime.protocol"}
PLANNING = {"runtime.manager.inputs", "runtime.manager.plan", "runtime.manager.port"}
# Room -> what of ours it may import beside itself. The longest matching room decides.
RULES = {
    "runtime.protocol": set(),
    "runtime.manager": PROTOCOL,
    "runtime.monitor": PROTOCOL,
    "runtime.instance": PROTOCOL,
    "runtime.local": PROTOCOL,
    "neurocaas": PROTOCOL,
    "blueprints": PROTOCOL,
    "account": set(),
    "image_builder": {"account", "blueprints", *PROTOCOL},
    # A test on a development instance is the very job that the manager would plan.
    "image_builder.dev.testing": {"blueprints", "image_builder", *PLANNING, *PROTOCOL},
    "components": {"blueprints", "checks", "image_builder", *PROTOCOL},
    "checks": set(),
    "ci": {"blueprints", "checks", "console", "image_builder", *PROTOCOL},
    "localcloud": set(),
    "console": {"account", "blueprints", "localcloud", "runtime.local", *PROTOCOL},
    # The whole road goes through all rooms.
    "console.ship": {"blueprints", "neurocaas", "console", "image_builder", "localcloud", *PROTOCOL},
    "demo": {"blueprints", "neurocaas", "console", "image_builder", "localcloud", *PROTOCOL},
}
STANDARD_LIBRARY_ONLY = ("runtime.protocol", "checks")
WITH_BOTO3_ONLY = ("runtime.manager", "runtime.monitor", "runtime.instance.agent", "neurocaas")
BOTO3 = {"boto3", "botocore", "s3transfer"}
# What a room needs on top, and why.
ALSO = {
    "neurocaas.commands": {"invoke"},  # the tasks; a notebook does not import them
    "neurocaas.job_commands": {"invoke"},
    "neurocaas.speaking": {"invoke"},
    "runtime.protocol.yaml12": {"yaml"},  # packed beside the Lambda's code; imported only for a YAML document
    "neurocaas.images": {"PIL"},  # pixels of images, imported only when images differ and if it is there
    "neurocaas.view": {"rich"},  # the live table, imported only for a terminal
}


def modules() -> Iterator[tuple[str, Path]]:
    for room in (
        "account",
        "blueprints",
        "checks",
        "ci",
        "neurocaas",
        "components",
        "console",
        "demo",
        "image_builder",
        "localcloud",
        "runtime",
    ):
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
        if module.startswith(("runtime.manager", "runtime.monitor", "runtime.protocol", "components"))
        for word in ("localcloud", "LOCALCLOUD", "localhost", "127.0.0.1")
        if word in path.read_text()
    ]
    assert wrong == []


def test_relative_imports_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("from . import a\nfrom ..console import b\nimport c.d\ndef f():\n    from e import g\n")
    assert list(imports(file, "neurocaas.x")) == ["neurocaas.a", "console.b", "c.d", "e.g"]
