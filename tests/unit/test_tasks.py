"""The front door: which cloud, which stack, what a mistake looks like."""

import ast
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from console import cloud, engine, outputs, stacks
from console.errors import UserError, message, user_errors
from neurocaas.protocol.problems import InvalidInput, Problem, UserFacingError
from tests.invoked import invoked

ROOT = Path(__file__).resolve().parents[2]
LOCAL = cloud.Choice(
    "the local cloud at http://127.0.0.1:1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_PROFILE": ""}
)


def choose(
    environ: dict[str, str], local: cloud.Choice | None, home: Path, want_local: bool = False
) -> cloud.Choice:
    return cloud.choose(environ, local, want_local=want_local, home=home)


def test_what_the_shell_names_wins_over_a_running_local_cloud(tmp_path: Path) -> None:
    for name in cloud.NAMED_BY:
        choice = choose({name: "x"}, LOCAL, tmp_path)
        assert choice.variables == {}
        assert name in choice.name


def test_an_empty_variable_names_nothing(tmp_path: Path) -> None:
    assert choose({"AWS_PROFILE": ""}, LOCAL, tmp_path) is LOCAL


def test_the_local_cloud_stands_in_only_for_somebody_without_an_account(tmp_path: Path) -> None:
    assert choose({}, LOCAL, tmp_path) is LOCAL
    assert choose({}, None, tmp_path).variables == {}
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]")
    assert choose({}, LOCAL, tmp_path).variables == {}


def test_asking_for_the_local_cloud_takes_it_or_says_that_it_is_down(tmp_path: Path) -> None:
    assert choose({"AWS_PROFILE": "prod"}, LOCAL, tmp_path, want_local=True) is LOCAL
    with pytest.raises(UserError, match=r"invoke local\.up"):
        choose({}, None, tmp_path, want_local=True)


def test_an_empty_value_unsets() -> None:
    environ = {"AWS_PROFILE": "prod", "HOME": "/h"}
    cloud.lay_over(environ, LOCAL.variables)
    assert environ == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "HOME": "/h"}


def test_a_region_by_either_name_is_known_to_boto3() -> None:
    environ = {"AWS_REGION": "eu-west-1"}
    cloud.lay_over(environ, {})
    assert environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    environ = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-west-2"}
    cloud.lay_over(environ, {})
    assert environ["AWS_DEFAULT_REGION"] == "us-west-2"


@pytest.mark.parametrize(("has_host", "added"), [(True, True), (False, False)])
def test_a_cached_engine_is_found_when_it_can_run_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_host: bool, added: bool
) -> None:
    from localcloud.pulumi import cli

    found = cli.PulumiCli(
        path=tmp_path / "pulumi", version="3.274.1", has_python_host=has_host, from_cache=True
    )
    monkeypatch.setattr(cli, "find_cli", lambda: found)
    environ = {"PATH": "/nonexistent"}
    cloud.add_pulumi(environ)
    assert (environ["PATH"] == f"{tmp_path}:/nonexistent") is added


def test_a_cli_that_set_up_skips_is_not_the_one_that_tasks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localcloud.pulumi import cli

    old, kept = tmp_path / "bin" / "pulumi", tmp_path / "cache" / "neurocaas" / "kept" / "pulumi"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cli, "cache_directory", lambda: kept.parent)
    for program, version in (
        (old, "3.100.0"),
        (kept, "3.274.1"),
        (kept.with_name("pulumi-language-python"), ""),
    ):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho v{version}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    for _ in range(2):
        cloud.add_pulumi(os.environ)
    assert os.environ["PATH"] == f"{kept.parent}:{old.parent}:/usr/bin:/bin"
    assert engine.Engine(tmp_path).command("version")[0] == str(kept)


def test_a_task_in_a_cloud_has_the_flag_and_keeps_its_own() -> None:
    def body(c: Context, stack: str, yes: bool = False) -> None:
        """Help."""

    wrapped = user_errors(cloud.in_cloud(body))
    assert list(inspect.signature(wrapped).parameters) == ["c", "stack", "yes", "local"]
    assert wrapped.__doc__ == "Help."


