"""Recordings on real roots: a person types into `invoke record`, the script is written, and a replay proves
it.

Nothing here needs the local cloud; all sessions share one home, hence its base system.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import blueprints
from blueprints import Blueprint, parent_of
from blueprints.provision import Provision, Script, read
from demo.playground import copied
from image_builder.recording import inventory, replay
from image_builder.recording.recording import Recording
from localcloud.images.cleanroot import LocalRoots
from localcloud.paths import Paths
from runtime.protocol.problems import InvalidInput
from tests.local.terminals import Terminal, terminal

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.local
BLUEPRINT = """\
schema_version: 1
name: {name}
title: Typed
description: What somebody typed.
script: run.sh
instance: {{type: m5.large, volume_gib: 16}}
image: {{parent: ubuntu24}}
groups: [debuggers]
budget_usd: 300
"""


# A build backend that needs nothing: packages from git are built without a package index.
BACKEND = """
import zipfile

def build_wheel(folder, *_):
    with zipfile.ZipFile(f"{folder}/mine-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("mine.py", "")
        wheel.writestr("mine-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\n")
        wheel.writestr("mine-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.dist-info/RECORD", "mine.py,,\\n")
    return "mine-1-py3-none-any.whl"
"""  # noqa: E501


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a few files and a git repository; its address."""
    folder = tmp_path_factory.mktemp("www")
    (folder / "data.bin").write_bytes(bytes(range(256)) * 8)
    (folder / "install.sh").write_text('echo "$@" > /opt/build/installed\n')
    repository = folder / "tool"
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@y"]
    repository.mkdir()
    (repository / "file").write_text("first\n")
    (repository / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (repository / "backend.py").write_text(BACKEND)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["update-server-info"]):
        subprocess.run([*git, *arguments], check=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Project:
    """A copy of the project with one analysis `typed` that has no scripts yet."""

    def __init__(self, root: Path, home: Path) -> None:
        copied(ROOT, root)
        self.root, self.provision = root, root / "blueprints/typed/provision"
        (root / "blueprints/typed").mkdir()
        (root / "blueprints/typed/blueprint.yaml").write_text(BLUEPRINT.format(name="typed"))
        (root / "blueprints/typed/run.sh").write_text("#!/bin/bash\n")
        self.environ = {**os.environ, "LOCALCLOUD_HOME": str(home), "TERM": "xterm"}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "invoke", *words, "--analysis", "typed"]

    def invoke(self, *words: str) -> tuple[int, str]:
        """Exit status, and all that was said."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def record(self, *flags: str, type_into: Callable[[Terminal], None]) -> tuple[int, str]:
        """A session at a terminal; exit status, and all that was shown."""
        with terminal(self.command("record", *flags), self.root, self.environ) as shown:
            prompt(shown)
            type_into(shown)
            return shown.end(), shown.seen

    @property
    def script(self) -> str:
        return (self.provision / "10-recorded.sh").read_text()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "copy", home)


def prompt(shown: Terminal) -> None:
    shown.wait("[recording] ")
    shown.wait(" # ")


def lines(*typed: str) -> Callable[[Terminal], None]:
    """Types line after line, each when the prompt is back."""

    def type_into(shown: Terminal) -> None:
        for line in typed:
            shown.type(line + "\n")
            prompt(shown)

    return type_into


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


def lines_then_finish(*typed: str) -> Callable[[Terminal], None]:
    def type_into(shown: Terminal) -> None:
        lines(*typed)(shown)
        shown.type("rec finish\n")

    return type_into


class Bench:
    """Recordings without the command line: one blueprint, sessions from texts."""

    def __init__(self, folder: Path, home: Path) -> None:
        # LocalRoots is what CleanRoots asks for by its fields; its View is a class of its own.
        self.roots = cast("Any", LocalRoots(Paths(home)))
        analysis = blueprints.load("analysis", "webdev", ROOT)
        self.blueprint: Blueprint = replace(analysis, name="bench", root=folder)
        self.recording = Recording(self.roots, self.blueprint)

    def record(self, text: str) -> str:
        """The script of a session, the only one there is. Raises InvalidInput."""
        shutil.rmtree(self.blueprint.folder / "provision", ignore_errors=True)
        self.recording.drop()
        assert self.recording.session(lambda line: None, script=text, resume=False)
        self.recording.finish()
        return (self.blueprint.folder / "provision/10-recorded.sh").read_text()

    def verify(self) -> replay.Verdict:
        return replay.verify(
            self.roots, self.blueprint, read(self.blueprint.folder / "provision"), lambda line: None
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), home)


def test_packages_downloads_and_clones_are_pinned_and_replay(bench: Bench, web: str) -> None:
    script = bench.record(f"""
apt-get -qq update
apt install -y sl
python3 -m venv --without-pip /opt/v
python3 -m pip --python /opt/v/bin/python install 'six>=1.15,<1.17'
python3 -m pip --python /opt/v/bin/python install git+{web}/tool/.git
curl -fsSLO {web}/data.bin
wget -q {web}/data.bin -O /opt/other.bin && date +%N > "$(echo thi)rd"
curl -fsSL {web}/install.sh | bash -s -- a 'b c'
git clone -q {web}/tool/.git tool
printf '%s\\n' 1 2 > numbers; sed -i s/1/3/ numbers
/opt/v/bin/python -c 'import six'
python3 -m pip --python /opt/v/bin/python install jinja2
exit
""")
    for pinned in (
        "apt-get install -y sl=",
        "\nsix==1.16.0 --hash=sha256:",
        "install --no-deps --require-hashes -r /tmp/recorded-5.txt\n",
        "/opt/build/data.bin' | sha256sum",
        "/opt/other.bin' | sha256sum",
        "/markupsafe-",
        ".dist-info/REQUESTED\n",
        "bash /tmp/recorded-9.sh a 'b c'\n",
        "reset --quiet --hard ",
        "# no effect: /opt/v/bin/python",
    ):
        assert pinned in script
    assert re.search(r"install git\+http://\S+/tool/\.git@[0-9a-f]{40}\n", script)
    assert "/opt/build/third' | sha256sum" not in script
    verdict = bench.verify()
    assert verdict.against == "the recorded root"
    assert [difference.text() for difference in verdict.real] == ["/opt/build/third: other content"], (
        "it has the time in it"
    )
    assert verdict.as_json()["known_caches"], "logs and compiled Python differ, and are known"


def test_a_user_namespace_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox of people who are not root."""
    monkeypatch.setenv("LOCALCLOUD_SANDBOX", "bubblewrap-userns")
    bench = Bench(tmp_path, tmp_path / "home")
    asked = "useradd -m alice\nsu alice -c 'touch ~/mine'\nrec as alice -- 'cd && touch too'\n"
    asked += (
        "rec as alice -- sh -c 'echo one two > ~/said; id -un >> ~/said'\nrec check grep -qx 'one two' "
        "~alice/said\n"
    )
    bench.record(
        asked + "alias put='tee -a'\necho x | put /opt/list\nrm /etc/hostname\necho x >> /etc/passwd-\nexit\n"
    )
    assert (
        "\nsu alice -s /bin/bash -c 'cd && touch too'\n"
        in (tmp_path / "blueprints/bench/provision/10-recorded.sh").read_text()
    )
    verdict = bench.verify()
    assert (verdict.words, verdict.real) == ("reproduces", ())
    assert (tmp_path / "blueprints/bench/provision/validate/10-recorded.sh").read_text().count(
        "bash -eo pipefail"
    ) == 1
    assert "(bubblewrap-userns)" in verdict.root


def test_every_difference_is_listed(bench: Bench) -> None:
    script = bench.record(
        "mkdir d\necho $RANDOM$RANDOM > content\ntouch mode owner\nln -s a link\nrm /etc/hostname; date +%N "
        "> /var/log/mine\n"
    )
    path = bench.blueprint.folder / "provision/10-recorded.sh"
    path.write_text(script)
    root = bench.roots.open(
        "record-bench", parent_of(bench.blueprint, bench.roots.account, bench.roots.region).for_image_builder
    )
    other = script.replace(
        "touch mode owner", "touch mode owner more; chmod 600 mode; chown 33 owner"
    ).replace("-s a", "-s b")
    path.write_text(other.replace("rm /etc/hostname", "true").replace("mkdir d", "touch d"))
    try:
        assert replay.run(root, "bench", read(path.parent), lambda line: None) is None
        replay.save_manifest(root, bench.roots.folder("bench"), "other")
        recorded = inventory.load(bench.roots.folder("bench") / replay.MANIFEST, "other")
    finally:
        root.close()
    assert recorded is not None
    path.write_text(script)
    with replay.clean_root(bench.roots, "verify-bench", bench.blueprint) as root:
        assert replay.run(root, "bench", read(path.parent), lambda line: None) is None
        found = {
            difference.path: difference
            for difference in inventory.compare(recorded, inventory.take(root.views()))
        }
    assert {path: difference.what for path, difference in found.items() if difference.cache is None} == {
        "/opt/build/content": "other content",
        "/opt/build/d": "other type file and folder, mode 0644 and 0755, content",
        "/opt/build/link": "other link target b and a",
        "/opt/build/mode": "other mode 0600 and 0644",
        "/opt/build/more": "changed or made only in the first",
        "/opt/build/owner": "other owner 33 and 0",
        "/etc/hostname": "removed only in the replay",
    }
    assert found["/var/log/mine"].cache == "log"


def test_a_kept_layer_lies_under_other_roots(bench: Bench) -> None:
    parent = parent_of(bench.blueprint, bench.roots.account, bench.roots.region).for_image_builder

    def ran(text: str, *over: str) -> Any:
        root = bench.roots.open("layered", parent, over=over)
        script = Provision((Script("build", "10-x.sh", f"#!/bin/bash\n{text}\n"),), ())
        assert replay.run(root, "bench", script, lambda line: None) is None
        return root

    ran("touch /opt/one /opt/gone; rm /etc/hostname").keep("first")
    ran(
        "test -e /opt/one && test ! -e /etc/hostname && rm /opt/gone && touch /usr/local/bin/two", "first"
    ).keep("second")
    assert sorted(bench.roots.kept("layered")) == ["first", "second"]
    ran("test -e /opt/one && test ! -e /opt/gone && test -e /usr/local/bin/two", "second", "first").close()
    ran("test ! -e /opt/one && test -e /etc/hostname").close()
    bench.roots.forget("layered", ["second"])
    assert bench.roots.kept("layered") == ["second"]
    bench.roots.forget("layered")


def test_a_script_that_fails_is_told_with_its_line(bench: Bench) -> None:
    bench.record("touch x\n")
    path = bench.blueprint.folder / "provision/10-recorded.sh"
    path.write_text("#!/bin/bash\ntouch y\nls /nonesuch\n")
    verdict = bench.verify()
    assert verdict.words == "does not replay: 10-recorded.sh line 3: ls /nonesuch"
    assert not verdict.reproduces
    path.write_text("#!/bin/bash\ndate +%N > /opt/when\n")
    verdict = bench.verify()
    assert (verdict.words, [difference.path for difference in verdict.real]) == (
        "reproduces with 1 difference",
        ["/opt/when"],
    )


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


NAMES = st.sampled_from(["a", "b", "sub", "sub/c", "ü é", "d.txt"])
TEXTS = st.sampled_from(
    ["x", "two words", "$HOME $V", "`uname`", "q'uote", 'd"quote', "é✓", "back\\slash", "#", "*"]
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


COMMANDS = st.one_of(
    st.builds(lambda n, t, o: f"echo {_quoted(t)} {o} {_quoted(n)}", NAMES, TEXTS,
        st.sampled_from([">", ">>"])),
    st.builds(lambda n: f"mkdir {_quoted(n)}", NAMES),
    st.builds(lambda n: f"mkdir -p {_quoted(n)}", NAMES),
    st.builds(lambda n: f"cd {_quoted(n)}", NAMES),
    st.sampled_from(["cd ..", "cd /opt/build", "cd", "pushd /opt", "umask 077", "umask 022", "V=1", "export "
        "V='a b'", "unset V", "false",
                     "ls", "set -- x 'y z'", "f() { echo \"f $1\" >> f; }", "f 1", "true | false",
                     "nosuchcommand", "W=\"$V\"; export W"]),
    st.builds(lambda n: f"rm -rf {_quoted(n)}", NAMES),
    st.builds(lambda n: f"touch {_quoted(n)}", NAMES),
    st.builds(lambda n, m: f"mv {_quoted(n)} {_quoted(m)}", NAMES, NAMES),
    st.builds(lambda n, m: f"cp -r {_quoted(n)} {_quoted(m)}", NAMES, NAMES),
    st.builds(lambda n, m: f"ln -s {_quoted(n)} {_quoted(m)}", NAMES, NAMES),
    st.builds(lambda n, m: f"chmod {m} {_quoted(n)}", NAMES, st.sampled_from(["600", "755", "u+x"])),
    st.builds(lambda n: f"for i in 1 2; do\n  echo \"$i $V $1\" >> {_quoted(n)}\ndone", NAMES),
    st.builds(lambda n: f"if [ -d {_quoted(n)} ]; then touch {_quoted(n)}/in; else touch no; fi", NAMES),
    st.builds(lambda n: f"(cd /opt && echo sub > {_quoted(n.replace('/', '-'))})", NAMES),
    st.builds(lambda n, t: f"A=({_quoted(t)} \"$V\" x); printf '<%s>' \"${{A[@]}}\" > {_quoted(n)}", NAMES,
        TEXTS),
    st.builds(lambda n, t: f"cat <<< {_quoted(t)} >> {_quoted(n)}", NAMES, TEXTS),
    st.builds(lambda n, t: f"echo {_quoted(t)} \\\n  two > {_quoted(n)} # and", NAMES, TEXTS),
    st.sampled_from(["f() { echo 1 >> f\necho 2 >> f\necho 3 >> f\n}", "f() { echo 2 >> f\necho 1 >> "
        "f\necho 3 >> f\n}",
                     "echo $'tab\\there' > 'ü é'"]),
    st.builds(lambda n: f"echo \"$V\" | sed s/a/b/ > {_quoted(n)}", NAMES),
)  # fmt: skip

ALONE = st.one_of(  # of which a line may have only one
    st.builds(
        lambda n, t: f'rec as root -- sh -c \'printf "%s|" "$@"\' sh {_quoted(t)} "$V" > {_quoted(n)}',
        NAMES,
        TEXTS,
    ),
    st.sampled_from(["alias w='touch '", "alias w='mkdir -p'", "w made", "unalias w"]),
)
QUOTES = st.sampled_from(["", "'"])
HERE = st.builds(lambda n, t, q: f"cat > {_quoted(n)} <<{q}END{q}\n{t}\n\t{t}\nEND", NAMES, TEXTS, QUOTES)
LINES = st.lists(COMMANDS, min_size=1, max_size=2).map("; ".join) | COMMANDS | HERE | ALONE


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes seconds: it is not worth shrinking
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(LINES, min_size=15, max_size=40))
@example(["set -e", "set -- x 'y z'", 'echo "$1 $2" > arguments', "set +e", "(exit 3); touch after"])
def test_a_session_and_its_script_have_the_same_effect(bench: Bench, typed: list[str]) -> None:
    """Whatever was typed: where a script is written, a clean root is afterwards as the recorded one."""
    dropped = set()
    while True:
        try:
            bench.record(
                "\n".join(
                    [
                        "touch begin",
                        *(line for number, line in enumerate(typed) if number not in dropped),
                        "exit",
                    ]
                )
            )
            break
        except InvalidInput as error:
            refused = error
        wrong = {
            int(problem.field.split()[1])
            for problem in refused.problems
            if "after it had changed" in problem.got
        }
        assert len(wrong) == len(refused.problems), refused
        kept = [number for number in range(len(typed)) if number not in dropped]
        dropped |= {kept[number - 3] for number in wrong}  # events 1 and 2: the begin, `touch begin`
    verdict = bench.verify()
    assert verdict.words == "reproduces", [difference.text() for difference in verdict.real]
