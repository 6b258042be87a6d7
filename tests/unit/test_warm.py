"""A warm start is a process as any other: with what it was given, with its own modules, and with its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud.processes import identify
from tests.warm import TERMINAL, client, warm_python

ABOUT = """
import json, os, signal, sys
print(json.dumps({
    "loaded": "botocore.client" in sys.modules, "words": sys.argv[1:], "folder": os.getcwd(), "path": sys.path[:2],
    "environ": dict(os.environ), "mask": os.umask(0), "said": sys.stdin.read(), "threads": os.listdir("/proc/self/task"),
    "open": [one for one in os.listdir("/proc/self/fd") if int(one) > 2][1:],
}))
print("told", file=sys.stderr)
"""  # noqa: E501
WAIT = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)"


def host(code: str) -> list[str]:
    """The words of a program that is started warm: it looks like a language host."""
    return ["-c", f"# {client.HOST}\n{code}"]


@pytest.fixture(scope="module")
def python() -> Iterator[str]:
    with warm_python() as program:
        yield str(program)


@pytest.fixture(autouse=True)
def no_variables_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        monkeypatch.delenv(name)


def test_it_has_what_it_was_started_with(python: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [python, *host(ABOUT), "a word", "\u8a9e"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "ONLY": "this one", "PYTHONPATH": "/somewhere"},
        input="to read",
        capture_output=True,
        text=True,
        umask=0o027,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told.pop("environ").pop("ONLY") == "this one"
    assert len(told.pop("threads")) == 1
    assert told == {
        "loaded": True, "words": ["a word", "\u8a9e"], "folder": str(tmp_path), "path": ["", "/somewhere"],
        "mask": 0o027, "said": "to read", "open": [],
    }  # fmt: skip
    assert done.stderr == "told\n"


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('a reason')", 1, "a reason\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt\n"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong\n"),
        ("import atexit; atexit.register(print, 'last'); print('first', end=' ')", 0, ""),
    ],
)
def test_it_ends_as_it_would_by_itself(python: str, code: str, status: int, said: str) -> None:
    done = subprocess.run([python, *host(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[-len(said) :] if said else done.stderr) == (status, said)
    assert done.stdout == ("first last\n" if "atexit" in code else "")


FUNCTION = """
import importlib, json, sys
import boto3
boto3.client("s3", region_name="us-east-1")
there = {}
for name in ("yaml", "grpc", "pulumi_aws", "pulumi", "json", "beside"):
    try:
        importlib.import_module(name)
        there[name] = True
    except ModuleNotFoundError:
        there[name] = False
print(json.dumps({"there": there, "name": __name__, "words": sys.argv, "said": sys.stdin.readline()}))
"""


def test_a_function_has_what_it_would_have_on_aws_and_nothing_else(python: str, tmp_path: Path) -> None:
    """Its own modules and boto3; none of the others that are loaded in the server, or installed."""
    worker = tmp_path / "_worker.py"
    worker.write_text(FUNCTION)
    (tmp_path / "beside.py").write_text("")
    assert client.is_warm([str(worker)])
    done = subprocess.run(
        [python, str(worker)], input="an event\n", capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert [name for name, there in told.pop("there").items() if there] == ["json", "beside"]
    assert told == {"name": "__main__", "words": [str(worker)], "said": "an event\n"}


def test_a_terminal_is_passed_on_only_where_that_is_said(python: str) -> None:
    ours, its = os.openpty()
    code = "import sys; print(sys.stdout.isatty(), 'botocore.client' in sys.modules)"
    try:
        for environ, loaded in ((os.environ, False), ({**os.environ, TERMINAL: "1"}, True)):
            subprocess.run([python, *host(code)], stdout=its, env=environ, check=True)
            assert os.read(ours, 100).decode().strip() == f"True {loaded}"
    finally:
        os.close(ours)
        os.close(its)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_it(python: str, number: signal.Signals) -> None:
    with subprocess.Popen(
        [python, *host(WAIT)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as started:
        assert started.stdout
        assert int(started.stdout.readline()) != started.pid
        started.send_signal(number)
        assert started.wait(10) == -number


def test_it_ends_with_who_started_it(python: str) -> None:
    with subprocess.Popen([python, *host(WAIT)], stdout=subprocess.PIPE) as started:
        assert started.stdout
        child = identify(int(started.stdout.readline()))
        started.kill()
    assert child is not None
    eventually(lambda: not child.alive())


def test_it_ends_with_the_server() -> None:
    with warm_python() as python:
        started = subprocess.Popen([python, *host(WAIT)], stdout=subprocess.PIPE)
        assert started.stdout
        assert started.stdout.readline()
    assert started.wait(10) == -signal.SIGKILL
    started.stdout.close()


def test_a_changed_module_of_the_project_is_seen(python: str, tmp_path: Path) -> None:
    for word in ("first", "second one"):
        (tmp_path / "ours.py").write_text(f"WORD = {word!r}\n")
        done = subprocess.run(
            [python, *host("import ours; print(ours.WORD)")],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == f"{word}\n"


@pytest.mark.parametrize("why", ["another program", "a variable of Python", "no server"])
def test_else_a_python_starts_as_always(why: str, python: str) -> None:
    code = "import sys; print('botocore.client' in sys.modules, sys.executable, sys.argv[1:])"
    environ = {**os.environ, **({"PYTHONHASHSEED": "0"} if why == "a variable of Python" else {})}
    if why == "no server":
        words = Path(python).read_text().replace("/socket ", "/nothing ")
        Path(python).with_name("other").write_text(words)
    command = ["sh", str(Path(python).with_name("other"))] if why == "no server" else [python]
    words_ = ["-c", code, "a"] if why == "another program" else [*host(code), "a"]
    done = subprocess.run(
        [*command, *words_], env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"False {sys.executable} ['a']\n"


@pytest.mark.parametrize("own", [False, True])
def test_a_command_in_a_session_of_its_own_starts_as_always(own: bool, python: str, tmp_path: Path) -> None:
    task = "from invoke import task\n@task\ndef nothing(c): ..."
    (tmp_path / "tasks.py").write_text(f"import sys\nprint('botocore.client' in sys.modules)\n{task}\n")
    done = subprocess.run(
        [python, "-m", "invoke", "nothing"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        start_new_session=own,
    )  # fmt: skip
    assert done.stdout == f"{not own}\n"


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