def test_a_mistake_ends_in_its_message_and_a_defect_in_its_traceback() -> None:
    def mistaken(c: object) -> None:
        raise UserError("a", "b", "c")

    def broken(c: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(Exit) as caught:
        user_errors(mistaken)(None)
    assert caught.value.code == 1
    assert caught.value.message == "error: a\n  allowed: b\n  do: c"
    with pytest.raises(ZeroDivisionError):
        user_errors(broken)(None)


def test_a_full_disk_is_no_defect() -> None:
    with (
        pytest.raises(OSError, match="No space left") as caught,
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
    said = message(caught.value)
    assert said is not None
    assert "No space left on device" in said
    assert "do: make room" in said


def local_messages() -> list[type[Exception]]:
    from localcloud import bubblewrap, cache, emulator_env, running
    from localcloud.images import store
    from localcloud.pulumi import cli, stacks

    return [
        bubblewrap.BubblewrapMisnamed,
        cache.HomeUnknown,
        cli.CliUnavailable,
        emulator_env.EmulatorMissing,
        running.CloudError,
        stacks.StackFileConflict,
        store.ImageError,
    ]


@pytest.mark.parametrize("kind", local_messages(), ids=lambda kind: kind.__name__)
def test_what_the_local_cloud_says_is_a_message(kind: type[Exception]) -> None:
    assert message(kind("got\n  allowed: a\n  do: b")) == "got\n  allowed: a\n  do: b"


def test_an_error_of_ours_is_a_message_without_being_listed() -> None:
    class New(UserFacingError):
        exit_code = 7

    def broken(c: object) -> None:
        raise New("a", "b", "c")

    with pytest.raises(Exit) as caught:
        user_errors(broken)(None)
    assert (caught.value.code, caught.value.message) == (7, "error: a\n  allowed: b\n  do: c")
    several = InvalidInput([Problem("x", "1", "2", "Take it"), Problem("y", "3", "4", "Leave it")])
    assert str(several) == "x: got 1. Allowed: 2. Take it.\ny: got 3. Allowed: 4. Leave it."
    told = ("x: got 1\n  allowed: 2\n  do: Take it", "y: got 3\n  allowed: 4\n  do: Leave it")
    assert message(several) == "\n".join(told)
    assert (several.got, several.allowed, several.do) == ("x: got 1", "2", "Take it")


def test_no_error_types_its_three_parts_by_hand() -> None:
    """They would be no `UserFacingError`, or one whose parts cannot be told apart."""
    rooms = ("blueprints", "ci", "components", "console", "demo", "image_builder", "neurocaas", "runtime")
    found = [
        str(path.relative_to(ROOT))
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and "\n  allowed: " in str(node.value)
    ]
    assert found == []


def test_missing_credentials_are_a_message() -> None:
    from botocore.exceptions import NoCredentialsError

    assert "invoke local.up" in str(message(NoCredentialsError()))


def test_what_the_network_or_a_profile_does_is_a_message() -> None:
    from botocore import exceptions

    for error in (
        exceptions.ReadTimeoutError(endpoint_url="https://x"),
        exceptions.ConnectTimeoutError(endpoint_url="https://x"),
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.TokenRetrievalError(provider="sso", error_msg="x"),
        exceptions.InvalidRegionError(region_name="a b"),
        exceptions.ConfigParseError(path="x", error="y"),
    ):
        assert "\n  do: " in str(message(error)), error
    assert message(exceptions.ParamValidationError(report="ours")) is None, "a defect keeps its traceback"


def test_an_interrupted_task_ends_without_a_traceback() -> None:
    def interrupted(c: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Exit) as caught:
        user_errors(interrupted)(None)
    assert (caught.value.code, caught.value.message) == (130, "interrupted")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("analysis", "dti", "my-long-name"):
        (tmp_path / "blueprints" / name).mkdir(parents=True)
        (tmp_path / "blueprints" / name / "blueprint.yaml").write_text("")
    return tmp_path


@pytest.mark.parametrize("stack", ["utils", "analysis-webdev", "dti-prod", "my-long-name-develop"])
def test_stacks_of_blueprints_are_known(project: Path, stack: str) -> None:
    assert stacks.check(stack, project) == stack


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("", "no stack"),
        ("dti", "dti-webdev|dti-prod"),
        ("dtti-webdev", r"no blueprint 'dtti'.*\n.*\n.*did you mean 'dti-webdev'"),
        ("dti-live", "-webdev, -develop, -staging, -prod"),
    ],
)
def test_other_names_are_refused_with_a_proposal(project: Path, stack: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        stacks.check(stack, project)
    assert re.search(said, str(caught.value), re.DOTALL)


def test_stacks_are_deployed_in_the_order_of_their_needs(project: Path) -> None:
    assert stacks.all_stacks(project) == ["utils", "analysis-webdev", "dti-webdev", "my-long-name-webdev"]


OUTPUTS: dict[str, Any] = {"kind": "test", "bucket": "it's", "groups": {"b": 1}, "note": "two\nlines EOF"}


def test_outputs_as_shell_lines_survive_a_shell() -> None:
    script = outputs.rendered(OUTPUTS, "env") + 'printf "%s|%s" "$BUCKET" "$GROUPS_"'
    script = script.replace("GROUPS=", "GROUPS_=")  # bash keeps GROUPS for itself
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == 'it\'s|{"b": 1}'


def test_outputs_for_github_delimit_what_has_lines() -> None:
    text = outputs.rendered(OUTPUTS, "github")
    assert "bucket=it's\n" in text
    assert "note<<EOF_\ntwo\nlines EOF\nEOF_\n" in text


def test_outputs_as_json_are_the_outputs() -> None:
    assert json.loads(outputs.rendered(OUTPUTS, "json")) == OUTPUTS
    with pytest.raises(UserError, match="json, env, github, global-params"):
        outputs.rendered(OUTPUTS, "xml")
    with pytest.raises(UserError, match="invoke outputs utils"):
        outputs.rendered(OUTPUTS, "global-params")


def test_outputs_are_checked_against_the_schema_of_their_kind(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"bucket": {"type": "integer"}}, "required": ["account"]}
    (tmp_path / "test-outputs.json").write_text(json.dumps(schema))
    with pytest.raises(UserError) as caught:
        outputs.checked(OUTPUTS, "dti-webdev", tmp_path)
    assert "bucket" in str(caught.value)
    assert "'account' is a required property" in str(caught.value)
    with pytest.raises(UserError, match="kind 'other'"):
        outputs.checked({"kind": "other"}, "dti-webdev", tmp_path)


