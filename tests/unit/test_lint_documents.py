"""`invoke lint-provision` on component documents of other people: every rule with its line, and agreement
with what runs them.
"""

from __future__ import annotations

import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import awstoe
from awstoe import actions
from awstoe.checks import TOLERATED, load
from awstoe.conditions import OPERATORS
from awstoe.document import InvalidDocument
from awstoe.references import CONTEXT
from blueprints.provision import Provision, Script
from image_builder import documents
from image_builder.lint.documents import lint_document
from image_builder.lint.findings import RULES, WARNING
from localcloud.images.awstoe import conditions as evaluation
from localcloud.images.awstoe import context, files
from localcloud.tests.properties import examples

ALL_ACTIONS = """
name: everything
description: One step of each action module that works on Linux.
schemaVersion: 1.0
parameters:
  - Version: {type: string, default: '1.10', description: of the tool}
constants:
  - Folder: {type: string, value: /opt/tool}
phases:
  - name: build
    steps:
      - name: bash
        action: ExecuteBash
        timeoutSeconds: 60
        maxAttempts: 2
        onFailure: Continue
        inputs:
          commands:
            - |
              set -euo pipefail
              echo "{{ Version }}" > "{{ Folder }}/version"
      - {name: binary, action: ExecuteBinary, inputs: {path: /bin/ls, arguments: ['-l', '{{ Folder }}']}}
      - name: other
        action: ExecuteDocument
        inputs: {document: 's3://b/d.yaml', phases: build, parameters: [{name: A, value: b}]}
      - name: assert
        action: Assert
        inputs: {and: [{fileExists: /etc/passwd}, {not: {stringIsEmpty: '{{ build.bash.outputs.stdout }}'}}]}
      - {name: update, action: UpdateOS}
      - {name: reboot, action: Reboot, inputs: {delaySeconds: 5}}
      - {name: down, action: S3Download, inputs: [{source: 's3://b/a', destination: /opt/a, overwrite: false}]}
      - {name: up, action: S3Upload, inputs: [{source: /opt/a, destination: 's3://b/a', recurse: true}]}
      - name: web
        action: WebDownload
        inputs: [{source: 'https://x.example/a', destination: /opt/, checksum: abc, algorithm: SHA256}]
      - {name: append, action: AppendFile, inputs: [{path: '{{ build.web.outputs.destination }}', content: x}]}
      - name: file
        action: CreateFile
        inputs: [{path: /opt/f, content: x, permissions: '0644', owner: root, group: root, encoding: utf8}]
      - {name: folder, action: CreateFolder, inputs: [{path: /opt/g, permissions: '0755'}]}
      - {name: link, action: CreateSymlink, inputs: [{path: /opt/l, target: /opt/f, force: true}]}
      - {name: copy, action: CopyFile, inputs: [{source: /opt/f, destination: /opt/h}]}
      - {name: copies, action: CopyFolder, inputs: [{source: /opt/g, destination: /opt/i}]}
      - {name: move, action: MoveFile, inputs: [{source: /opt/h, destination: /opt/j}]}
      - {name: moves, action: MoveFolder, inputs: [{source: /opt/i, destination: /opt/k}]}
      - {name: delete, action: DeleteFile, inputs: [{path: '/opt/*.tmp'}]}
      - {name: deletes, action: DeleteFolder, inputs: [{path: /opt/k, force: true}]}
      - {name: list, action: ListFiles, inputs: [{path: /opt, fileNamePattern: '*', recursive: true}]}
      - {name: read, action: ReadFile, inputs: [{path: '{{ build.move.inputs[0].destination }}', printFileContent: true}]}
      - {name: encode, action: SetFileEncoding, inputs: [{path: /opt/f, encoding: utf16}]}
      - {name: own, action: SetFileOwner, inputs: [{path: /opt/f, owner: root, group: root}]}
      - {name: owns, action: SetFolderOwner, inputs: [{path: /opt/g, owner: root, recursive: false}]}
      - {name: mode, action: SetFilePermissions, inputs: [{path: /opt/f, permissions: '0600'}]}
      - {name: modes, action: SetFolderPermissions, inputs: [{path: /opt/g, permissions: '0700'}]}
  - name: validate
    steps:
      - name: loop
        action: ExecuteBash
        if: {stringEquals: Linux, value: '{{ build.bash.outputs.stdout }}', then: Execute, else: Skip}
        loop: {name: each, for: {start: 1, end: 3, updateBy: 1}}
        inputs: {commands: ['echo {{ each.index }} {{ each.value }}']}
      - name: list
        action: ExecuteBash
        loop: {forEach: {list: 'a,b', delimiter: ','}}
        inputs: {commands: ['echo {{ loop.value }} {{ aws:ssm:/a/b }} {{ aws:ssm:resolve(Version) }}']}
      - name: about
        action: ExecuteBash
        if: {fileSHA256Equals: abc, path: /opt/f}
        inputs: {commands: ['echo {{ env:IMAGE_PHASE }} {{ context:osName }} {{ aws:imds:placement/region }}']}
"""  # noqa: E501
BASH = "{name: one, action: ExecuteBash, inputs: {commands: ['true']}}"


