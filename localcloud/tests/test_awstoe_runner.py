"""The runner of component documents: policies, chaining, loops, conditions, and every action that needs no
network.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from awstoe.checks import load
from localcloud.images.awstoe.conditions import BadCondition, decide, evaluate
from localcloud.images.awstoe.runner import Result, Runner
from localcloud.images.awstoe.transfer import Aws


@pytest.fixture(autouse=True)
def own_scripts(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a machine the scripts of steps are in its own /tmp; here they would be in that of all workers."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("scripts")))


Step = dict[str, Any]


class Bench:
    """Runs steps in a folder and keeps the events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []

    def run(
        self,
        *steps: Step,
        phases: tuple[str, ...] = ("build",),
        parameters: dict[str, str] | None = None,
        head: str = "",
    ) -> Result:
        named = [{"name": f"s{number}", **step} for number, step in enumerate(steps)]
        text = head + yaml.safe_dump(
            {"schemaVersion": "1.0", "phases": [{"name": "build", "steps": named}]}, sort_keys=False
        )
        runner = Runner(
            {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/root"},
            str(self.folder),
            self.events.append,
            Aws(None, "us-east-1", None),
        )
        return runner.run([load(text, parameters)], list(phases))

    def statuses(self) -> list[str]:
        return [
            event["status"]
            for event in self.events
            if event["type"] == "step" and event["status"] != "RUNNING"
        ]

    def log(self) -> str:
        return "\n".join(event["line"] for event in self.events if event["type"] == "log")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def bash(*commands: str, **more: Any) -> Step:
    return {"action": "ExecuteBash", "inputs": {"commands": list(commands)}, **more}


def act(action: str, *inputs: dict[str, str], **more: Any) -> Step:
    return {"action": action, "inputs": list(inputs), **more}


def test_one_plain_bash_file_per_step(bench: Bench) -> None:
    result = bench.run(bash("false", "x=1", "echo x=$x ${HOME-nohome} $PWD", "cat"))
    assert result.status == "success"
    assert f"x=1 nohome {bench.folder}" in bench.log()


def test_failure_policies(bench: Bench) -> None:
    result = bench.run(
        bash("exit 1", onFailure="Ignore"),
        bash("exit 2", onFailure="Continue"),
        bash("exit 3"),
        bash("echo never"),
    )
    assert bench.statuses() == ["IGNORED", "FAILED", "FAILED"]
    assert (
        result.status,
        result.failedStepCount,
        result.ignoredFailedStepCount,
        result.executedStepCount,
    ) == ("failed", 2, 1, 3)
    assert result.failure is not None
    assert result.failure.step == "s1"


def test_ignored_failures_alone_are_success(bench: Bench) -> None:
    assert bench.run(bash("exit 1", onFailure="Ignore")).status == "successWithIgnoredFailure"


def test_a_phase_that_nothing_has_is_a_failure(bench: Bench) -> None:
    result = bench.run(bash("true"), phases=("validate",))
    assert (result.status, result.executedStepCount) == ("failed", 0)
    assert "no step was run" in result.failureMessage


def test_attempts(bench: Bench) -> None:
    result = bench.run(bash("echo x >> tries; test $(wc -l < tries) -ge 3", maxAttempts="3"))
    assert result.status == "success"
    assert (bench.folder / "tries").read_text().count("x") == 3


def test_timeout_kills_the_whole_group(bench: Bench) -> None:
    result = bench.run(bash("sleep 60 & echo $! > child; sleep 60", timeoutSeconds="1"))
    assert "longer than 1 s" in result.failureMessage
    child = int((bench.folder / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_exit_194_runs_the_step_again(bench: Bench) -> None:
    result = bench.run(
        bash("test -e flag && exit 0; touch flag; exit 194"),
        {"action": "Reboot", "inputs": {"delaySeconds": "0"}},
    )
    assert result.status == "success"


def test_chaining_and_parameters(bench: Bench) -> None:
    result = bench.run(
        bash("echo noise >&2; echo value"),
        bash("echo '[{{ build.s0.outputs.stdout }}] {{ Name }}' > out"),
        act("ReadFile", {"path": str(bench.folder / "out")}),
        bash("echo '{{ build.s2.outputs.content }}{{ build.s2.inputs.path }}' > again"),
        parameters={"Name": "n"},
        head="parameters: [{Name: {type: string}}]\n",
    )
    assert result.status == "success", result.failureMessage
    assert (bench.folder / "again").read_text() == f"[value] n\n{bench.folder}/out\n"


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ({"for": {"start": "1", "end": "5", "updateBy": "2"}}, "0:1 1:3 2:5"),
        ({"for": {"start": "2", "end": "0", "updateBy": "-1"}}, "0:2 1:1 2:0"),
        ({"forEach": ["a", "b"]}, "0:a 1:b"),
        ({"name": "mine", "forEach": {"list": "a;b", "delimiter": ";"}}, "0:a 1:b"),
    ],
)
def test_loops(bench: Bench, loop: dict[str, Any], expected: str) -> None:
    name = loop.get("name", "loop")
    result = bench.run(
        bash(f"echo {{{{ {name}.index }}}}:{{{{ {name}.value }}}}", loop=loop),
        bash("echo '{{ build.s0.outputs.stdout }}' > out"),
    )
    assert result.status == "success", result.failureMessage
    assert (bench.folder / "out").read_text().split() == expected.split()


def test_conditions_skip_and_abort(bench: Bench) -> None:
    result = bench.run(
        bash("touch skipped", **{"if": {"binaryExists": "surely-not-there"}}),
        bash("touch run", **{"if": {"not": {"binaryExists": "surely-not-there"}}}),
        bash("touch aborted", **{"if": {"stringEquals": "a", "value": "a", "then": "Abort"}}),
    )
    assert bench.statuses() == ["SKIPPED", "COMPLETED", "FAILED"]
    assert sorted(path.name for path in bench.folder.iterdir()) == ["run"]
    assert result.status == "failed"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"stringEquals": "Testing", "value": "TESTING"}, False),
        ({"stringEquals": "Testing", "value": "Testing "}, False),
        ({"stringLessThanEquals": "A", "value": "a"}, True),
        ({"stringLessThan": "a", "value": "0"}, True),
        ({"stringGreaterThan": "a", "value": "A"}, False),
        ({"stringGreaterThanEquals": "A", "value": "a"}, True),
        ({"stringIsWhitespace": ""}, False),
        ({"stringIsWhitespace": " \t"}, True),
        ({"patternMatches": "^[a-z]+$", "value": "ThisIsValue"}, True),
        ({"numberEquals": "5.0", "value": "5"}, True),
        ({"numberEquals": "-1", "value": "-1"}, True),
        ({"numberEquals": "nan", "value": "nan"}, False),
        ({"numberLessThan": "2", "value": "2"}, False),
        ({"numberLessThanEquals": "2", "value": "2.1"}, False),
        ({"numberGreaterThan": "1", "value": "1.1"}, True),
        ({"numberGreaterThanEquals": "1", "value": "a10"}, False),
        (
            {
                "fileSHA256Equals": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
                "path": "/dev/null",
            },
            True,
        ),
        ({"fileMD5Equals": "d41d8cd98f00b204e9800998ecf8427e", "path": "/nonexistent"}, False),
        ({"stringIsEmpty": ""}, True),
        ({"numberLessThan": "3", "value": "2"}, True),
        ({"numberEquals": "x", "value": "x"}, False),
        ({"patternMatches": "^a+$", "value": "aaa"}, True),
        ({"and": [{"stringIsEmpty": ""}, {"not": {"stringIsEmpty": "x"}}]}, True),
        ({"or": [{"stringIsEmpty": "y"}, {"fileExists": "/nonexistent"}]}, False),
        ({"folderExists": "/"}, True),
    ],
)
def test_operators(condition: dict[str, Any], holds: bool) -> None:
    assert evaluate(condition) is holds
    assert decide(condition) == ("Execute" if holds else "Skip")


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"stringEquals": "a"},
        {"stringIsEmpty": "", "not": {}},
        {"patternMatches": "(", "value": ""},
        {"and": []},
        "x",
        {"fileSHA1Equals": "a", "value": "/a"},
        {"fileExists": "/a", "path": "/b"},
    ],
)
def test_what_is_no_condition(condition: Any) -> None:
    with pytest.raises(BadCondition):
        evaluate(condition)


