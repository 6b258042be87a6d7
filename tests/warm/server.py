"""The process that is forked for each warm start: `python server.py SOCKET [PROJECT]`.

It ends with its standard input. SOCKET is the number of one that listens already. It loads modules of other
people. Those of a project are loaded by each process anew, from its own folder: a test may have changed them,
and many copies of the project run at the same time. With PROJECT, what the `tasks.py` there imports is loaded
beforehand as well.
"""

from __future__ import annotations

import ast
import atexit
import ctypes
import gc
import importlib
import io
import os
import re
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "invoke.main",
    "yaml",
    "jsonschema",
    "boto3.session",
    "boto3.s3.inject",
    "botocore.client",
    "botocore.credentials",
    "botocore.handlers",
    "botocore.httpsession",
    "cryptography.hazmat.primitives.ciphers.aead",
    "grpc",
    "pulumi.automation._server",
    "pulumi_aws",
)
SERVICES = (
    "budgets",
    "cloudtrail",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "events",
    "iam",
    "imagebuilder",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sns",
    "sqs",
    "ssm",
    "sts",
)
OF_FUNCTIONS = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
"""What AWS puts beside a function's own modules."""
_KILLED_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_SIZE = 4
"""Bytes of a length, before a request."""


class Request:
    """What a process is to be: its words, its variables, its folder, its streams."""

    def __init__(self, channel: socket.socket) -> None:
        """Raises ValueError or OSError: who asked is gone."""
        head, self.streams, _, _ = socket.recv_fds(channel, _SIZE, 3)
        with channel.makefile("rb") as said:
            body = said.read(int.from_bytes(head, "big"))
        mask, folder, count, *rest = body.split(b"\0")
        self.mask, self.folder, words = int(mask), folder, int(count)
        self.words = [os.fsdecode(word) for word in rest[:words]]
        self.environ = dict(pair.partition(b"=")[::2] for pair in rest[words:] if pair)

    def become(self) -> None:
        """Make this process, a new one, what was asked for."""
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
        os.closerange(3, 1 << 12)
        os.setpgid(0, 0)  # signals to the group of who asked come through who asked
        os.umask(self.mask)
        os.environb.clear()
        os.environb.update(self.environ)
        time.tzset()
        os.chdir(self.folder)
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
        _open_streams()
        added = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        if not self.words[0].startswith("-"):
            _forget_all_but(OF_FUNCTIONS)
        first = {"-c": "", "-m": os.getcwd()}.get(self.words[0], os.path.dirname(self.words[0]))
        sys.path[:] = [first, *added, *sys.path[1:]]

    def run(self) -> None:
        """Do what `python WORDS` does."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        if not self.words[0].startswith("-"):
            sys.argv, file = list(self.words), self.words[0]
            exec(compile(Path(file).read_bytes(), file, "exec"), vars(main))
            return
        option, what, *rest = self.words
        sys.argv = [option, *rest]
        if option == "-m":
            runpy._run_module_as_main(what)  # type: ignore[attr-defined]
        else:
            exec(compile(what, "<string>", "exec"), vars(main))


def _forget_all_but(packages: Sequence[str]) -> None:
    """Of what is installed beside Python, leave only these packages, which are loaded."""
    installed = f"{os.sep}site-packages"
    for name, module in list(sys.modules.items()):
        if installed in (getattr(module, "__file__", None) or "") and name.partition(".")[0] not in packages:
            del sys.modules[name]
    sys.path[1:] = [path for path in sys.path[1:] if installed not in path]


def _open_streams() -> None:
    """What Python makes of its streams when it starts."""
    through = bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = io.TextIOWrapper(
            open(number, "wb" if number else "rb", closefd=False),  # noqa: SIM115
            encoding="utf-8",
            errors="backslashreplace" if name == "stderr" else "strict",
            line_buffering=name == "stderr" or os.isatty(number),
            write_through=through,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _modules() -> list[str]:
    """What is loaded beforehand; of `pulumi_aws` those packages that the program names."""
    sources = "".join(file.read_text() for file in sorted((ROOT / "components").rglob("*.py")))
    packages = sorted(set(re.findall(r"\baws\.([a-z_0-9]+)\.[A-Z]", sources)))
    return [*MODULES, *(f"pulumi_aws.{name}" for name in packages)]


def _of_project(project: Path) -> list[str]:
    """The modules that its `tasks.py` imports."""
    names = []
    for node in ast.parse((project / "tasks.py").read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def _load(project: Path | None) -> None:
    place = sys.path[0]
    sys.path[0] = str(ROOT)
    importlib.import_module("tests.descriptions").read_once(SERVICES)
    for name in ("tests", "tests.descriptions"):  # a copy of the project has its own
        del sys.modules[name]
    sys.path[0] = str(project or place)
    for name in [*_modules(), *(_of_project(project) if project else ())]:
        module = importlib.import_module(name)
        getattr(module, "__all__", None)  # packages of pulumi_aws are loaded when they are used first
    if len(os.listdir("/proc/self/task")) > 1:
        raise SystemExit("a module that is loaded beforehand has started a thread: no process can be forked")
    gc.collect()
    gc.freeze()


def _serve(listener: socket.socket) -> Request | None:
    """The request that this process, a new one, is for; None when no more will come."""
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    ready.register(sys.stdin, selectors.EVENT_READ)
    children: dict[int, tuple[int, socket.socket]] = {}  # by the number of what became ready
    while True:
        for key, _ in ready.select():
            if key.fileobj is sys.stdin:
                return None
            if key.fileobj is listener:
                channel, _ = listener.accept()
                try:
                    channel.send(os.getsid(0).to_bytes(_SIZE, "big"))
                    request = Request(channel)
                except (OSError, ValueError):
                    channel.close()
                    continue
                child = os.fork()
                if child == 0:
                    ready.close()
                    return request
                for stream in request.streams:
                    os.close(stream)
                channel.send(child.to_bytes(_SIZE, "big"))
                ended = os.pidfd_open(child)
                for number in (ended, channel.fileno()):
                    children[number] = child, channel
                    ready.register(number, selectors.EVENT_READ)
            elif key.fd in children:
                _end(ready, children, key.fd)


def _end(ready: selectors.BaseSelector, children: dict[int, tuple[int, socket.socket]], number: int) -> None:
    """A process has ended, or who asked for it has, and it ends with them."""
    child, channel = children[number]
    if number == channel.fileno():
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    for one in [one for one, (pid, _) in children.items() if pid == child]:
        ready.unregister(one)
        del children[one]
        if one != channel.fileno():
            os.close(one)
    try:
        channel.send(status.to_bytes(_SIZE, "big"))
    except OSError:
        pass
    channel.close()


def _finish(request: Request) -> int:
    """Run it to its end, as Python does, and return its exit code; what it holds is not taken apart."""
    code, interrupted = 0, False
    try:
        request.run()
    except SystemExit as error:
        if isinstance(error.code, int) or error.code is None:
            code = error.code or 0
        else:
            sys.stderr.write(f"{error.code}\n")
            code = 1
    except BaseException as error:  # noqa: BLE001 (as Python does)
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
        interrupted = isinstance(error, KeyboardInterrupt)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code


def main() -> None:
    # A Ctrl-C is for the tests, which end this in their own way. A new process hears its own when it runs.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    listener = socket.socket(fileno=int(sys.argv[1]))
    _load(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    library = ctypes.CDLL(None)
    request = _serve(listener)
    if request is not None:
        library.prctl(_KILLED_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        request.become()
        os._exit(_finish(request))


if __name__ == "__main__":
    main()
