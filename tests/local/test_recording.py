"""Recordings on real roots: a person types into `invoke record`, the script is written, and a replay proves
it.

Nothing here needs the local cloud; all sessions share one home, hence its base system.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localcloud.tests.bases import share_base
from tests.local.recordings import Project, lines, lines_then_finish, prompt
from tests.local.terminals import Terminal, terminal

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return share_base(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "copy", home)


def test_typed_at_a_terminal(project: Project) -> None:
    def type_into(shown: Terminal) -> None:
        lines(
            "mkdir -p /opt/tool && cd /opt/tool",
            "echo one > a.txt",
            "!!",
            "!echo:s/one/two/:s/a.txt/b.txt/",
            "cat > 'ü n.txt' <<END\ncafé ✓ $HOME\nEND",
            "for i in 1 2; do\necho $i >> c.txt\ndone",
            "  touch 'leading space'",
            "alias mk='mkdir -p'",
            "mk deep/er",
            "export GREETING='good day'",
            'echo "$GREETING" > greeting.txt',
            "set -- p q",
            "touch $2",
            "nosuchcommand",
            "cd /nowhere",
            "ls -l",
            "sed -i s/good/fine/ greeting.txt",
            "f() { echo $1 > f.txt; }",
            "f x",
            "touch unwanted",
            "rec undo",
            "rec note the tool is there",
            "rec check test -f /opt/tool/a.txt",
            'rec check sh -c \'test -d "$0" && test "$1" = "a b"\' /opt/tool \'a b\'',
            "rec check ! test -e deep/est",
            "rec check false",
        )(shown)
        shown.type("sh -c 'echo start\"\"ed; exec sleep 60'\n")
        shown.wait("\rstarted")
        shown.type("\x03")
        prompt(shown)
        shown.type("python3\n")
        shown.wait(">>> ")
        shown.type("1 + 1\n")
        shown.wait("2\r\n>>> ")
        shown.type("\x04")
        prompt(shown)
        shown.type("rec finish\n")

    status, shown = project.record(type_into=type_into)
    assert status == 0, shown
    for kept in (
        "mkdir -p /opt/tool && cd /opt/tool\n",
        "\necho one > a.txt\necho one > a.txt\necho two > b.txt\n",
        "café ✓ $HOME\nEND\n",
        "\nmkdir -p deep/er\n",
        "\nexport GREETING='good day'\n",
        "set -- p q\n",
        "\ntouch $2\n",
        "\nsed -i s/good/fine/ greeting.txt\n",
        "\n# the tool is there\n",
        "# failed (127): nosuchcommand\n",
        "# failed (1): cd /nowhere\n",
        "# no effect: ls -l\n",
        "# taken back: touch unwanted\n",
        "# failed (130): sh -c 'echo start\"\"ed; exec sleep 60'\n",
        "# no effect: python3\n",
    ):
        assert kept in project.script
    assert "the check fails here (exit 1): not recorded" in shown
    assert (project.provision / "validate/10-recorded.sh").read_text().count("bash -eo pipefail") == 3
    assert "every file that the recording made or changed is looked at" in shown, (
        "ending it takes a while, and says so"
    )
    status, said = project.invoke("verify-recording")
    assert (status, "typed: reproduces (against the recorded root" in said) == (0, True), said
    (project.provision / "10-recorded.sh").write_text(
        project.script.replace("echo two > b.txt", "echo two > b.txt; chmod 600 a.txt")
    )
    status, said = project.invoke("record", "--script", "/dev/null")
    assert (status, "edited by hand since" in said, "--add" in said) == (1, True, True)
    status, said = project.invoke("verify-recording", "--json")
    assert (status, '"against": "a second replay"' in said) == (0, True), (
        "edited scripts are proved by a second replay"
    )


def test_a_shell_that_went_away_is_gone_on_with(project: Project) -> None:
    def killed(shown: Terminal) -> None:
        lines("mkdir /opt/half && cd /opt/half", "export STAYS=1", "lost=1")(shown)
        for words in (["record", "--discard"], ["record", "--script", "/dev/null"], ["record-finish"]):
            status, said = project.invoke(*words)
            assert (status, "runs in another terminal" in said) == (1, True), said
        shown.type("kill -9 $$\n")

    status, shown = project.record("--force", type_into=killed)
    assert (status, "--resume" in shown) == (1, True)
    status, said = project.invoke("record", "--script", "/dev/null", "--force")
    assert (status, "was interrupted, and is still there" in said) == (1, True)

    def refused(shown: Terminal) -> None:
        lines(
            "pwd", 'touch "$STAYS$lost"', "echo token=abcdef0123456789 > secret", "bash -c 'touch x; exit 3'"
        )(shown)
        shown.type("bash\n")
        shown.wait("record:")
        shown.type("touch inner\n")
        shown.wait("record:")
        shown.type("exit\n")
        prompt(shown)
        shown.type("exit\n")

    status, shown = project.record("--resume", type_into=refused)
    assert status == 1
    assert "/opt/half\r\n" in shown
    for word in (
        "a secret (TOKEN)",
        "exit status 3) after it had changed 1 file (",
        "`bash` without a script",
        "The recording is kept",
    ):
        assert word in shown
    log = next(Path(project.environ["LOCALCLOUD_HOME"]).rglob("session.jsonl"))
    assert "abcdef0123456789" not in log.read_text()
    numbers = {
        event["text"]: event["seq"]
        for event in map(json.loads, log.read_text().splitlines())
        if event["kind"] == "command"
    }
    wrong = [number for text, number in numbers.items() if text.startswith(("echo token", "bash"))]
    drops = [f"rec drop {number}" for number in wrong]
    status, shown = project.record("--resume", type_into=lines_then_finish(*drops, "rm x inner secret"))
    assert status == 0, shown
    assert "\nexport STAYS=1\nlost=1\n" in project.script
    assert "variables that were not exported are not known" in shown
    status, said = project.invoke("verify-recording")
    assert (status, "/opt/half/11" in said or "does not replay" in said) == (1, True), (
        "rm of files that the script never makes"
    )


def test_a_request_to_end_leaves_nothing_but_the_recording(project: Project, tmp_path: Path) -> None:
    environ = {**project.environ, "TMPDIR": str(tmp_path)}
    with terminal(project.command("record", "--force"), project.root, environ) as shown:
        prompt(shown)
        lines("mkdir /opt/kept")(shown)
        shown.process.terminate()
        assert shown.end() == 130
    assert list(tmp_path.iterdir()) == []
    status, said = project.invoke("record-finish")
    assert (status, "1 lines kept" in said) == (0, True), said


def test_what_was_interrupted_can_be_finished_or_thrown_away(project: Project, tmp_path: Path) -> None:
    session = tmp_path / "session"
    session.write_text("touch kept\nls\nkill -9 $$\ntouch never\n")
    assert project.invoke("record", "--force", "--script", str(session))[0] == 1
    status, said = project.invoke("record-finish")
    assert (status, "1 lines kept, 2 left out" in said) == (0, True), said
    assert project.script.endswith("\ntouch kept\n# no effect: ls\n# failed (137): kill -9 $$\n")
    status, said = project.invoke("record-finish")
    assert (status, "there is no recording of typed to finish" in said) == (1, True)
    session.write_text("touch half; kill -9 $$\ntouch never\n")
    assert project.invoke("record", "--add", "--script", str(session))[0] == 1
    status, said = project.invoke("record-finish", "--add")
    assert (status, "(exit status 137) after it had changed 1 file (/opt/build/half)" in said) == (1, True), (
        said
    )
    for expected in ("is gone", "There is no interrupted recording"):
        status, said = project.invoke("record", "--discard")
        assert (status, expected in said) == (0, True)
    assert project.invoke("record", "--resume")[1].startswith("error: there is no interrupted recording")
    assert sorted(path.name for path in project.provision.glob("*.sh")) == ["10-recorded.sh"]
    session.write_text("touch added; test -e kept\nexit 0\n")
    assert project.invoke("record", "--add", "--script", str(session))[0] == 0
    assert "touch added; test -e kept" in (project.provision / "20-recorded.sh").read_text(), (
        "after the scripts that are there"
    )
    session.write_text("ls\n")
    status, said = project.invoke("record", "--force", "--script", str(session))
    assert (status, "no line of the recording changed anything" in said) == (1, True)
    project.invoke("record", "--discard")


DOCUMENT = """
name: foreign
schemaVersion: 1.0
parameters: [{Name: {type: string}}]
phases:
- name: build
  steps:
  - {name: id, action: ExecuteBash, inputs: {commands: ['echo "$(id -u) {{ Name }} ${HOME-none}" | tee /etc/mine']}}
  - {name: hidden, action: ExecuteBash, disableLogging: true, inputs: {commands: ['echo hush']}}
  - {name: get, action: S3Download, inputs: [{source: 's3://bucket/in/*', destination: /opt/}]}
  - {name: near, action: CreateFile, inputs: [{path: near/by, content: x}]}
  - {name: there, action: ExecuteBash, inputs: {commands: [test -e near/by]}}
  - {name: put, action: S3Upload, inputs: [{source: /opt/a, destination: 's3://bucket/out/{{ Name }}'}]}