def test_deep_nesting_is_refused() -> None:
    condition: dict[str, Any] = {"stringIsEmpty": ""}
    for _ in range(4):
        condition = {"not": condition}
    with pytest.raises(BadCondition, match="nested"):
        evaluate(condition)


def test_file_actions(bench: Bench) -> None:
    f = bench.folder
    result = bench.run(
        act("CreateFolder", {"path": f"{f}/a/b", "permissions": "0750"}),
        act(
            "CreateFile",
            {"path": f"{f}/a/one.txt", "content": "1", "permissions": "0600"},
            {"path": f"{f}/a/two.txt", "content": "é", "encoding": "utf16"},
        ),
        act("AppendFile", {"path": f"{f}/a/one.txt", "content": "+"}),
        act("SetFilePermissions", {"path": f"{f}/a/one.txt", "permissions": "0640"}),
        act("CreateSymlink", {"path": f"{f}/link", "target": f"{f}/a/one.txt"}),
        act("CopyFile", {"source": f"{f}/a/*.txt", "destination": f"{f}/copies"}),
        act("MoveFile", {"source": f"{f}/copies/one.txt", "destination": f"{f}/moved.txt"}),
        act("CopyFolder", {"source": f"{f}/a", "destination": f"{f}/c"}),
        act("MoveFolder", {"source": f"{f}/c", "destination": f"{f}/d"}),
        act("SetFolderPermissions", {"path": f"{f}/d", "permissions": "0700", "recursive": "false"}),
        act("SetFileOwner", {"path": f"{f}/moved.txt", "owner": str(os.getuid())}),
        act("SetFolderOwner", {"path": f"{f}/d", "owner": str(os.getuid())}),
        act("SetFileEncoding", {"path": f"{f}/moved.txt", "encoding": "utf16-be"}),
        act("ListFiles", {"path": f"{f}/a", "fileNamePattern": "*.txt"}),
        bash("echo '{{ build.s13.outputs.files }}' > listed"),
        act("DeleteFile", {"path": f"{f}/copies/*"}),
        act("DeleteFolder", {"path": f"{f}/copies"}, {"path": f"{f}/a", "force": "true"}),
        {"action": "Assert", "inputs": {"fileExists": f"{f}/d/one.txt"}},
        {"action": "ExecuteBinary", "inputs": {"path": "touch", "arguments": [f"{f}/touched"]}},
    )
    assert result.status == "success", result.failureMessage
    assert (f / "moved.txt").read_bytes() == "1+".encode("utf-16-be")
    assert (f / "d" / "two.txt").read_bytes() == "é".encode("utf-16-le")
    assert (f / "d").stat().st_mode & 0o777 == 0o700
    assert (f / "listed").read_text() == f"{f}/a/one.txt,{f}/a/two.txt\n"
    assert sorted(path.name for path in f.iterdir()) == ["d", "link", "listed", "moved.txt", "touched"]


