"""The list of plugins is complete: whatever is installed into MiniStack is in it, and why in its order."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "aws"
LIST = PACKAGE / "plugins.py"


def installers() -> set[str]:
    """The modules that have a function or a method ``install``; and the one that replaces a name itself."""
    found = {"hooks"}
    for path in PACKAGE.rglob("*.py"):
        names = {
            node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
        }
        if "install" in names and path != LIST:
            found.add(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    return found


def entries() -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(LIST.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Plugin"
    ]


def text(node: ast.expr) -> str:
    value = ast.literal_eval(node)
    assert isinstance(value, str)
    return value


def test_every_module_that_installs_something_is_in_the_list_once() -> None:
    listed = [text(call.args[0]) for call in entries()]
    assert sorted(listed) == sorted(installers())


def test_nobody_else_installs() -> None:
    """A module that installed another would hide a part of the order."""
    calls = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "install"
    }
    assert calls == {"plugins.py", "launcher.py"}


def test_what_several_replace_has_an_order_that_is_said() -> None:
    replaced: dict[str, list[ast.Call]] = {}
    for call in entries():
        for name in ast.literal_eval(call.args[2]):
            replaced.setdefault(name, []).append(call)
    tables = {name for name in replaced if name.rpartition(".")[2].isupper() or name.endswith("_MAP")}
    for name in replaced.keys() - tables:
        calls = replaced[name]
        assert len(calls) == 1 or all(len(call.args) == 4 for call in calls), f"say the order of {name}"
    for call in replaced["app.SERVICE_HANDLERS"]:
        assert len(call.args) == 4, f"say the order of {text(call.args[0])}"
