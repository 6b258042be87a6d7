"""What analysts install runs on Linux, macOS and Windows: nothing of one system alone is called, no local
file has a name that another system forbids, no text depends on the system's encoding or language.

What is found is found in the source; `tests/installed.py` runs the package on each system in CI.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "neurocaas"
OF_MACHINES = {"boot.py", "userdata.py", "interpreter.py", "scripting.py", "settings.py"}
"""Modules of the contract that say how things are on a machine of the service, which is Linux."""

MODULES = {
    *("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "posix", "curses", "readline"),
    *("select", "locale", "winreg", "msvcrt"),
}
CALLS = {
    "os": {
        *("fork", "forkpty", "kill", "killpg", "getuid", "geteuid", "getgid", "getegid", "setsid", "setuid"),
        *("getpgid", "getpgrp", "mkfifo", "mknod", "chown", "lchown", "fchmod", "uname", "sysconf", "wait"),
        *("waitpid", "getloadavg", "symlink", "link", "readlink", "statvfs", "nice", "openpty", "ttyname"),
        *("rename", "startfile", "posix_fallocate", "sendfile", "sched_getaffinity", "pread", "pwrite"),
    },
    "signal": {
        "SIGKILL",
        "SIGHUP",
        "SIGQUIT",
        "SIGUSR1",
        "SIGUSR2",
        "SIGALRM",
        "SIGPIPE",
        "SIGCHLD",
        "SIGWINCH",
    }
    | {"alarm", "setitimer", "pause", "pthread_sigmask", "sigwait"},
    "socket": {"AF_UNIX", "socketpair", "SO_REUSEPORT"},
    "time": {"tzset", "CLOCK_MONOTONIC", "clock_gettime"},
}
METHODS = {"symlink_to", "hardlink_to", "readlink", "owner", "group", "rename", "is_mount", "lchmod"}
"""Of a Path. `rename` fails on Windows where there is a file: `replace` does not."""
PLACES = re.compile(r"/(tmp|dev|var|etc|usr|home|proc|run|opt|bin)(/|\Z)")
FORBIDDEN = re.compile(r'[<>:"|?*\\]')
GNU = re.compile(r"%[-_^#eFTDRPrsklGhnt]|%[cxXEO]")
"""Codes of strftime that are not everywhere, or of somebody's language."""
TEXT_MODES = {"r", "w", "a", "x", "r+", "w+", "a+", "rt", "wt", "at", "xt"}


