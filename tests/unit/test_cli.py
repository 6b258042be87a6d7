"""The program `neurocaas`: its help, what it says of mistakes, its exit codes, and that `invoke` has the same
commands.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import os
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from click.shell_completion import ShellComplete
from invoke.collection import Collection
from invoke.program import Program
from moto import mock_aws

import neurocaas as neurocaas_package
from console.analysts import as_task
from console.errors import user_errors
from neurocaas import cli, completion, streams
from neurocaas.commands import COMMANDS, CONCERNS
from neurocaas.commands.command import AnalystCommand, Ended
from neurocaas.commands.speaking import as_json
from neurocaas.errors import AnalysisError
from neurocaas.version import version
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ended, tell

ROOT = Path(__file__).resolve().parents[2]


def neurocaas(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "neurocaas", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def of(one: AnalystCommand, body: Callable[..., None]) -> AnalystCommand:
    """The command with another body, which gets the same."""

    def other(*given: Any, **named: Any) -> None:
        body(*given, **named)

    other.__signature__ = inspect.signature(one.body)  # type: ignore[attr-defined]
    other.__doc__, other.__name__ = one.body.__doc__, one.body.__name__
    return dataclasses.replace(one, body=other)


def by_click(one: AnalystCommand, words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    made = cli.application([("All", [one])])
    monkeypatch.setattr(cli, "application", lambda: made)
    return cli.main([one.name, *words])


def by_invoke(one: AnalystCommand, words: list[str]) -> int:
    task = as_task(one)
    task.body = user_errors(task.body)
    program = Program(namespace=Collection(task), binary="invoke")
    try:
        program.run(["invoke", one.name, *words], exit=True)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def line_for(one: AnalystCommand, rest: bool) -> list[str]:
    """A command line with a value for everything that the command takes. `rest`: as `neurocaas` has it, with
    the words of `rest` behind the others; invoke has an option for them."""
    places, options = [], []
    for parameter in one.parameters:
        typed = parameter.name.rstrip("_").replace("_", "-")
        if rest and parameter.name == one.rest:
            places += ["a", "b c"]
        elif parameter.name in one.lists:
            options += [f"--{typed}", "a", f"--{typed}", "b c"]
        elif parameter.default is parameter.empty:
            places.append(f"the-{typed}")
        elif isinstance(parameter.default, bool):
            options.append(f"--no-{typed}" if parameter.default else f"--{typed}")
        else:
            options += [f"--{typed}", "7" if isinstance(parameter.default, int) else f"some {typed}"]
    return [*places, *options]


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
@pytest.mark.parametrize("full", [True, False], ids=["all options", "none"])
def test_a_command_gets_the_same_from_either_program(
    one: AnalystCommand, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    must = [f"the-{p.name}" for p in one.parameters if p.default is p.empty and p.name not in one.lists]
    got: list[dict[str, Any]] = []

    def note(*given: Any, **named: Any) -> None:
        bound = inspect.signature(one.body).bind(*given, **named)
        bound.apply_defaults()
        got.append(dict(bound.arguments))

    assert by_click(of(one, note), line_for(one, rest=True) if full else must, monkeypatch) == 0
    assert by_invoke(of(one, note), line_for(one, rest=False) if full else must) == 0
    assert got[0] == got[1]
    assert set(got[0]) == {parameter.name for parameter in one.parameters}
    assert not full or all(value not in ("", [], 20) for value in got[0].values())


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (Ended("it failed", code=1), 1, "it failed"),
        (Ended(), 0, ""),
        (AnalysisError("a", "b", "c"), 2, "error: a\n  allowed: b\n  do: c"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device"), 2, "make room"),
    ],
    ids=["ended", "well", "mistake", "interrupted", "disk"],
)
@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
def test_a_command_ends_the_same_in_either_program(
    one: AnalystCommand,
    raised: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def body(*_: Any, **__: Any) -> None:
        raise raised

    words = [f"x{p.name}" for p in one.parameters if p.default is p.empty and p.name not in one.lists]
    assert by_click(of(one, body), words, monkeypatch) == code
    first = capsys.readouterr()
    assert by_invoke(of(one, body), words) == code
    second = capsys.readouterr()
    assert (first.out, first.err.strip()) == (second.out, second.err.strip())
    assert said in first.err


@pytest.mark.parametrize(
    ("words", "got", "do"),
    [
        ("jbs", "'jbs' is no command", "did you mean `neurocaas jobs`?"),
        ("zzz", "'zzz' is no command", "`neurocaas --help` lists them"),
        ("--verison", "there is no option --verison", "did you mean --version?"),
        ("jobs --limt 3", "neurocaas jobs: there is no option --limt", "did you mean --limit?"),
        ("jobs --zzz", "neurocaas jobs: there is no option --zzz", "`neurocaas jobs --help`"),
        ("jobs --limit many", "neurocaas jobs: --limit: 'many' is not", "`neurocaas jobs --help`"),
        ("jobs --limit", "neurocaas jobs: option '--limit' requires", "`neurocaas jobs --help`"),
        ("jobs more", "neurocaas jobs: got unexpected extra argument (more)", "`neurocaas jobs --help`"),
        ("follow", "neurocaas follow: no JOB", "`neurocaas follow --help`"),
        ("submit dti --analysis other", "two analyses: dti and --analysis other", "--help`"),
        ("completion tcsh", "'tcsh' is not one of", "`neurocaas completion --help`"),
        ("--version=x", "option '--version' does not take a value", "`neurocaas --help`"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_three_parts(
    words: str, got: str, do: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("error: ")
    assert got in lines[0]
    assert lines[-1].startswith("  do: ")
    assert do in lines[-1]
    assert any(line.startswith("  allowed: ") for line in lines)


def test_alone_it_shows_every_command_once_by_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    at = [shown.index(f"\n{title}:\n") for title in dict.fromkeys(title for title, _ in CONCERNS)]
    assert at == sorted(at)
    for name in (*(one.name for one in COMMANDS), "completion"):
        assert sum(line.startswith(f"  {name} ") for line in shown.splitlines()) == 1, name
    assert "..." not in shown.partition("Options:")[2], "a sentence was cut"
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
def test_the_help_of_a_command_explains_all_that_it_takes(
    one: AnalystCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([one.name, "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for name, text in one.help.items():
        assert name in words or name.upper() in words
        assert text.split()[0] in words


def test_the_version_of_a_checkout_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    here = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert version() == neurocaas_package.__version__ == here
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"neurocaas {here}\n"


def test_a_defect_is_told_with_what_to_do_and_its_traceback_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(*_: Any, **__: Any) -> None:
        raise KeyError("some\x1b[2Jkey")

    monkeypatch.delenv(cli.DEBUG, raising=False)
    jobs = next(one for one in COMMANDS if one.name == "jobs")
    assert by_click(of(jobs, body), [], monkeypatch) == cli.DEFECT
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "\x1b" not in err
    assert f"neurocaas {version()} met an error that it does not know: KeyError" in err
    assert "  allowed: " in err
    assert "NEUROCAAS_DEBUG=1" in err
    monkeypatch.setenv(cli.DEBUG, "1")
    monkeypatch.undo()
    monkeypatch.setenv(cli.DEBUG, "1")
    assert by_click(of(jobs, body), [], monkeypatch) == cli.DEFECT
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no pipe can be made without its reader there")
@pytest.mark.parametrize("words", [["--help"], ["completion", "zsh"], ["jobs", "--help"]])
def test_a_reader_that_has_gone_ends_it_without_a_word(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = neurocaas(*words, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (streams.GONE, "")


@pytest.mark.skipif(os.name == "nt", reason="has no shell that closes a stream")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_it_works_without_a_place_to_write_to(closed: str) -> None:
    command = f'"$@" -m neurocaas --help {closed} && "$@" -m neurocaas jbs {closed}'
    done = subprocess.run(
        ["bash", "-c", command, "bash", sys.executable], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert ("did you mean" in done.stderr) is (closed == ">&-")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = neurocaas("--help", stdout=full)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("cp1252", r"ok … \u65e5 é ->"),
        ("ascii", r"ok ... \u65e5 \xe9 ->"),
        ("cp437", r"ok ... \u65e5 é ->"),
        ("utf-8", "✓ … 日 é →"),
    ],
)
def test_a_console_without_a_character_gets_it_in_ascii(
    encoding: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding=encoding))
    streams.write_anything()
    sys.stdout.write("✓ … 日 é →")
    sys.stdout.flush()
    assert held.getvalue().decode(encoding) == expected


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_document_is_the_same_whatever_the_console_can_show(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding=encoding))
    streams.write_anything(json=True)
    sys.stdout.write(as_json({"é日": ["✓", "\U0001f9e0", "a\\"]}))
    sys.stdout.flush()
    assert json.loads(held.getvalue().decode(encoding)) == {"é日": ["✓", "\U0001f9e0", "a\\"]}


@pytest.mark.parametrize("encoding", ["cp1252", "cp437"])
def test_all_help_can_be_read_on_any_console(encoding: str) -> None:
    done = neurocaas("submit", "--help", env={**os.environ, "PYTHONIOENCODING": encoding}, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_says_how_to_install_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script.startswith("# ")
    assert f"neurocaas completion {shell}" in script.split("\n_neurocaas")[0]
    assert f"_NEUROCAAS_COMPLETE={shell}_complete" in script


def test_bash_completes_what_is_typed(tmp_path: Path) -> None:
    """In a real bash, with the script that it prints."""
    program = tmp_path / "neurocaas"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m neurocaas "$@"\n')
    program.chmod(0o755)
    script = """