- name: test
  steps:
  - {name: there, action: Assert, inputs: {fileExists: /etc/mine}}
"""  # noqa: E501


def test_any_document_runs_on_a_clean_root(project: Project, tmp_path: Path) -> None:
    document, store, logs = tmp_path / "document.yaml", tmp_path / "store", tmp_path / "logs"
    document.write_text(DOCUMENT)
    (store / "bucket/in").mkdir(parents=True)
    (store / "bucket/in/a").write_text("object")
    words = [
        "run-document",
        "--document",
        str(document),
        "--s3",
        str(store),
        "--logs",
        str(logs),
        "--parameters",
    ]
    command = [sys.executable, "-m", "invoke", *words]

    def run(parameters: str) -> tuple[int, dict[str, Any], str]:
        done = subprocess.run(
            [*command, parameters],
            cwd=project.root,
            env=project.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    status, result, said = run("Name=me")
    assert (status, result["status"], result["executedStepCount"]) == (0, "success", 7), result
    assert "Stdout: 0 me none\n" in said
    assert "no systemd, GPU or boot" in said
    assert (store / "bucket/out/me").read_text() == "object"
    folder = Path(result["logUrl"])
    assert folder.parent == logs
    assert sorted(file.name for file in folder.iterdir()) == [
        "application.log", "chaining.json", "console.log", "detailedoutput.json", "document.yaml",
    ]  # fmt: skip
    assert "hush" not in "".join(
        (folder / name).read_text() for name in ("application.log", "chaining.json", "console.log")
    )
    (detailed,) = json.loads((folder / "detailedoutput.json").read_text())["documents"]
    assert {phase["name"]: phase["steps"][-1]["status"] for phase in detailed["phases"]} == {
        "build": "completed",
        "test": "completed",
    }
    document.write_text(DOCUMENT.replace("/etc/mine}", "/etc/other}"))
    status, result, said = run("Name=me")
    assert (status, result["failedStepCount"]) == (1, 1)
    assert "phase test, step there (Assert): the assertion does not hold" in result["failureMessage"]
    assert f"\nfailed: {result['failureMessage']}\n" in said
    assert run("Other=me")[1]["failureMessage"].count("foreign:") == 2
    assert not (Path("/etc/mine")).exists(), "nothing of it reaches this computer"


def test_without_sandboxes_it_is_said(project: Project) -> None:
    environ = {**project.environ, "LOCALCLOUD_SANDBOX": "process"}
    done = subprocess.run(
        project.command("record", "--script", "/dev/null"),
        cwd=project.root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    for word in ("cannot give a recording a root of its own", "allowed: ", "do: install bubblewrap"):
        assert word in done.stderr
    assert "Traceback" not in done.stderr