def test_folders_go_where_files_would(bench: Bench) -> None:
    """By the guide: a destination that ends with `/` keeps the source's name, `*` takes several, other signs
    are part of a name.
    """
    f = bench.folder
    for name in ("sample1/x", "sample2/y", "other/z"):
        (f / "in" / name).parent.mkdir(parents=True)
        (f / "in" / name).write_text("")
    (f / "in" / "a[1]?.txt").write_text("")
    result = bench.run(
        act("CopyFolder", {"source": f"{f}/in/sample1", "destination": f"{f}/renamed"}),
        act("CopyFolder", {"source": f"{f}/in/sample1/", "destination": f"{f}/named/"}),
        act("CopyFolder", {"source": f"{f}/in/sample*", "destination": f"{f}/several/"}),
        act("MoveFolder", {"source": f"{f}/in/s*1", "destination": f"{f}/moved/"}),
        act("CopyFile", {"source": f"{f}/in/a[1]?.txt", "destination": f"{f}/file"}),
        act("ListFiles", {"path": f"{f}/in", "fileNamePattern": "a[1]*"}),
        bash("echo '{{ build.s5.outputs.files }}'"),
    )
    assert result.status == "success", result.failureMessage
    assert bench.log().endswith(f"Stdout: {f}/in/a[1]?.txt")
    assert sorted(str(path.relative_to(f)) for path in f.rglob("*") if path.is_file()) == [
        "file", "in/a[1]?.txt", "in/other/z", "in/sample2/y", "moved/sample1/x", "named/sample1/x",
        "renamed/x", "several/sample1/x",
        "several/sample2/y",
    ]  # fmt: skip
    taken = {"source": f"{f}/in/sample2", "destination": f"{f}/several/", "overwrite": "false"}
    assert (
        "several/sample2 exists and overwrite is false" in bench.run(act("CopyFolder", taken)).failureMessage
    )
    assert (
        "no folder matches"
        in bench.run(act("CopyFolder", {"source": f"{f}/none*", "destination": f"{f}/x/"})).failureMessage
    )