def document(*steps: str, head: str = "", phase: str = "build") -> str:
    """A document whose first step begins in line 4 (after `head`)."""
    written = "\n".join(textwrap.indent(f"- {step.strip()}", "  ") for step in steps)
    return f"schemaVersion: 1.0\n{head}phases:\n- name: {phase}\n  steps:\n{written}\n"


def found(text: str) -> list[tuple[int, str]]:
    return [(finding.line, finding.rule) for finding in lint_document(text, "d.yaml")]


def test_every_action_of_linux_is_known() -> None:
    assert found(ALL_ACTIONS) == []
    used = {step["action"] for step in yaml.safe_load(ALL_ACTIONS)["phases"][0]["steps"]}
    assert used == set(actions.ACTIONS)
    load(ALL_ACTIONS)


def test_the_runner_can_do_all_that_the_language_has() -> None:
    assert set(evaluation.FUNCTIONS) | {"and", "or", "not"} == OPERATORS
    assert set(context.CONTEXT) == CONTEXT
    assert set(files.FILE_ACTIONS) <= set(actions.ACTIONS)
    assert {name for name, action in actions.ACTIONS.items() if action.many} == {
        *files.FILE_ACTIONS,
        "S3Download",
        "S3Upload",
        "WebDownload",
    }


def test_all_rules_of_the_language_are_rules_of_the_linter() -> None:
    """What the runner tolerates is a warning; what a recipe can still give as well; all else is an error."""
    written = "".join(path.read_text() for path in Path(awstoe.__file__).parent.glob("*.py"))
    rules = {rule for rule in RULES if f'"{rule}"' in written}
    assert rules >= {"yaml", "schema", "reference", "missing-input"}
    warned = {rule for rule in rules if RULES[rule][0] == WARNING}
    assert warned == TOLERATED | {"missing-parameter"}


def commands(*lines: str) -> str:
    """An ExecuteBash step; the first of the lines of its commands is line 9 of a document."""
    return "name: one\n  action: ExecuteBash\n  inputs:\n    commands:\n" + "\n".join(
        f"    {line}" for line in lines
    )


def step(action: str, inputs: str, more: str = "") -> str:
    return f"{{name: one, action: {action}, {more + ', ' if more else ''}inputs: {inputs}}}"