eval "$(neurocaas completion bash)"
COMP_WORDS=(neurocaas "$@"); COMP_CWORD=$#
_neurocaas_completion neurocaas; printf '%s\\n' "${COMPREPLY[@]}"
"""
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for typed, expected in (("resul", "results"), ("jobs --li", "--limit"), ("completion f", "fish")):
        command = ["bash", "-c", script, "bash", *typed.split()]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [expected]
        assert done.stderr == ""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEUROCAAS_ANALYSIS", BUCKET)
    monkeypatch.setenv("NEUROCAAS_GROUP", GROUP)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        tell(client)
        yield client


def completed(*words: str) -> list[str]:
    """What is offered for the last word."""
    made = ShellComplete(cli.application(), {}, "neurocaas", "_NEUROCAAS_COMPLETE")
    return [item.value for item in made.get_completions(list(words[:-1]), words[-1])]


def test_jobs_are_completed_the_latest_first(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "PATIENCE", 60)  # a busy machine is not what this is about
    for name in ("2026-01-01", "2026-01-02", "other"):
        ended(s3, name, {"a": 1.0})
    assert completed("follow", "2026") == ["2026-01-02", "2026-01-01"]
    assert completed("status", "--analysis", BUCKET, "o") == ["other"]
    assert completed("status", f"{BUCKET}/o") == [f"{BUCKET}/other"]
    assert "last" in completed("results", "")


@pytest.mark.parametrize("fault", ["nothing is set", "an error", "no answer"])
def test_what_cannot_be_known_in_time_is_not_offered_and_not_told(
    fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("NEUROCAAS_ANALYSIS", "NEUROCAAS_BUCKET", "NEUROCAAS_GROUP", "NEUROCAAS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    free = threading.Event()
    if fault != "nothing is set":

        def names(*_: str) -> list[str]:
            if fault == "an error":
                raise OSError("away")
            free.wait(60)
            return ["late"]

        monkeypatch.setattr(completion, "_names_of_jobs", names)
        monkeypatch.setattr(completion, "PATIENCE", 0.1)
    assert completed("follow", "") == []
    free.set()
    assert capsys.readouterr() == ("", "")


def test_analyses_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def names(group: str) -> list[str]:
        asked.append(group)
        return ["dti", "caiman"]

    monkeypatch.setattr(completion, "_names_of_analyses", names)
    assert completed("jobs", "--group", "lab", "--analysis", "d") == ["dti"]
    assert completed("submit", "c") == ["caiman"]
    assert asked == ["lab", ""]


def test_click_is_told_of_each_concern() -> None:
    assert isinstance(cli.application(), click.Group)
    assert [one for _, some in CONCERNS for one in some] == list(COMMANDS)
    assert len({one.name for one in COMMANDS}) == len(COMMANDS)


@pytest.mark.skipif(os.name == "nt", reason="a console's Ctrl-C cannot be sent to one process there")
@pytest.mark.parametrize("place", ["a module is loaded", "a command runs"])
def test_an_interrupt_ends_it_without_a_traceback(place: str) -> None:
    wait = "print('up', flush=True) or time.sleep(60)"
    program = f"""
import sys, time, types
from neurocaas import __main__
if {place == "a command runs"}:
    from neurocaas import cli
    cli.main = lambda: {wait}
else:
    class Slow:
        def find_spec(self, name, path=None, target=None):
            if name == 'neurocaas.cli':
                {wait}
    sys.meta_path.insert(0, Slow())
__main__.program()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "up\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "")