def test_a_link_needs_a_target_and_replaces_links_only(bench: Bench) -> None:
    f = bench.folder
    (f / "file").write_text("")
    link = {"path": f"{f}/deep/link", "target": f"{f}/file"}
    assert bench.run(act("CreateSymlink", link)).status == "success"
    assert "force is false" in bench.run(act("CreateSymlink", link)).failureMessage
    assert bench.run(act("CreateSymlink", {**link, "target": "../deep", "force": "true"})).status == "success"
    assert os.readlink(f / "deep/link") == "../deep"
    assert (
        "is no symbolic link"
        in bench.run(act("CreateSymlink", {**link, "path": f"{f}/file", "force": "true"})).failureMessage
    )
    assert (
        "does not exist"
        in bench.run(act("CreateSymlink", {**link, "target": f"{f}/none", "force": "true"})).failureMessage
    )


def test_a_file_that_is_read_is_printed_when_that_is_asked(bench: Bench) -> None:
    path = bench.folder / "file"
    path.write_text("one\ntwo\n")
    for more, printed in (({}, ""), ({"printFileContent": "true"}, "one\ntwo")):
        bench.events.clear()
        bench.run(act("ReadFile", {"path": str(path), **more}))
        assert bench.log() == printed
    bench.events.clear()
    bench.run(act("ReadFile", {"path": str(path), "printFileContent": "true"}, disableLogging="true"))
    assert bench.log() == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_the_owner_of_a_link_is_that_of_its_file(bench: Bench) -> None:
    (bench.folder / "file").write_text("")
    (bench.folder / "link").symlink_to("file")
    bench.run(act("SetFileOwner", {"path": f"{bench.folder}/link", "owner": "65534", "group": "65534"}))
    assert ((bench.folder / "file").stat().st_uid, (bench.folder / "link").lstat().st_uid) == (65534, 0)


@pytest.mark.parametrize(
    ("step", "word"),
    [
        (act("AppendFile", {"path": "/nonexistent/x"}), "does not exist"),
        (act("CreateFile", {"path": "/etc/hostname", "overwrite": "false"}), "overwrite is false"),
        (act("DeleteFile", {"path": "/nonexistent/*"}), "no file matches"),
        (act("CreateFile", {"path": "/nonexistent", "encoding": "klingon"}), "encoding"),
        (act("SetFilePermissions", {"path": "/etc/hostname", "permissions": "rwx"}), "octal"),
        (act("WebDownload", {"source": "ftp://x/y", "destination": "/tmp/"}), "not http"),
        (
            act("WebDownload", {"source": "http://x/y", "destination": "/tmp/", "checksum": "0"}),
            "go together",
        ),
        (act("S3Download", {"source": "s3://b/k", "destination": "/tmp/"}), "no role"),
        ({"action": "ExecuteBinary", "inputs": {"path": "surely-not-there"}}, "does not exist"),
        ({"action": "Assert", "inputs": {"stringIsEmpty": "x"}}, "does not hold"),
        ({"action": "ExecuteDocument", "inputs": {"document": "arn:aws:x"}}, "by its ARN"),
    ],
)
def test_failures_in_words(bench: Bench, step: Step, word: str) -> None:
    result = bench.run(step)
    assert result.status == "failed"
    assert word in result.failureMessage


def test_documents_in_documents(bench: Bench) -> None:
    inner = bench.folder / "inner.yaml"
    inner.write_text(
        yaml.safe_dump(
            {
                "schemaVersion": "1.0",
                "parameters": [{"Word": {"type": "string"}}],
                "phases": [{"name": "build", "steps": [{"name": "x", **bash("echo {{ Word }} > inner")}]}],
            }
        )
    )
    result = bench.run(
        {
            "action": "ExecuteDocument",
            "inputs": {"document": str(inner), "parameters": [{"name": "Word", "value": "w"}]},
        }
    )
    assert result.status == "success", result.failureMessage
    assert (bench.folder / "inner").read_text() == "w\n"


