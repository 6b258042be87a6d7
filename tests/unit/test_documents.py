"""Provisioning scripts become component documents: what they say, how they run, when their version
changes.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blueprints import provision
from blueprints.provision import Provision, Script
from image_builder import manifest
from image_builder.archive import Entry, tar_gz
from image_builder.documents import (
    INLINE_LIMIT,
    Archive,
    ComponentDocument,
    Recipe,
    compile_documents,
    needs_archive,
)
from image_builder.versions import GENERATOR, content_version, safe_name
from neurocaas.protocol.problems import InvalidInput

ARCHIVE = Archive("artifacts", "provision/abc.tar.gz", "ab" * 32)


def recording(*scripts: tuple[str, str, str]) -> Provision:
    return Provision(tuple(Script(*script) for script in scripts), ())


def one(text: str, path: str = "10-packages.sh") -> ComponentDocument:
    (document,) = compile_documents("dti", recording(("build", path, text)))
    return document


def commands(document: ComponentDocument) -> list[str]:
    """Of the scripts' steps: that which writes the list of packages stays out."""
    parsed = yaml.safe_load(document.data)
    steps = [step for phase in parsed["phases"] for step in phase["steps"]]
    return [
        step["inputs"]["commands"][0]
        for step in steps
        if step["action"] == "ExecuteBash" and step["name"] != manifest.STEP
    ]


def as_text(value: Any) -> Any:
    """A parsed document with every scalar as text, as a reader that knows no types sees it."""
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    return [as_text(item) for item in value] if isinstance(value, list) else str(value)