def test_the_engine_counts_resources_and_leaves_out_what_did_not_happen() -> None:
    events: list[dict[str, Any]] = [
        {"preludeEvent": {}},
        {"summaryEvent": {"resourceChanges": {"create": 3, "same": 2}}},
        {"cancelEvent": {}},
    ]
    update = engine.Update("utils", 1.25, engine.resource_changes(events))
    assert update.text() == "3 created, 2 unchanged in 1.2 s"
    assert update.changed == 3


FAKE_PULUMI = """#!{python}
import json, os, signal, sys, time
arguments = sys.argv[1:]
if arguments[0] == "up":
    print("Updating")
    with open(arguments[arguments.index("--event-log") + 1], "w") as out:
        for severity, text in (("warning", "old"), ("error", "<{{%fg 1%}}>BucketAlreadyExists<{{%reset%}}>")):
            event = {{"severity": severity, "message": text, "urn": "urn:pulumi:s::p::aws:s3/bucket:Bucket::data"}}
            print(json.dumps({{"diagnosticEvent": event}}), file=out)
    sys.exit(255)
if arguments[0] == "destroy":
    def told(number, frame):
        time.sleep(0.5)  # longer than subprocess gives a child whose parent is interrupted
        print("ended in order", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGINT, told)
    print("begun", flush=True)
    signal.pause()
if arguments[:2] == ["stack", "output"]:
    print("error: no stack named 'x' found", file=sys.stderr)
    sys.exit(1)
"""  # noqa: E501


@pytest.fixture
def pulumi(tmp_path: Path) -> engine.Engine:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(FAKE_PULUMI.format(python=sys.executable))
    program.chmod(0o755)
    return engine.Engine(tmp_path, {"PATH": str(program.parent)})