@pytest.mark.parametrize(
    ("script", "line", "text"),
    [
        (
            "echo a >&2\nprintf '::error file=%s,line=%s::%s\\n' x.sh 4 'cmd --flag' >&2; exit 1",
            4,
            "cmd --flag",
        ),
        (
            "f() { printf '::error file=x.sh,line=2::inner\\n' >&2; printf '::error file=x.sh,line=9::f\\n' "
            ">&2; }; f; exit 1",
            2,
            "inner",
        ),
        ("true\nsurely-not-there\nexit $?", 2, "surely-not-there"),
        ("echo only words >&2; exit 1", None, "only words"),
    ],
)
def test_the_failing_line(bench: Bench, script: str, line: int | None, text: str) -> None:
    failure = bench.run(bash(script)).failure
    assert failure is not None
    assert (failure.line, failure.text) == (line, text)


def test_hidden_output_stays_hidden(bench: Bench) -> None:
    bench.run(bash("echo secret", disableLogging="true"))
    assert "secret" not in bench.log()


def test_hidden_output_is_not_in_the_failure_either(bench: Bench) -> None:
    result = bench.run(
        bash(
            "echo secret >&2", "printf '::error file=x,line=1::secret\\n' >&2; exit 3", disableLogging="true"
        )
    )
    assert "exit status 3 (the step hides its output)" in result.failureMessage
    assert "secret" not in bench.log() + str(result.as_json())


@pytest.mark.parametrize(
    ("policy", "status", "counts", "ran"),
    [
        ("Abort", "failed", (1, 1, 0), False),
        ("Continue", "failed", (1, 2, 0), True),
        ("Ignore", "successWithIgnoredFailure", (0, 2, 1), True),
    ],
)
def test_a_policy(bench: Bench, policy: str, status: str, counts: tuple[int, int, int], ran: bool) -> None:
    result = bench.run(bash("exit 7", onFailure=policy), bash("touch ran"))
    assert result.status == status
    assert (result.failedStepCount, result.executedStepCount, result.ignoredFailedStepCount) == counts
    assert (bench.folder / "ran").exists() == ran
    shape = {
        "executionId",
        "status",
        "failedStepCount",
        "executedStepCount",
        "ignoredFailedStepCount",
        "failureMessage",
        "logUrl",
    }
    assert shape <= set(result.as_json())


def test_a_step_that_always_asks_for_a_restart_ends(bench: Bench) -> None:
    result = bench.run(bash("echo x >> tries; exit 194"))
    assert "more than 10 times" in result.failureMessage
    assert (bench.folder / "tries").read_text().count("x") == 11
    binary = bench.folder / "once"
    binary.write_text("#!/bin/sh\ntest -e flag && exit 0\ntouch flag\nexit 194\n")
    binary.chmod(0o755)
    assert bench.run({"action": "ExecuteBinary", "inputs": {"path": str(binary)}}).status == "success"


def test_a_failing_iteration_is_named_and_the_others_run(bench: Bench) -> None:
    loop = {"name": "each", "forEach": ["a", "b", "c"]}
    result = bench.run(bash("touch {{ each.value }}; test {{ each.index }} != 1", loop=loop, maxAttempts="2"))
    assert "iterations 1 failed" in result.failureMessage
    assert sorted(path.name for path in bench.folder.iterdir()) == ["a", "b", "c"]
    assert "attempt 1 of 2 failed" in bench.log()


def test_a_loop_ends_with_its_steps_time_however_long_it_is(bench: Bench) -> None:
    loop = {"for": {"start": "0", "end": "1000000000", "updateBy": "1"}}
    result = bench.run(bash("true", loop=loop, timeoutSeconds="1", onFailure="Ignore"), bash("true"))
    assert (result.status, bench.statuses()) == ("successWithIgnoredFailure", ["IGNORED", "COMPLETED"])
    assert "build.s0 failed, and the next step runs (Ignore): it took longer than 1 s" in bench.log()


def test_a_loop_over_what_a_step_said(bench: Bench) -> None:
    loop = {"forEach": {"list": "{{ build.s0.outputs.stdout }}", "delimiter": "\\n"}}
    result = bench.run(
        bash("echo a; echo b"), bash("echo {{ loop.index }}{{ loop.value }} >> out", loop=loop)
    )
    assert result.status == "success", result.failureMessage
    assert (bench.folder / "out").read_text() == "0a\n1b\n"


