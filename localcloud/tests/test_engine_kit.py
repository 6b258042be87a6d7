"""The real engine with our language host: a tiny program in a folder of its own, with no resources and hence
no cloud.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from localcloud.paths import Paths
from localcloud.progress import Progress
from localcloud.pulumi import environment
from localcloud.pulumi.cli import find_cli

pytestmark = pytest.mark.local

PROGRAM = """\
import pulumi
import helper

helper.CALLS += 1
pulumi.export("calls", helper.CALLS)
pulumi.export("greeting", pulumi.Config().require("greeting"))
pulumi.export("secret", pulumi.Output.secret("hidden"))
"""


class NoCloud:
    def environment(self) -> dict[str, str]:
        return {}


class Tiny:
    """The program, its local engine, and a way to run commands."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a project"
        self.paths = Paths(folder / "home")
        (self.root / "program").mkdir(parents=True)
        (self.root / "Pulumi.yaml").write_text(
            "name: tiny\nruntime: python\nmain: program\nstackConfigDir: stacks\nconfig:\n  greeting: "
            "{type: string, default: hello}\n"
        )
        (self.root / "program" / "helper.py").write_text("CALLS = 0\n")
        self.write(PROGRAM)

    def write(self, text: str) -> None:
        (self.root / "program" / "__main__.py").write_text(text)

    def prepare(self, *stacks: str) -> None:
        environment.prepare(self.paths, self.root, NoCloud(), stacks, Progress(io.StringIO()))

    def pulumi(self, *arguments: str) -> CompletedProcess[str]:
        variables = environment.applied(environment.environment(self.paths, self.root, NoCloud()))
        return subprocess.run(
            ["pulumi", *arguments], cwd=self.root, env=variables, capture_output=True, text=True, check=False
        )

    def up(self, *options: str) -> CompletedProcess[str]:
        return self.pulumi("up", "--yes", "--non-interactive", "--color", "never", "--stack", "dev", *options)

    def outputs(self, *options: str) -> dict[str, object]:
        outputs: dict[str, object] = json.loads(
            self.pulumi("stack", "output", "--json", "--stack", "dev", *options).stdout
        )
        return outputs


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    assert find_cli() is not None, "there is no Pulumi CLI: run `make setup`"
    tiny = Tiny(tmp_path)
    tiny.prepare("dev")
    return tiny


def printed(answer: CompletedProcess[str], expected: int = 0) -> str:
    text = answer.stdout + answer.stderr
    assert answer.returncode == expected, text
    return text


def test_up_runs_the_program_with_fresh_modules_each_time(tiny: Tiny) -> None:
    assert "warning" not in printed(tiny.up())
    assert tiny.outputs() == {"calls": 1, "greeting": "hello", "secret": "[secret]"}
    assert tiny.outputs("--show-secrets")["secret"] == "hidden"
    printed(tiny.up("--expect-no-changes"))
    printed(tiny.pulumi("destroy", "--yes", "--stack", "dev"))
    assert tiny.outputs() == {}


def test_preview_is_one_json_object(tiny: Tiny) -> None:
    answer = tiny.pulumi("preview", "--json", "--stack", "dev")
    assert json.loads(answer.stdout)["changeSummary"] == {"create": 1}


def test_configuration_reaches_the_program_by_stack(tiny: Tiny) -> None:
    printed(tiny.pulumi("config", "set", "greeting", "welcome", "--stack", "dev"))
    printed(tiny.pulumi("config", "set", "--secret", "other", "quiet", "--stack", "dev"))
    printed(tiny.up("--skip-preview"))
    assert tiny.outputs()["greeting"] == "welcome"
    assert "quiet" not in (tiny.root / "stacks" / "Pulumi.dev.yaml").read_text()


@pytest.mark.parametrize(
    ("program", "expected", "unexpected"),
    [
        ("import pulumi\nraise pulumi.RunError('no such stage')\n", ["error: no such stage"], ["Traceback"]),
        ("1 / 0\n", ["Traceback", "ZeroDivisionError"], ["runpy", "_server.py"]),
        ("import pulumi\npulumi.Output.from_input(0).apply(lambda n: 1 / n)\n", ["ZeroDivisionError"], []),
        ("import sys\nsys.exit(3)\n", ["ended itself with 3"], ["Traceback"]),
    ],
)
def test_an_error_in_the_program_is_shown_and_fails_the_command(
    tiny: Tiny, program: str, expected: Sequence[str], unexpected: Sequence[str]
) -> None:
    tiny.write(program)
    answer = tiny.up("--skip-preview")
    text = printed(answer, expected=answer.returncode or 1)
    for part in expected:
        assert part in text
    for part in unexpected:
        assert part not in text


def test_the_engine_agrees_with_what_we_think_exists(tiny: Tiny) -> None:
    tiny.prepare("dev", "prod")
    answer = tiny.pulumi("stack", "ls", "--json")
    assert sorted(stack["name"] for stack in json.loads(answer.stdout)) == ["dev", "prod"]


def test_a_stack_file_of_another_passphrase_is_mended_so_that_the_stack_works(
    tiny: Tiny, tmp_path: Path
) -> None:
    other = Tiny(tmp_path / "elsewhere")
    other.prepare("dev")
    foreign = (other.root / "stacks" / "Pulumi.dev.yaml").read_text()
    (tiny.root / "stacks" / "Pulumi.new.yaml").write_text(foreign)
    tiny.prepare("dev", "new")
    printed(tiny.pulumi("config", "set", "--secret", "key", "value", "--stack", "new"))
    assert tiny.pulumi("config", "get", "key", "--stack", "new").stdout.strip() == "value"
