"""The Python language host: what it uses of the SDK, and how it runs a program."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pulumi
import pytest
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from localcloud.pulumi import language


def test_the_sdk_still_has_the_private_class_that_the_host_builds_on() -> None:
    """`pulumi.automation._server` is not public: this fails when a new SDK moves or changes it."""
    assert issubclass(LanguageServer, language_pb2_grpc.LanguageRuntimeServicer)
    assert list(inspect.signature(LanguageServer.__init__).parameters) == ["self", "program"]
    assert list(inspect.signature(LanguageServer.Run).parameters) == ["self", "request", "context"]
    source = inspect.getsource(LanguageServer.Run)
    assert "request.args[0]" in source, "the engine's address is handed over in the first argument"
    assert "run_in_stack(self.program)" in source
    assert "except RunError" in source


CALLS = (
    "Handshake GetPluginInfo GetRequiredPackages GetRequiredPlugins RuntimeOptionsPrompts "
    "InstallDependencies About Run RunPlugin"
)


@pytest.mark.parametrize("call", CALLS.split())
def test_every_call_that_the_engine_makes_is_answered(call: str) -> None:
    assert getattr(language.Host, call) is not getattr(language_pb2_grpc.LanguageRuntimeServicer, call)


def test_calls_without_a_program() -> None:
    host = language.Host("127.0.0.1:1", Path("/"))
    assert host.GetPluginInfo(None, None).version.startswith("3.")
    assert not host.GetRequiredPackages(None, None).packages  # type: ignore[no-untyped-call]
    dependencies = {
        found.name: found.version for found in host.GetProgramDependencies(None, None).dependencies
    }
    assert dependencies["pulumi"].startswith("3.")
    assert b"make setup" in b"".join(answer.stdout for answer in host.InstallDependencies(None, None))


def request(folder: Path, entry_point: str = ".") -> SimpleNamespace:
    return SimpleNamespace(
        info=SimpleNamespace(program_directory=str(folder), entry_point=entry_point), pwd=str(folder)
    )


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep what running a program changes in this process from the other tests; gives a folder with a program
    in it.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/kit", "/library"])
    monkeypatch.setattr(sys, "argv", ["host"])
    (tmp_path / "__main__.py").write_text(
        "import os, sys\nopen('seen', 'w').write(repr((__name__, sys.argv, sys.path, os.getcwd())))\n"
    )
    return tmp_path


def test_a_program_runs_as_if_python_had_been_given_its_folder(process: Path) -> None:
    language._program(request(process), Path("/kit"))()
    name, argv, path, folder = eval((process / "seen").read_text())
    assert name == "__main__"
    assert argv == [str(process / "__main__.py")]
    assert path == [str(process), "/library"]
    assert Path(folder) == process


@pytest.mark.parametrize("entry_point", ["program", "program/start.py"])
def test_main_in_pulumi_yaml_may_name_a_folder_or_a_file(process: Path, entry_point: str) -> None:
    (process / "program").mkdir()
    for name in ("__main__.py", "start.py"):
        (process / "program" / name).write_text(f"open('ran', 'w').write('{name}')")
    language._program(request(process, entry_point), Path("/kit"))()
    assert (process / "ran").read_text() == ("start.py" if entry_point.endswith(".py") else "__main__.py")
    assert sys.path[0] == str(process / "program")


def test_a_missing_entry_point_is_a_clear_message(process: Path) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"got the entry point .*nowhere.* correct `main` in Pulumi\.yaml"
    ):
        language._program(request(process, "nowhere"), Path("/kit"))()


def fail(process: Path, text: str) -> str:
    (process / "__main__.py").write_text(text)
    with pytest.raises(pulumi.RunError) as error:
        language._program(request(process), Path("/kit"))()
    return str(error.value)


def test_a_mistake_of_the_user_is_said_without_a_traceback(process: Path) -> None:
    assert fail(process, "import pulumi\nraise pulumi.RunError('no such stage')\n") == "no such stage"


def test_any_other_error_is_a_traceback_that_begins_in_the_program(process: Path) -> None:
    text = fail(process, "def divide():\n    return 1 / 0\n\ndivide()\n")
    assert text.startswith("Program failed with an unhandled exception:\nTraceback")
    assert text.splitlines()[2].strip() == f'File "{process / "__main__.py"}", line 4, in <module>'
    assert text.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "runpy" not in text


def test_leaving_with_an_error_code_is_an_error(process: Path) -> None:
    assert "3" in fail(process, "import sys\nsys.exit(3)\n")


def test_leaving_with_zero_is_none(process: Path) -> None:
    (process / "__main__.py").write_text("import sys\nopen('left', 'w')\nsys.exit(0)\n")
    language._program(request(process), Path("/kit"))()
    assert os.path.exists("left")


def test_a_second_run_in_the_same_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        LanguageServer,
        "Run",
        lambda self, request, context: language_pb2.RunResponse(error="reported already"),
    )
    host = language.Host("127.0.0.1:1", Path("/"))
    first = language_pb2.RunRequest(pwd="/nowhere")
    assert host.Run(first, None) == language_pb2.RunResponse(bail=True)
    assert list(first.args) == ["127.0.0.1:1"]
    assert "once" in host.Run(language_pb2.RunRequest(pwd="/nowhere"), None).error


def test_without_an_engine_the_host_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert language.main(["-v=3"]) == 2
    assert "started by the Pulumi CLI" in capsys.readouterr().err