def test_what_a_skipped_step_would_have_given(bench: Bench) -> None:
    result = bench.run(
        bash("echo x", **{"if": {"fileExists": "/nonexistent"}}),
        bash("echo {{ build.s0.outputs.stdout }}", onFailure="Ignore"),
    )
    assert (result.status, result.executedStepCount) == ("successWithIgnoredFailure", 2)
    assert bench.statuses() == ["SKIPPED", "IGNORED"]


def test_documents_do_not_contain_themselves_for_ever(bench: Bench) -> None:
    itself = bench.folder / "self.yaml"
    step = {"name": "again", "action": "ExecuteDocument", "inputs": {"document": str(itself)}}
    itself.write_text(
        yaml.safe_dump({"schemaVersion": "1.0", "phases": [{"name": "build", "steps": [step]}]})
    )
    assert "nested more than 3 deep" in bench.run(step).failureMessage
    assert "No such file" in bench.run({**step, "inputs": {"document": "/nonexistent.yaml"}}).failureMessage
    assert (
        "no step was run"
        in bench.run({**step, "inputs": {"document": str(itself), "phases": "test"}}).failureMessage
    )
    itself.write_text("a: [")
    assert "[yaml]" in bench.run(step).failureMessage


def test_update_uses_apt_and_holds_what_is_excluded(bench: Bench) -> None:
    fake = bench.folder / "bin"
    fake.mkdir()
    for name in ("apt-get", "apt-mark"):
        (fake / name).write_text(f'#!/bin/sh\necho "{name} $* $DEBIAN_FRONTEND" >> {bench.folder}/calls\n')
        (fake / name).chmod(0o755)
    text = yaml.safe_dump({"schemaVersion": "1.0", "phases": [{"name": "build", "steps": [
        {"name": "some", "action": "UpdateOS", "inputs": {"include": ["a", "b"], "exclude": ["c"]}},
        {"name": "all", "action": "UpdateOS"},
    ]}]})  # fmt: skip
    environment = {"PATH": f"{fake}:{os.environ['PATH']}"}
    result = Runner(environment, str(bench.folder), bench.events.append, Aws(None, "us-east-1", None)).run(
        [load(text)], ["build"]
    )
    assert result.status == "success", result.failureMessage
    assert (bench.folder / "calls").read_text().splitlines() == [
        "apt-get update noninteractive", "apt-mark hold c noninteractive", "apt-get install -y "
            "--only-upgrade a b noninteractive",
        "apt-mark unhold c noninteractive", "apt-get update noninteractive", "apt-get upgrade -y "
            "noninteractive",
    ]  # fmt: skip


def test_phases_run_one_after_another_over_all_documents(bench: Bench) -> None:
    def document(name: str) -> Any:
        steps = [{"name": "x", **bash(f"echo {name}-{phase} >> order")} for phase in ("build", "validate")]
        phases = [
            {"name": phase, "steps": [step]} for phase, step in zip(("build", "validate"), steps, strict=True)
        ]
        return load(yaml.safe_dump({"schemaVersion": "1.0", "phases": phases}))

    runner = Runner(
        {"PATH": os.environ["PATH"]}, str(bench.folder), bench.events.append, Aws(None, "us-east-1", None)
    )
    assert (
        runner.run([document("one"), document("two")], ["build", "validate", "test"]).executedStepCount == 4
    )
    assert (bench.folder / "order").read_text().split() == [
        "one-build",
        "two-build",
        "one-validate",
        "two-validate",
    ]


def test_a_program_that_is_ended_by_a_signal(bench: Bench) -> None:
    assert "ended by signal 9" in bench.run(bash("kill -9 $$")).failureMessage


def test_references_to_the_environment_and_the_execution(bench: Bench) -> None:
    script = (
        "echo {{ env:LANG }} {{ context:phase }}.{{ context:step }} {{ context:region }} {{ "
        "context:osPlatform }} > out"
    )
    script += "; echo {{ context:executionId }} >> out"
    result = bench.run(
        bash(script), bash("date -u +%F > today; test '{{ context:date }}' = $(cat today)", maxAttempts="2")
    )
    assert result.status == "success", result.failureMessage
    assert (bench.folder / "out").read_text() == f"C.UTF-8 build.s0 us-east-1 linux\n{result.executionId}\n"
    assert "the environment has no NONESUCH" in bench.run(bash("echo {{ env:NONESUCH }}")).failureMessage
    assert "no metadata service" in bench.run(bash("echo {{ aws:imds:instance-id }}")).failureMessage
