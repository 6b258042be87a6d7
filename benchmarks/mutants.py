"""Mutants: one small fault at a time in the files that keep money, rights and the answer to each job; the
tests of the file must see it.

`--sample N` (default 12) takes at most N of a file's mutants, by `--seed N` (default 1); 0 takes all. `--only
TEXT` takes files whose path has the text. A survivor is a question, not always a fault: it may do the same as
the original. Per file: how many of its mutants were seen; the note names the others.

A mutant runs in a copy of this process that has the large libraries loaded already, and no file is changed:
Python is told other code.
"""

import argparse
import ast
import copy
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, say, show

LARGE = (
    "boto3",
    "hypothesis.stateful",
    "pytest",
    *(f"moto.{name}.responses" for name in ("dynamodb", "ec2", "s3", "sns", "sqs", "ssm")),
)

_MANAGER = ("test_manager_job", "test_manager_machines")
_MONITOR = ("test_monitor_decisions", "test_monitor_verdicts", "test_monitor_job", "test_attempts")
_AWS = ("test_ledger_conditions", "test_manager_handler")
_POLICIES = ("program/test_policies", "program/test_policy_lint", "program/test_outside_buckets")
TARGETS: dict[str, tuple[str, ...]] = {
    "neurocaas/protocol/ledger.py": ("test_ledger_conditions",),
    "neurocaas/protocol/report.py": (
        "test_monitor_verdicts",
        "test_protocol_documents",
        "test_monitor_decisions",
        "test_monitor_job",
    ),
    "neurocaas/protocol/keys.py": ("test_protocol_names", "test_protocol_documents", "test_manager_job"),
    "neurocaas/protocol/names.py": ("test_protocol_names", "test_protocol_submission"),
    "runtime/manager/dispatch.py": ("test_manager_decisions", *_MANAGER),
    "runtime/manager/manage.py": (
        "test_manager_decisions",
        *_MANAGER,
        "test_manager_cancel",
        "test_manager_faults",
    ),
    "runtime/manager/cancel.py": ("test_manager_cancel", "test_manager_decisions"),
    "runtime/manager/retry.py": ("test_manager_decisions", "test_manager_machines", "test_manager_cancel"),
    "runtime/manager/budget.py": ("test_manager_budget", "test_manager_decisions"),
    "runtime/manager/launch.py": (
        "test_launch_calls",
        "test_manager_decisions",
        "test_manager_machines",
        "test_manager_job",
    ),
    "runtime/manager/shortfall.py": ("test_launch_calls", "test_manager_decisions"),
    "runtime/manager/refusals.py": ("test_launch_calls", "test_manager_decisions"),
    "runtime/monitor/unstarted.py": ("test_launch_calls",),
    "runtime/manager/earlier.py": ("test_manager_earlier",),
    "runtime/manager/aws.py": _AWS,
    "runtime/monitor/watch.py": (*_MONITOR, "test_manager_machines"),
    "runtime/monitor/sweep.py": (*_MONITOR, "test_manager_machines", "test_manager_budget"),
    "runtime/monitor/finish.py": (*_MONITOR, "test_manager_machines", "test_storage_bypass"),
    "runtime/monitor/attempts.py": ("test_attempts",),
    "runtime/monitor/evidence.py": ("test_monitor_evidence",),
    "runtime/monitor/unheard.py": ("test_monitor_unheard",),
    "runtime/monitor/machine.py": (*_MONITOR, "test_manager_machines"),
    "runtime/monitor/jobless.py": ("test_monitor_verdicts", "test_monitor_jobless"),
    "runtime/monitor/confined.py": ("test_monitor_confined",),
    "runtime/monitor/aws.py": (
        "test_monitor_verdicts",
        "test_monitor_moves",
        "test_ledger_conditions",
        "test_monitor_handler",
    ),
    **{
        f"components/policies/{name}.py": _POLICIES
        for name in ("document", "machine", "manager", "monitor", "outside", "people")
    },
    "components/policies/resources.py": _POLICIES,
}
"""A file that counts, and the tests that must see its mutants, the quickest first (`tests/unit` unless they
say otherwise).
"""