def run(document: ComponentDocument, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Runs the only step as AWSTOE does: the commands in a file, by plain bash."""
    (text,) = commands(document)
    file = tmp_path / "step.sh"
    file.write_text(text)
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    return subprocess.run(
        ["bash", str(file)], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )


def test_two_documents_with_the_phases_in_their_order() -> None:
    scripts = [
        ("build", "10-a.sh", "echo a\n"),
        ("build", "20-b.sh", "echo b\n"),
        ("validate", "validate/10-v.sh", "echo v\n"),
        ("test", "test/10-t.sh", "echo t\n"),
    ]
    build, test = compile_documents("dti", recording(*scripts))
    parsed = yaml.safe_load(build.data)
    assert [phase["name"] for phase in parsed["phases"]] == ["build", "validate"]
    assert [step["name"] for step in parsed["phases"][0]["steps"]] == ["10-a", "20-b", manifest.STEP]
    assert [phase["name"] for phase in yaml.safe_load(test.data)["phases"]] == ["test"]
    assert (build.kind, test.kind) == ("build", "test")
    assert all(step["onFailure"] == "Abort" for phase in parsed["phases"] for step in phase["steps"])
    assert compile_documents("dti", recording()) == ()


def test_a_script_runs_strictly_in_its_own_folder_with_a_home(tmp_path: Path) -> None:
    result = run(
        one('echo "$HOME $(umask) $0 $PIP_NO_INPUT $(ls)"\nset -o | grep -E "errexit|nounset|pipefail"\n'),
        tmp_path,
    )
    assert result.returncode == 0, result.stderr
    first, *options = result.stdout.splitlines()
    assert first == "/root 0022 ./10-packages.sh 1 10-packages.sh"
    assert len(options) == 3
    assert all(option.endswith("on") for option in options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step.sh"]  # nothing is left behind


@pytest.mark.parametrize(
    ("text", "line", "command"),
    [
        ("echo one\n\nfalse\necho never\n", 3, "false"),
        ("true | false | true\n", 1, "true"),  # of a pipeline, bash names the last command
        ("# comment\nf() {\n  false\n}\nf\n", 3, "false"),
        ("echo $(\n  false\n)x\n", None, None),  # bash itself lets this pass
        ("cat <<END\ntext\nEND\nls /nonesuch\n", 4, "ls /nonesuch"),
        ("x=$(false)\n", 1, "x=$(false)"),
        # and of a long command, its last line
        ("if true; then\n  ls \\\n    /nonesuch\nfi\n", 3, "ls /nonesuch"),
    ],
)
def test_the_line_that_failed_is_named_as_in_the_users_file(
    tmp_path: Path, text: str, line: int | None, command: str | None
) -> None:
    result = run(one(text), tmp_path)
    if line is None:
        assert result.returncode == 0
        return
    assert result.returncode != 0
    assert "never" not in result.stdout
    errors = re.findall(r"^::error file=10-packages\.sh,line=(\d+)::(.*)$", result.stderr, re.M)
    assert (str(line), command) in errors, result.stderr


def test_an_unset_variable_and_a_syntax_error_fail_with_their_line(tmp_path: Path) -> None:
    result = run(one("echo ok\necho $nonesuch\n"), tmp_path)
    assert result.returncode != 0
    assert re.search(r"10-packages\.sh: line 2: nonesuch: unbound variable", result.stderr)
    result = run(one("echo ok\nif\n"), tmp_path)
    assert result.returncode != 0
    assert re.search(r"10-packages\.sh: line 3: syntax error", result.stderr)


def test_a_check_is_named_with_its_folder(tmp_path: Path) -> None:
    _, document = compile_documents(
        "dti", recording(("build", "10-a.sh", "true\n"), ("test", "test/10-t.sh", "true\nfalse\n"))
    )
    result = run(document, tmp_path)
    assert "::error file=test/10-t.sh,line=2::false" in result.stderr
    assert "::error file=test/10-t.sh::ended with exit status 1" in result.stderr


def test_an_exit_status_is_passed_on(tmp_path: Path) -> None:
    result = run(one("exit 7\n"), tmp_path)
    assert result.returncode == 7
    assert "::error file=10-packages.sh::ended with exit status 7" in result.stderr


def test_programs_that_a_script_starts_are_not_changed(tmp_path: Path) -> None:
    result = run(one("bash -c 'false; echo \"still ${BASH_ENV-unset}\"'\n"), tmp_path)
    assert result.stdout == "still unset\n"
    assert result.stderr == ""


def test_another_interpreter_runs_its_scripts(tmp_path: Path) -> None:
    result = run(one("#!/usr/bin/env python3\nimport sys\nprint(sys.argv[0])\n"), tmp_path)
    assert result.stdout == "./10-packages.sh\n"
    assert run(one("#!/bin/sh\nfalse\necho went on\n"), tmp_path).stdout == "went on\n"


hostile = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=200)


@given(hostile)
def test_any_script_arrives_as_it_was_written(text: str) -> None:
    script = Script("build", "10-x.sh", text + "\n")
    if needs_archive(Provision((script,), ())):
        return
    (body,) = commands(one(script.text, "10-x.sh"))
    start = body.index("cat > '10-x.sh' <<'") + len("cat > '10-x.sh' <<'")
    marker = body[start:].split("'", 1)[0]
    content = body[start:].split("\n", 1)[1]
    assert content.split(f"\n{marker}\n")[0] + "\n" == script.text


@given(hostile)
def test_a_document_reads_the_same_with_and_without_types(text: str) -> None:
    document = compile_documents(
        "dti", recording(("build", "10-x.sh", text + "\n"), ("validate", "validate/1.sh", "true\n")), ARCHIVE
    )[0]
    assert as_text(yaml.safe_load(document.data)) == yaml.load(document.data, Loader=yaml.BaseLoader)


def test_large_scripts_files_and_references_travel_through_s3(tmp_path: Path) -> None:
    assert not needs_archive(recording(("build", "a.sh", "x" * 10_000)))
    assert needs_archive(recording(("build", "a.sh", "x" * INLINE_LIMIT)))
    assert needs_archive(recording(("build", "a.sh", "docker ps --format '{{ .Names }}'\n")))
    assert needs_archive(Provision((), (("requirements.txt", tmp_path),)))
    large = recording(
        ("build", "a.sh", "x" * 20_000),
        ("validate", "validate/v.sh", "true\n"),
        ("test", "test/t.sh", "true\n"),
    )
    with pytest.raises(ValueError, match="archive"):
        compile_documents("dti", large)
    build, test = compile_documents("dti", large, ARCHIVE)
    for document in (build, test):
        assert len(document.data) <= 16_000
        actions = [step["action"] for step in yaml.safe_load(document.data)["phases"][0]["steps"]]
        assert actions[:3] == ["ExecuteBash", "S3Download", "ExecuteBash"]
        assert ARCHIVE.sha256 in document.data
    assert build.data.count("S3Download") == 1  # build and validate share a machine


@pytest.mark.parametrize("line", ["x" * 60, "", "é", "x"])
def test_the_largest_inline_script_fits_into_a_component(line: str) -> None:
    sizes = [
        (count, recorded)
        for count in range(0, 16_000, 130)
        if not needs_archive(recorded := recording(("build", "a.sh", f"{line}\n" * count)))
    ]
    (document,) = compile_documents("n" * 63, sizes[-1][1])
    assert 100 < sizes[-1][0] < 15_000
    assert len(document.data) <= 16_000


def test_equal_recordings_have_equal_versions_and_others_do_not() -> None:
    assert one("echo a\n").version == one("echo a\n").version
    assert one("echo a\n").version != one("echo b\n").version
    recipes = {
        Recipe("dti", parent, size, compile_documents("dti", recording(("build", "a.sh", text)))).version
        for parent in ("ubuntu22", "ubuntu24")
        for size in (8, 16)
        for text in ("echo a\n", "echo b\n")
    }
    assert len(recipes) == 8


@given(st.binary(min_size=32, max_size=32))
def test_versions_are_what_image_builder_takes(digest: bytes) -> None:
    major, minor, patch = (int(node) for node in content_version(digest.hex()).split("."))
    assert major == GENERATOR
    assert 0 <= minor < 2**30
    assert 0 <= patch < 2**30
    assert (minor << 30 | patch) == int.from_bytes(digest) >> 196


@given(st.text(max_size=300))
def test_names_have_safe_characters_only(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,119}", safe_name(text))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        file = folder / "blueprints" / "dti" / "provision" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder / "blueprints" / "dti" / "provision"


def test_the_folder_says_what_runs_when(tmp_path: Path) -> None:
    scripts = ["20-b.sh", "10-a.sh", "test/10-t.sh", "validate/10-v.sh"]
    others = ["files/x.sh", "requirements.txt", "__pycache__/x.pyc", "files/.git/HEAD", "test/data.txt"]
    read = provision.read(write(tmp_path, dict.fromkeys([*scripts, *others], b"x\n")))
    assert [(script.phase, script.path) for script in read.scripts] == [
        ("build", "10-a.sh"),
        ("build", "20-b.sh"),
        ("validate", "validate/10-v.sh"),
        ("test", "test/10-t.sh"),
    ]
    assert read.extra_files == ("files/x.sh", "requirements.txt", "test/data.txt"), (
        "what tools keep beside them is no material"
    )


def test_scripts_that_cannot_run_are_refused_all_at_once(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "1.sh": b"echo a\r\n",
            "2.sh": b"\xff\xfe",
            "3.sh": b"  \n",
            "4.sh": b"a\0b",
            "5.sh": b"echo ok",
            "6.sh": b"\xef\xbb\xbf#!/bin/sh\n",
        },
    )
    with pytest.raises(InvalidInput) as error:
        provision.read(folder)
    assert [problem.field.rpartition("/")[2] for problem in error.value.problems] == [
        "1.sh",
        "2.sh",
        "3.sh",
        "4.sh",
        "6.sh",
    ]


def test_the_digest_sees_contents_and_modes(tmp_path: Path) -> None:
    folder = write(tmp_path, {"1.sh": b"echo a\n", "data": b"1"})
    first = provision.read(folder).digest()
    assert provision.read(folder).digest() == first
    (folder / "data").chmod(0o755)
    second = provision.read(folder).digest()
    (folder / "data").write_bytes(b"2")
    assert len({first, second, provision.read(folder).digest()}) == 3


def test_an_archive_depends_on_its_content_only() -> None:
    entries = [Entry("b", b"2", executable=True), Entry("a", b"1"), Entry("link", link="a")]
    assert tar_gz(entries) == tar_gz(reversed(entries))
    assert tar_gz(entries) != tar_gz([*entries[:2], Entry("link", link="b")])
