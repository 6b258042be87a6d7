"""`invoke lint-provision` on files and folders: which are read, with which rules, and what the command says
and exits with.
"""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import pytest

import blueprints
from blueprints.provision import read
from image_builder import documents
from image_builder.lint.documents import lint_document
from image_builder.lint.files import lint_paths, lint_provision
from image_builder.lint.findings import table
from tests.invoked import invoked

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = "schemaVersion: 1.0\nphases: []\n"


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize(
    ("content", "rules"),
    [
        (b"#!/bin/bash\r\nreboot\r\n", ["encoding", "reboot"]),
        ("\ufeff#!/bin/bash\nreboot\n".encode(), ["encoding", "reboot"]),
        (b"#!/usr/bin/python3\r\nreboot\r\n", ["encoding"]),
        (b"# my image\nARG V=1\nFROM ubuntu:24.04\nRUN reboot\n", ["syntax"]),
        (b"#!/bin/bash\necho \xff\n", ["encoding"]),
        (b"#!/bin/bash\necho \0\n", ["encoding"]),
        (b"\n \n", ["encoding"]),
        (b"ls\n", ["shebang"]),
        (b"#!/bin/sh\nreboot\n", ["reboot"]),
        (b"#!/usr/bin/env -S bash -e\ncd x\nreboot\n", ["reboot"]),
        (b"#!/bin/bash -e -u\nreboot\n", ["shebang", "reboot"]),
        (b"#!/usr/bin/env python3 -u\nimport x\n", ["interpreter"]),
        (b"#!python3\nimport x\n", ["interpreter"]),
        (b"#!/usr/bin/env -S python3 -u\nimport x\n", []),
        (b"#!/usr/bin/python3\nimport reboot\nreboot\n", []),
        (b"#!/usr/bin/env fish\nreboot\n", []),
        ("#!/bin/bash\necho 'café ✓ 日本'\n".encode(), []),
    ],
)
def test_a_script(tmp_path: Path, content: bytes, rules: list[str]) -> None:
    write(tmp_path, {"a.sh": content})
    assert [finding.rule for finding in lint_paths([tmp_path / "a.sh"], tmp_path)] == rules


@pytest.mark.parametrize(
    ("content", "rules"),
    [
        (b"schemaVersion: 1.0\r\nphases:\r\n  - name: build\r\n    steps: []\r\n", ["zero-steps"]),
        ("\ufeffschemaVersion: 1.0\nphases: []\n".encode(), ["encoding", "zero-steps"]),
        (b'{"name": "x", "schemaVersion": "1.0", "phases": []}\n', ["zero-steps"]),
        (b'\n{\n  "phases": [],\n  "schemaVersion": "1.0"}\n', ["zero-steps"]),
        (b"version: 0.2\nphases:\n  install:\n    commands: [ls]\n", []),
        (b"schemaVersion: '2.2'\nmainSteps:\n- action: aws:runShellScript\n", []),
        (b"schemaVersion: 1.0.3\nkind: other\n", []),
        (b"name: x\nphases: # all\n# of\n\n- name: build\n", ["schema", "zero-steps"]),
        (b"schemaVersion: '1.0' # x\nphase: []\n", ["zero-steps", "schema"]),
        (b"AWSTemplateFormatVersion: 2010-09-09\nResources:\n  C: {phases: []}\n", []),
    ],
)
def test_a_document_in_a_folder(tmp_path: Path, content: bytes, rules: list[str]) -> None:
    """Line ends of Windows and JSON are YAML."""
    write(tmp_path, {"a.yml": content})
    assert [finding.rule for finding in lint_paths([tmp_path], tmp_path)] == rules


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder.sh").mkdir()
    (tmp_path / "gone.sh").symlink_to("nowhere")
    (tmp_path / "loop.yml").symlink_to("loop.yml")
    os.mkfifo(tmp_path / "pipe.yml")
    write(tmp_path, {"folder.sh/a.sh": "#!/bin/bash\nreboot\n"})
    assert [(finding.file, finding.rule) for finding in lint_paths([tmp_path], tmp_path)] == [
        ("folder.sh/a.sh", "reboot")
    ]


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (write(tmp_path, {"a.sh": "ls\n"}) / "a.sh").chmod(0)
    assert "cannot be read" in lint_paths([tmp_path], tmp_path)[0].got