_PAIRS = (
    *(
        (ast.Lt, ast.LtE),
        (ast.Gt, ast.GtE),
        (ast.Eq, ast.NotEq),
        (ast.In, ast.NotIn),
        (ast.Is, ast.IsNot),
        (ast.And, ast.Or),
    ),
    *((ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitOr, ast.BitAnd)),
)
_OTHER: dict[type, type] = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
_CONDITIONS = (
    (" AND ", " OR "),
    (" OR ", " AND "),
    (" < ", " <= "),
    (" <= ", " < "),
    ("attribute_not_exists", "attribute_exists"),
)
_ALWAYS = "attribute_exists(pk) OR attribute_not_exists(pk)"
"""Of a DynamoDB condition. Each of its parts is always true in one of the mutants."""

_PART = re.compile(r"attribute_(?:not_)?exists\([#\w]+\)|#\w+ (?:<=?|=) :\w+")

_DULL = re.compile("[#:].*|[SN]|[SN]S|TableName|Key|pk|sk|ExpressionAttribute(Names|Values)")
"""Entries without which a request is refused by every test."""


class Mutant(NamedTuple):
    """A change in place of a node of the tree, and how it reads."""

    line: int
    what: str
    node: int
    change: Callable[[Any], None]


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    found = [
        Mutant(*one) for index, node in enumerate(_nodes(ast.parse(source))) for one in _changes(index, node)
    ]
    return sorted(found, key=lambda one: (one.line, one.what))