def problems(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    documents = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for what in _of(node, documents):
            yield f"{line}: {what}"


def _of(node: ast.AST, documents: set[int]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import {one.name}" for one in node.names if one.name.partition(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if module.partition(".")[0] in MODULES:
            yield f"from {module} import …"
        bad = {one.name for one in node.names} & CALLS.get(module, set())
        yield from (f"from {module} import {name}" for name in sorted(bad))
    elif isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.attr in CALLS.get(node.value.id, set()):
            yield f"{node.value.id}.{node.attr}"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
        if PLACES.match(node.value):
            yield f"the place {node.value!r}"
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield from (f"the name {text!r}" for text in _texts(node.right) if FORBIDDEN.search(text))
    elif isinstance(node, ast.FormattedValue):
        yield from (f"the format {text!r}" for text in _texts(node.format_spec) if GNU.search(text))
        if _is_relative(node.value):
            yield "a relative path in a text without as_posix()"
    elif isinstance(node, ast.Subscript):
        if ast.unparse(node.value) == "os.environ" and ast.unparse(node.slice) == "'HOME'":
            yield "$HOME"
    elif isinstance(node, ast.Call):
        yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    given = {one.arg: one.value for one in node.keywords}
    told = "encoding" in given
    if method in METHODS and not node.args[1:] and method != "group":
        yield f".{method}()"
    if (
        method in ("read_text", "write_text")
        and not told
        and len(node.args) < (1 if method == "read_text" else 2)
    ):
        yield f".{method}() without an encoding"
    mode = given.get("mode") or (node.args[1] if name == "open" and node.args[1:] else None)
    if method in ("open", "fdopen", "TemporaryFile", "NamedTemporaryFile") and node.args:
        mode = mode or node.args[0]
    shown = mode.value if isinstance(mode, ast.Constant) else None
    if not told and (shown in TEXT_MODES or (name == "open" and mode is None)):
        yield f"{name}() of text without an encoding"
    if not told and any(isinstance(given.get(one), ast.Constant) for one in ("text", "universal_newlines")):
        yield f"{name}(text=…) without an encoding"
    if "preexec_fn" in given or ast.unparse(given.get("shell", ast.Constant(False))) == "True":
        yield f"{name}(preexec_fn or shell)"
    if method == "strftime":
        yield from (f"the format {text!r}" for one in node.args for text in _texts(one) if GNU.search(text))
    if name in ("Path", "open", "os.path.join") or method in ("joinpath", "with_name"):
        for one in node.args:
            for text in _texts(one):
                if FORBIDDEN.search(text):
                    yield f"the name {text!r}"
                if "/" in text and isinstance(one, ast.JoinedStr):
                    yield f"a path put together as text, {text!r}"
    if name == "str" and node.args and _is_relative(node.args[0]):
        yield "a relative path as text without as_posix()"
    if name in ("os.getenv", "os.environ.get") and node.args and ast.unparse(node.args[0]) == "'HOME'":
        yield "$HOME"


def _texts(node: ast.AST | None) -> Iterator[str]:
    """The fixed parts of a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from (str(one.value) for one in node.values if isinstance(one, ast.Constant))


def _is_relative(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "relative_to"
    )


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name not in OF_MACHINES)


def test_nothing_of_one_system_alone_is_in_the_package() -> None:
    assert len(FILES) > 50
    found = [
        f"{path.relative_to(ROOT)}:{what}"
        for path in FILES
        for what in problems(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import fcntl",
        "from pwd import getpwuid",
        "import os\nos.fork()",
        "from os import getuid",
        "signal.SIGKILL",
        "x = '/tmp'",
        "Path('/dev/null')",
        "folder / 'a:b'",
        "folder / f'{stamp}:x'",
        "Path(f'{folder}/{name}')",
        "open(f'{folder}/x', 'rb')",
        "open('x')",
        "open('x', 'w')",
        "path.open('w')",
        "path.open(mode='a')",
        "path.read_text()",
        "path.write_text('x')",
        "subprocess.run(x, text=True)",
        "subprocess.run(x, shell=True)",
        "path.symlink_to(x)",
        "path.rename(x)",
        "os.rename(a, b)",
        "now.strftime('%-d')",
        "f'{now:%-d}'",
        "now.strftime('%c')",
        "str(path.relative_to(base))",
        "f'{path.relative_to(base)}'",
        "os.environ['HOME']",
        "os.environ.get('HOME')",
        "tempfile.NamedTemporaryFile('w')",
    ],
)
def test_each_kind_would_be_seen(text: str) -> None:
    assert [*problems(text)], text


@pytest.mark.parametrize(
    "text",
    [
        '"""/tmp and a:b in a document."""',
        "path.open('rb')",
        "open('x', encoding='utf-8')",
        "path.read_text('utf-8')",
        "path.read_text(encoding='utf-8')",
        "objects.open(key)",
        "key = f'{group}/inputs/{name}'",
        "path.relative_to(base).as_posix()",
        "f'{now:%Y-%m-%d %H:%M:%S}'",
        "found.group(1)",
        "a / b",
        "path.replace(other)",
    ],
)
def test_what_is_right_is_not_held_up(text: str) -> None:
    assert [*problems(text)] == []


HIDE = """
import os, signal, sys
# loaded by the standard library before anything of ours; on Windows they are not there
import subprocess, tempfile, pathlib, socket, asyncio, shutil, getpass
for name in {modules!r}:
    sys.modules[name] = None
for name in {calls!r}:
    if hasattr(os, name):
        delattr(os, name)
for name in {signals!r}:
    if hasattr(signal, name):
        delattr(signal, name)
import importlib, pkgutil
import boto3, botocore.session, rich.progress, rich.live, click, yaml
import neurocaas
names = [one.name for one in pkgutil.walk_packages(neurocaas.__path__, 'neurocaas.')]
for name in names:
    if name != 'neurocaas.__main__':
        importlib.import_module(name)
from neurocaas.cli import main
assert main(['--help']) == 0
assert main(['jbs']) == 2
print(len(names))
"""


def test_every_module_loads_where_posix_is_not(tmp_path: Path) -> None:
    """With what only POSIX has taken away from the standard library."""
    hidden = {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "curses", "readline"}
    calls = CALLS["os"] - {
        "rename",
        "pread",
        "pwrite",
        "kill",
        "symlink",
        "link",
        "readlink",
        "waitpid",
        "wait",
    }
    signals = {"SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "alarm", "setitimer"}
    program = HIDE.format(modules=sorted(hidden), calls=sorted(calls), signals=sorted(signals))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) > 50
