"""A public class has a name of its own: who reads it next door need not ask which one is meant."""

import ast
from collections import defaultdict

from tests.unit.test_import_rules import ALL, within

APART = ("localcloud", "runtime.instance.contrib")
"""A package of its own, and programs of a script's own environment: nobody reads them beside the others."""
EXCEPTIONS = {
    "Manifest": {"image_builder.manifest", "image_builder.recording.manifest"},
    "Recording": {"image_builder.recipe", "image_builder.recording.recording"},
}
"""Name -> the modules that may share it."""


def test_no_public_class_has_the_name_of_another() -> None:
    homes: dict[str, set[str]] = defaultdict(set)
    for module, path in ALL:
        if not any(within(module, room) for room in APART):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes[node.name].add(module)
    wrong = {name: found for name, found in homes.items() if len(found) > 1 and found != EXCEPTIONS.get(name)}
    assert wrong == {}