def test_a_failed_update_says_which_resource_and_where_the_log_is(
    pulumi: engine.Engine, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        pulumi.up("dti-webdev", tmp_path / "up.log")
    assert "data: BucketAlreadyExists\n" in str(caught.value)
    assert "old" not in str(caught.value)
    assert str(tmp_path / "up.log") in str(caught.value)
    assert (tmp_path / "up.log").read_text() == "Updating\n"


def test_an_interrupted_engine_ends_in_order_before_the_task_does(
    pulumi: engine.Engine, tmp_path: Path
) -> None:
    log = tmp_path / "destroy.log"

    def press() -> None:
        while not (log.exists() and "begun" in log.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        pulumi.destroy("dti-webdev", log)
    assert log.read_text() == "begun\nended in order\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_outputs_of_a_stack_that_is_not_there_say_how_to_get_it(pulumi: engine.Engine) -> None:
    with pytest.raises(UserError, match="no stack named 'x' found"):
        pulumi.outputs("x")


def test_no_engine_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pulumi on PATH"):
        engine.Engine(tmp_path, {"PATH": str(tmp_path)}).outputs("utils")


def invoke(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCALCLOUD_"))
    }
    return invoked(ROOT, *arguments, env={**environ, "LOCALCLOUD_HOME": "/nonexistent"})


def test_the_tasks_are_listed_and_every_one_says_what_it_does() -> None:
    done = invoke("--list", "--list-format=json")
    assert done.returncode == 0, done.stderr

    def walk(collection: dict[str, Any], prefix: str = "") -> dict[str, str]:
        found = {prefix + task["name"]: task["help"] for task in collection["tasks"]}
        for inner in collection["collections"]:
            found |= walk(inner, f"{inner['name']}.")
        return found

    tasks = walk(json.loads(done.stdout))
    expected = {
        "setup",
        "lint",
        "test",
        "demo",
        "deploy",
        "preview",
        "destroy",
        "outputs",
        "new-stack",
        "bake-ami",
    }
    expected |= {
        "submit",
        "forecast",
        "jobs",
        "status",
        "follow",
        "logs",
        "results",
        "cancel",
        "explain",
        "rerun",
    }
    expected |= {f"local.{name}" for name in ("up", "down", "status", "reset", "logs", "env")}
    assert expected <= set(tasks)
    assert [name for name, text in tasks.items() if not text] == []


@pytest.mark.parametrize(
    ("task", "flag"),
    [("deploy", "--stack"), ("outputs", "--format"), ("submit", "--group"), ("bake-ami", "--plan")],
)
def test_every_task_explains_itself(task: str, flag: str) -> None:
    for arguments in ([task, "--help"], ["--help", task]):
        done = invoke(*arguments)
        assert done.returncode == 0
        assert flag in done.stdout
        assert "--local" in done.stdout


def test_a_command_without_its_names_says_all_that_are_missing() -> None:
    done = invoke("jobs")
    assert done.returncode == 2
    assert "no --analysis and no --group" in done.stderr


def test_listing_the_tasks_imports_nothing_heavy() -> None:
    code = (
        "import sys, tasks\n"
        "heavy = {'boto3', 'botocore', 'pulumi', 'pulumi_aws', 'rich', 'jsonschema', 'grpc', 'cryptography', "
        "'blueprints'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_wrong_stack_name_ends_in_one_message_without_a_traceback() -> None:
    done = invoke("outputs", "--stack", "nonesuch-webdev")
    assert done.returncode == 1
    assert "there is no blueprint 'nonesuch'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("decoder", "stack 'decoder', which lacks its stage"),
        ("decoder-production", "did you mean 'decoder-prod'?"),
        ("dekoder-webdev", "did you mean 'decoder-webdev'?"),
        ("", "no stack"),
    ],
)
def test_a_wrong_stack_name_is_told_with_the_nearest_one(tmp_path: Path, stack: str, said: str) -> None:
    (tmp_path / "blueprints" / "decoder").mkdir(parents=True)
    (tmp_path / "blueprints" / "decoder" / "blueprint.yaml").touch()
    with pytest.raises(UserError, match=re.escape(said)):
        stacks.check(stack, tmp_path)