NAMED = "constants: [{Name: {type: string, value: a}}]\n"
STDOUT = step("ExecuteBash", "{commands: ['{{ build.one.outputs.stdout }}']}")
LATER = step("ExecuteBash", "{commands: ['{{ build.later.outputs.stdout }}']}")
BAD = [
    # the document
    ("a: [", [(1, "yaml")]),
    ("a: b: c", [(1, "yaml")]),
    ("a:\n\tb: c", [(2, "yaml")]),
    ("schemaVersion: 1.0\n---\nphases: []", [(2, "yaml")]),
    ("[1, 2]", [(1, "schema")]),
    ("", [(1, "schema")]),
    ("schemaVersion: 1.0\n", [(1, "zero-steps")]),
    ("schemaVersion: 1.0\nphases: []\n", [(2, "zero-steps")]),
    (document(BASH).replace("1.0", "2.0"), [(1, "schema")]),
    (document(BASH).replace("schemaVersion: 1.0\n", ""), [(1, "schema")]),
    (document(BASH) + "author: me\n", [(6, "schema")]),
    (document(BASH) + "schemaVersion: 1.0\n", [(6, "yaml")]),
    (document(BASH, phase="install"), [(3, "zero-steps")]),
    ("schemaVersion: 1.0\nphases:\n- name: build\n  steps: []\n", [(3, "zero-steps")]),
    ("schemaVersion: 1.0\nphases:\n- name: build\n", [(3, "zero-steps")]),
    (document(BASH) + "- name: build\n  steps:\n  - " + BASH + "\n", [(6, "duplicate-name")]),
    (document(BASH) + "- steps:\n  - " + BASH + "\n", [(6, "schema")]),
    (document(BASH) + "- name: test\n  step:\n  - " + BASH + "\n", [(6, "zero-steps"), (7, "schema")]),
    (document(BASH, BASH), [(6, "duplicate-name")]),
    (document("&a [*a]"), [(5, "yaml")]),
    (document(BASH, head="description: '" + "x" * 16_000 + "'\n"), [(1, "too-large")]),
    # parameters and constants
    (document(BASH, head="parameters: [{Name: {type: string}}]\n"), [(2, "missing-parameter")]),
    (document(BASH, head="parameters: [{Name: {type: number, default: '1'}}]\n"), [(2, "schema")]),
    (document(BASH, head="parameters: [{N: {type: string, default: a}}]\n"), [(2, "schema")]),
    (document(BASH, head="parameters:\n- Name: {type: string, default: a}\n  Other: {type: string}\n"),
        [(3, "schema")]),
    (document(BASH, head="parameters: {Name: {type: string}}\n"), [(2, "schema")]),
    (document(BASH, head="constants: [{Name: {type: string}}]\n"), [(2, "schema")]),
    (document(BASH, head="constants: [{Name: {type: string, value: 1.10}}]\n"), [(2, "type-trap")]),
    (document(BASH, head="constants:\n- One: {type: string, value: a}\n- One: {type: string, value: b}\n"),
        [(4, "duplicate-name")]),
    # steps
    (document("just text"), [(5, "schema")]),
    (document("{action: UpdateOS}"), [(5, "schema")]),
    (document("{name: one}"), [(5, "unknown-action")]),
    (document("{name: one, action: ExecuteBsh}"), [(5, "unknown-action")]),
    (document("{name: one, action: executebash, inputs: {commands: [a]}}"), [(5, "unknown-action")]),
    *[(document(f"{{name: one, action: {action}}}"),
        [(5, "unknown-action")]) for action in sorted(actions.WINDOWS)],
    (document("{name: one, action: UpdateOS, retries: 3}"), [(5, "schema")]),
    (document("{name: one, name: two, action: UpdateOS}"), [(5, "yaml")]),
    (document(step("ExecuteBash", "{commands: [ls], commands: [pwd]}")), [(5, "yaml")]),
    (document(step("UpdateOS", "{}", "if: {binaryExists: a, binaryExists: b}")), [(5, "yaml")]),
    (document(BASH, head="constants: [{Name: {type: string, value: a, value: b}}]\n"), [(2, "yaml")]),
    (document(BASH, head="constants: [{Name: {type: string, value: [a]}}]\n"), [(2, "schema")]),
    (document("{name: one, action: UpdateOS, [a]: b}"), [(5, "yaml")]),
    (document("{name: one, action: UpdateOS, timeoutSeconds: 0}"), [(5, "schema")]),
    (document("{name: one, action: UpdateOS, timeoutSeconds: -2}"), [(5, "schema")]),
    (document("{name: one, action: UpdateOS, maxAttempts: 0}"), [(5, "schema")]),
    (document("{name: one, action: UpdateOS, onFailure: Stop}"), [(5, "schema")]),
    (document(step("ExecuteDocument", "{document: a.yaml}", "maxAttempts: 2")), [(5, "schema")]),
    # inputs
    (document("{name: one, action: ExecuteBash}"), [(5, "missing-input")]),
    (document(step("ExecuteBash", "{commands: []}")), [(5, "missing-input")]),
    (document(step("ExecuteBash", "{command: [ls]}")), [(5, "missing-input"), (5, "unknown-input")]),
    (document(step("ExecuteBash", "[{commands: [ls]}]")), [(5, "schema")]),
    (document(step("ExecuteBash", "{commands: ls}")), [(5, "schema")]),
    (document(commands("- echo key: value")), [(9, "schema")]),
    (document(step("CreateFile", "{path: /a}")), [(5, "schema")]),
    (document(step("CreateFile", "[{content: a}]")), [(5, "missing-input")]),
    (document(step("S3Download", "[{source: 's3://b/k'}]")), [(5, "missing-input")]),
    (document(step("DeleteFile", "[{path: /a, force: true}]")), [(5, "unknown-input")]),
    (document(step("CreateFile", "[{path: /a, permissions: 0644}]")), [(5, "type-trap")]),
    (document(step("CreateFile", "[{path: /a, content: yes}]")), [(5, "type-trap")]),
    (document(step("ExecuteBash", "{commands: ['ls $HOME']}")), [(5, "home-unset")]),
    (document(commands("- |", "  set -e", "  cp a ~/b")), [(11, "home-unset")]),
    (document(step("ExecuteBash", "{commands: [ls, pwd]}")), [(5, "not-strict")]),
    (document(commands("- |", "  set -e", "  ls", "  vim x")), [(12, "interactive")]),
    (document(commands("- set -e", "- pip install numpy")), [(10, "pip-unpinned")]),
    # if and loop
    (document(step("UpdateOS", "{}", "if: {}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "if: {binaryExist: a}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "if: {binaryExists: a, fileExists: b}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "if: {stringEquals: a}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "if: {binaryExists: a, then: Stop}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "if: {fileSHA1Equals: a, value: /b}")), [(5, "schema"), (5, "schema")]),
    (document(step("UpdateOS", "{}", "if: {and: {binaryExists: a}}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "if: {not: {not: {not: {not: {fileExists: a}}}}}")), [(5, "schema")]),
    (document(step("Assert", "{binaryExists: a, then: Skip}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "loop: {name: a}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "loop: {forEach: []}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "loop: {forEach: {list: 'a|b', delimiter: '|'}}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "loop: {for: {start: 1, end: 3}}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "loop: {for: {start: 1, end: 3, updateBy: 0}}")), [(5, "schema")]),
    (document(step("UpdateOS", "{}", "loop: {for: {start: 1, end: '{{ A }}', updateBy: 1}}")),
        [(5, "reference"), (5, "schema")]),
    # references
    (document(step("ExecuteBash", "{commands: ['{{ Nothing }}']}")), [(5, "reference")]),
    (document(step("ExecuteBash", "{commands: ['{{ name }}']}"), head=NAMED), [(6, "reference")]),
    (document(STDOUT), [(5, "reference")]),
    (document(LATER, "{name: later, action: UpdateOS}"), [(5, "reference")]),
    (document(step("ExecuteBash", "{commands: ['{{ loop.value }}']}")), [(5, "reference")]),
    (document(step("ExecuteBash", "{commands: ['{{ context:who }}']}")), [(5, "reference")]),
    (document(step("ExecuteBash", "{commands: ['{{ aws:imds:iam/info }}']}")), [(5, "reference")]),
    (document(step("ExecuteBash", "{commands: ['{{ imagebuilder:buildDate }}']}")), [(5, "reference")]),
    (document(BASH) + "- name: test\n  steps:\n  - " + STDOUT, [(8, "reference")]),
    (document(commands("- |", "  true", "  echo {{ Nothing }}")), [(11, "reference"), (9, "not-strict")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_finds(text: str, expected: list[tuple[int, str]]) -> None:
    assert sorted(found(text)) == sorted(expected)


def test_every_rule_for_documents_is_tried_here() -> None:
    tried = {rule for _, expected in BAD for _, rule in expected}
    assert tried >= {rule for rule in RULES if list(RULES).index(rule) >= list(RULES).index("yaml")}


def test_the_commands_of_a_step_are_one_script_and_steps_follow_each_other() -> None:
    fetch = ["- set -e", "- apt-get update", "- curl -fLO https://x.example/v1/a.tgz"]
    check = ["- |", "  echo 'abc  a.tgz' |", "    sha256sum --check"]
    assert (
        found(
            document(
                commands(*fetch, *check, '- "sleep 1 &"', "- >", "  wait", "", "- apt-get install -y curl")
            )
        )
        == []
    )
    later = commands("- apt-get install -y gcc").replace("one", "two")
    assert found(document(commands("- apt-get update"), later)) == []
    assert found(document(later, commands("- apt-get update"))) == [(9, "apt-update")]
    assert found(document(commands("- set -e", "- |", "  true", "  vim x", "- reboot"))) == [
        (12, "interactive"),
        (13, "reboot"),
    ]


def test_aliases_and_anchors_are_read_where_they_are_used() -> None:
    text = """
        schemaVersion: 1.0
        phases:
        - name: build
          steps:
          - name: one
            action: ExecuteBash
            inputs: &same
              commands: &commands [ls]
          - {name: two, action: ExecuteBash, inputs: *same}
          - {name: three, action: ExecuteBash, inputs: {commands: *commands}}
    """
    assert found(textwrap.dedent(text)) == []
    levels = "\n".join(f"- &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 9))
    (finding,) = lint_document(f"schemaVersion: 1.0\nphases:\n- &a0 {BASH}\n{levels}\n", "d.yaml")
    assert finding.rule == "yaml"


@pytest.mark.parametrize("characters", [5_000, 11_900, 12_100, 15_500, 16_500])
@pytest.mark.parametrize("width", [10, 200, 4000])
def test_what_the_compiler_makes_is_never_too_large(characters: int, width: int) -> None:
    text = "#!/bin/bash\n" + f": {'x' * width}\n" * (characters // (width + 3))
    provision = Provision((Script("build", "10-a.sh", text), Script("test", "test/10-a.sh", text)), ())
    archive = documents.Archive(*["x"] * len(fields(documents.Archive)))
    through_s3 = documents.needs_archive(provision)
    assert through_s3 or len(text) <= documents.SCRIPT_LIMIT
    assert not through_s3 or characters > 11_000
    for compiled in documents.compile_documents("demo", provision, archive):
        assert found(compiled.data) == []
        assert ("S3Download" in compiled.data, "sha256sum --check" in compiled.data) == (
            through_s3,
            through_s3,
        )
        load(compiled.data)


def _value(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        values, st.sampled_from(["", "x", [], {}, None, ["x"], {"x": "y"}, [{"x": "y"}], "{{ x }}"])
    )


STEPS = st.fixed_dictionaries(
    {
        "name": _value(st.sampled_from(["one", "two"])),
        "action": _value(st.sampled_from([*actions.ACTIONS, "InstallMSI"])),
    },
    optional={
        "inputs": _value(
            st.sampled_from(
                [
                    {"commands": ["ls"]},
                    [{"path": "/a"}],
                    [{"source": "a", "destination": "b"}],
                    {"path": "a"},
                    {"fileExists": "a"},
                ]
            )
        ),
        "if": _value(
            st.sampled_from(
                [{"binaryExists": "a"}, {"stringEquals": "a"}, {"not": {"fileExists": "a"}}, {"and": []}]
            )
        ),
        "loop": _value(
            st.sampled_from(
                [{"forEach": ["a"]}, {"for": {"start": "1", "end": "2", "updateBy": "1"}}, {"for": {}}]
            )
        ),
        "timeoutSeconds": st.sampled_from(["-1", "0", "1", "x"]),
        "onFailure": st.sampled_from(["Abort", "Ignore", "abort"]),
        "extra": st.just("x"),
    },
)
PHASES = st.fixed_dictionaries(
    {"name": st.sampled_from(["build", "test", "x"]), "steps": _value(st.lists(STEPS, max_size=2))}
)
DOCUMENTS = st.fixed_dictionaries(
    {"schemaVersion": st.sampled_from(["1.0", "2"]), "phases": _value(st.lists(_value(PHASES), max_size=2))},
    optional={
        "parameters": _value(
            st.sampled_from([[{"Name": {"type": "string", "default": "a"}}], [{"Name": {"type": "string"}}]])
        ),
        "constants": _value(st.sampled_from([[{"Name": {"type": "string", "value": "a"}}], [{"N": {}}]])),
    },
)


@settings(max_examples=examples(150), deadline=None)
@given(DOCUMENTS)
def test_the_linter_finds_an_error_where_the_runner_refuses_and_nowhere_else(raw: Any) -> None:
    """Only what a recipe could still give (values of parameters) is an error for one and a warning for the
    other.
    """
    text = yaml.safe_dump(raw, sort_keys=False)
    findings = lint_document(text, "d.yaml")
    wrong = {finding.rule for finding in findings if finding.severity == "error"}
    refused = ""
    try:
        load(text)
    except InvalidDocument as error:
        refused = str(error)
    if bool(wrong) != bool(refused):
        assert not wrong, (findings, "is taken")
        assert any(finding.rule == "missing-parameter" for finding in findings), (findings, refused)


@settings(max_examples=examples(100), deadline=None)
@given(st.recursive(st.text(max_size=5) | st.none() | st.integers(),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(
    ["schemaVersion", "phases", "name", "steps", "action", "inputs", "commands", "if", "loop", "for",
        "forEach", "and", "parameters", "x"]
), x, max_size=4), max_leaves=20))  # fmt: skip
def test_no_document_is_too_broken_to_read(raw: Any) -> None:
    text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)
    for finding in lint_document(text, "d.yaml"):
        assert 1 <= finding.line <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  C:\n    Type: "
            "AWS::ImageBuilder::Component\n    Data: !Sub 'x'\n",
            "CloudFormation",
        ),
        ("Description: x\nResources:\n  Bucket: {Type: 'AWS::S3::Bucket'}\n", "CloudFormation"),
        ('{"Resources": {"X": {"Type": "Custom::X"}}}', "CloudFormation"),
        ("schemaVersion: '2.2'\nmainSteps: [{action: aws:runShellScript, name: x}]\n", "Systems Manager"),
        (
            "name: w\nschemaVersion: 1.0\nsteps: [{name: Launch, action: LaunchInstance}]\n",
            "workflow of Image Builder",
        ),
        ("version: 0.2\nphases: {build: {commands: [make]}}\n", "CodeBuild"),
        ("apiVersion: v1\nkind: Pod\n", "Kubernetes"),
        ("on: push\njobs: {x: {runs-on: ubuntu-latest}}\n", "GitHub"),
        ("services: {web: {image: nginx}}\n", "Compose"),
        ("name: x\ndependencies: [numpy]\n", "conda"),
        ("- hosts: all\n  tasks: []\n", "Ansible"),
    ],
)
def test_what_is_no_component_document_is_told_once(text: str, kind: str) -> None:
    (finding,) = lint_document(text, "x.yaml")
    assert (finding.rule, finding.line) == ("schema", 1)
    assert kind in finding.got
    assert "component document" in finding.got


@pytest.mark.parametrize(
    "text", ["schemaVersion: 1.0\n", "phases: []\n", "- 1\n", "x\n", "steps: []\n", "Resources: {}\n", "[]\n"]
)
def test_what_may_be_meant_as_one_is_told_in_full(text: str) -> None:
    assert not any("not a component document" in finding.got for finding in lint_document(text, "x.yaml"))