def test_a_folder_is_read_whole_and_places_are_relative(tmp_path: Path) -> None:
    write(tmp_path, {
        "scripts/a.sh": "#!/bin/bash\nreboot\n",
        "scripts/deep/b.yaml": DOCUMENT,
        "scripts/other.yaml": "a: b\n",
        "scripts/notes.txt": "reboot\n",
        "component": DOCUMENT,
        "plain": "#!/bin/bash\nreboot\n",
    })  # fmt: skip
    found = lint_paths([tmp_path / "scripts", tmp_path / "component", tmp_path / "plain"], tmp_path)
    assert [(finding.file, finding.line, finding.rule) for finding in found] == [
        ("scripts/a.sh", 2, "reboot"), ("scripts/deep/b.yaml", 2, "zero-steps"),
        ("component", 2, "zero-steps"), ("plain", 2, "reboot"),
    ]  # fmt: skip
    with pytest.raises(FileNotFoundError):
        lint_paths([tmp_path / "none"], tmp_path)


def test_provisioning_scripts_run_strictly_and_others_do_not(tmp_path: Path) -> None:
    cd = "#!/bin/bash\ncd x\nls\n"
    write(
        tmp_path,
        {
            "10-a.sh": cd,
            "test/10-a.sh": cd,
            "lib/helper.sh": cd,
            "recording/old.sh": cd,
            "files/b.yml": DOCUMENT,
        },
    )
    assert [(finding.file, finding.rule) for finding in lint_provision(tmp_path, tmp_path)] == [
        ("files/b.yml", "zero-steps"),
        ("lib/helper.sh", "cd-unchecked"),
    ]


def test_one_script_asks_for_the_index_of_all(tmp_path: Path) -> None:
    install = "#!/bin/bash\napt-get install --yes curl\n"
    write(
        tmp_path,
        {"10-a.sh": "#!/bin/bash\napt-get update\n", "20-b.sh": install, "validate/05-c.sh": install},
    )
    assert lint_provision(tmp_path, tmp_path) == []
    (tmp_path / "10-a.sh").rename(tmp_path / "30-a.sh")
    assert [(finding.file, finding.rule) for finding in lint_provision(tmp_path, tmp_path)] == [
        ("20-b.sh", "apt-update")
    ]


@pytest.mark.parametrize("name", blueprints.names(ROOT))
def test_the_blueprints_and_what_is_compiled_from_them_are_clean(name: str) -> None:
    folder = ROOT / "blueprints" / name / "provision"
    assert lint_provision(folder, ROOT) == []
    archive = documents.Archive(*["x"] * len(fields(documents.Archive)))
    for compiled in documents.compile_documents(
        name, read(folder), archive, documents.TestedStack("artifacts")
    ):
        assert lint_document(compiled.data, compiled.name) == []


def command(*words: str, cwd: Path) -> tuple[int, str, str]:
    done = invoked(ROOT, "--search-root", str(ROOT), "lint-provision", *words, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def test_the_command(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"bad.sh": "#!/bin/bash\nset -e\npip install numpy\nvim x\n", "good.sh": "#!/bin/bash\nls\n"},
    )
    status, said, _ = command("--files", "bad.sh,good.sh", "--json", cwd=tmp_path)
    assert status == 1
    assert json.loads(said)["errors"] == 1
    assert json.loads(said)["findings"][0] == {
        "file": "bad.sh", "line": 3, "rule": "pip-unpinned", "severity": "warning", "got": "`numpy`",
        "fix": "Write `numpy==VERSION`",
    }  # fmt: skip
    status, said, _ = command("--files", "bad.sh", cwd=tmp_path)
    assert (status, said.splitlines()[1].split(". ")[0]) == (1, "bad.sh:4: error [interactive] `vim`")
    assert said.endswith("1 errors, 1 warnings\n")
    (tmp_path / "bad.sh").write_text("#!/bin/bash\nset -e\npip install numpy\n")
    assert command("--files", "bad.sh", cwd=tmp_path)[0] == 0
    assert command("--files", "bad.sh", "--strict", cwd=tmp_path)[0] == 1
    for words in (["--files", "nowhere.sh"], ["--analysis", "nonesuch"]):
        status, _, said = command(*words, cwd=tmp_path)
        assert (status, "allowed:" in said, "do:" in said, "Traceback" in said) == (1, True, True, False)


def test_the_table_of_rules_in_the_docs_is_that_of_the_linter() -> None:
    page = (ROOT / "docs/images.md").read_text()
    shown = page.partition("<!-- rules: image_builder/lint/findings.py -->\n")[2].partition(
        "<!-- end of rules -->"
    )[0]
    assert shown == table(), "put the text of image_builder.lint.findings.table() there"