def mutated(source: str, mutant: Mutant) -> ast.Module:
    tree = ast.parse(source)
    mutant.change(list(_nodes(tree))[mutant.node])
    return ast.fix_missing_locations(tree)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All that runs: no annotations and no text of messages."""
    yield node
    for name, value in ast.iter_fields(node):
        of_type = isinstance(node, ast.Subscript) and ast.unparse(node.value) in (
            "Callable",
            "dict",
            "list",
            "tuple",
        )
        if (
            name not in ("annotation", "returns", "decorator_list")
            and not of_type
            and not isinstance(node, ast.JoinedStr)
        ):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _nodes(child)


def _changes(index: int, node: Any) -> Iterator[tuple[int, str, int, Callable[[Any], None]]]:
    line = getattr(node, "lineno", 0)

    def one(
        what: str, change: Callable[[Any], None], at: int = line
    ) -> tuple[int, str, int, Callable[[Any], None]]:
        return at, what, index, change

    if isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in _OTHER:
        yield one(f"other operator: {_text(node)}", lambda it: setattr(it, "op", _OTHER[type(it.op)]()))
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
        yield one(f"left side alone: {_text(node)}", lambda it: setattr(it, "right", _neutral(it.op)))
    if isinstance(node, ast.BoolOp):
        for number, value in enumerate(node.values):
            yield one(
                f"left out: {_text(value)}",
                partial(_repeat, number),
            )
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OTHER:
        yield one(
            f"other comparison: {_text(node)}", lambda it: it.ops.__setitem__(0, _OTHER[type(it.ops[0])]())
        )
    if isinstance(node, (ast.If, ast.IfExp)):
        yield one(
            f"other branch: {_text(node.test)}",
            lambda it: setattr(it, "test", ast.UnaryOp(ast.Not(), it.test)),
        )
    if isinstance(node, ast.If) and not node.orelse:
        yield one(f"never: {_text(node.test)}", lambda it: setattr(it, "test", ast.Constant(False)))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield one(f"other constant: {node.value!r}", lambda it: setattr(it, "value", _next(it.value)))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _PART.match(node.value):
        for text in _conditions(node.value):
            yield one(f"{node.value!r} -> {text!r}", partial(_put, text))
    if isinstance(node, ast.Call):
        for number, keyword in enumerate(node.keywords):
            if keyword.arg:
                yield one(f"argument left out: {_text(keyword)}", partial(_drop, number, ("keywords",)))
    if (
        isinstance(node, (ast.List, ast.Tuple, ast.Set))
        and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        and len(node.elts) > 1
    ):
        for number, value in enumerate(node.elts):
            yield one(f"element left out: {_text(value)}", partial(_drop, number, ("elts",)), value.lineno)
    if isinstance(node, ast.Dict):
        for number, name in enumerate(node.keys):
            if not (isinstance(name, ast.Constant) and _DULL.fullmatch(str(name.value))):
                yield one(f"entry left out: {_text(name)}", partial(_drop, number, ("keys", "values")))
    for block in ("body", "orelse"):
        for number, statement in enumerate(
            getattr(node, block, None) or () if not isinstance(node, (ast.IfExp, ast.Lambda)) else ()
        ):
            call = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
            if call or isinstance(statement, (ast.Raise, ast.AugAssign, ast.Continue)):

                def gone(it: Any, block: str = block, number: int = number) -> None:
                    getattr(it, block)[number] = ast.Pass()

                yield one(f"statement left out: {_text(statement)}", gone, statement.lineno)


def _repeat(number: int, node: Any) -> None:
    node.values[number] = node.values[number - 1]


def _put(text: str, node: Any) -> None:
    node.value = text


def _drop(number: int, lists: tuple[str, ...], node: Any) -> None:
    for name in lists:
        getattr(node, name).pop(number)


def _next(value: float) -> float:
    return not value if isinstance(value, bool) else value + 1


def _neutral(operator: ast.operator) -> ast.expr:
    return ast.Constant(1 if isinstance(operator, (ast.Mult, ast.Div)) else 0)


def _conditions(text: str) -> Iterator[str]:
    for old, new in _CONDITIONS:
        yield from [text.replace(old, new, 1)] if old in text else []
    # a value that no expression uses would be refused: it stays in, without effect
    for part in _PART.findall(text):
        yield text.replace(part, f"({part} OR {_ALWAYS})")


def _text(node: Any) -> str:
    return " ".join(ast.unparse(node).split())[:70] if node is not None else "**"


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from other code than its file's."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self._name, self._path, self._tree = path[:-3].replace("/", "."), str(ROOT / path), tree

    def find_spec(
        self, fullname: str, path: Any, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        return (
            importlib.util.spec_from_file_location(fullname, self._path, loader=self)
            if fullname == self._name
            else None
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, self._path, "exec"), module.__dict__)


def passes(path: str, tree: ast.Module, seconds: float) -> bool:
    """Whether the tests of a file are content with it (not when they take longer than `seconds`)."""
    child = os.fork()
    if child == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        sys.meta_path.insert(0, _Instead(path, copy.deepcopy(tree)))
        tests = [f"tests/{name if '/' in name else f'unit/{name}'}.py" for name in TARGETS[path]]
        os._exit(int(importlib.import_module("pytest").main(["-x", "-q", "-p", "no:randomly", *tests])))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--sample", type=int, default=12)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    os.chdir(ROOT)
    os.environ["MODEL_EXAMPLES"] = "10"
    os.environ["HYPOTHESIS_PROFILE"] = "ci"
    for name in LARGE:
        importlib.import_module(name)
    figures, seen, every = list[Figure](), 0, 0
    for path in [path for path in TARGETS if options.only in path]:
        source = (ROOT / path).read_text()
        begun = time.monotonic()
        if not passes(path, ast.parse(source), 1800):
            raise SystemExit(f"{path}: its tests fail without a mutant: run them first")
        limit = 60 + 10 * (time.monotonic() - begun)
        taken = mutants(source)
        if 0 < options.sample < len(taken):
            taken = random.Random(f"{options.seed} {path}").sample(taken, options.sample)
        survivors = []
        for mutant in sorted(taken, key=lambda one: one.line):
            if passes(path, mutated(source, mutant), limit):
                survivors.append(f"line {mutant.line}: {mutant.what}")
                say(f"{path} {survivors[-1]}")
        seen, every = seen + len(taken) - len(survivors), every + len(taken)
        note = f"{len(taken) - len(survivors)} of {len(taken)}" + "".join(
            f"; {survivor}" for survivor in survivors
        )
        figures.append(Figure(path, 100 * (1 - len(survivors) / max(1, len(taken))), "%", None, note))
        say(f"{path}: {note.partition(';')[0]}, {time.monotonic() - begun:.0f} s")
    show(
        "mutants",
        [*figures, Figure("all", 100 * seen / max(1, every), "%", None, f"{seen} of {every}")],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
