"""Component documents: what is refused before anything runs, and what every scalar stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awstoe.actions import ACTIONS
from awstoe.checks import load
from awstoe.document import InvalidDocument
from awstoe.references import find, resolve


def one(step: str, head: str = "") -> str:
    return f"schemaVersion: 1.0\n{head}phases:\n  - name: build\n    steps:\n      - name: first\n{step}"


BASH = "        action: ExecuteBash\n        inputs: {commands: [%s]}\n"


def problems(text: str, parameters: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidDocument) as caught:
        load(text, parameters)
    return "\n".join(caught.value.problems)


def test_all_linux_actions_are_known() -> None:
    assert len(ACTIONS) == 26


def test_scalars_stay_texts() -> None:
    document = load(
        one(
            "        action: CreateFile\n        inputs:\n          - {path: /a, permissions: "
            "0644, content: 1.10}\n"
        )
    )
    assert document.phases[0].steps[0].inputs == [{"path": "/a", "permissions": "0644", "content": "1.10"}]


TEXTS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="{}#:,[]&*!|>'\"%@`?=-"),
    min_size=1,
    max_size=12,
)
OTHERS = [
    "0644",
    "1.10",
    "yes",
    "No",
    "null",
    "~",
    "1_000",
    "0x1F",
    "1e3",
    "2024-01-01",
    "12:30:45",
    ".inf",
    "true",
    "+1",
    "0o17",
]
PLAIN = st.one_of(
    st.sampled_from(OTHERS),
    st.from_regex(r"[0-9][0-9_.:eE+-]{0,8}[0-9]", fullmatch=True),
    TEXTS,
)


@given(PLAIN)
def test_no_scalar_changes_its_type(text: str) -> None:
    """Unquoted as it may stand: in inputs, parameters, constants and loops."""
    head = f"constants:\n  - Name: {{type: string, value: {text}}}\n"
    loop = f"        loop: {{forEach: [{text}]}}\n"
    document = load(
        one(
            f"        action: CreateFile\n{loop}        inputs:\n          - {{path: {text}, "
            f"content: {text}}}\n",
            head,
        )
    )
    step = document.phases[0].steps[0]
    assert (step.inputs, step.loop, document.values) == (
        [{"path": text, "content": text}],
        {"forEach": [text]},
        {"Name": text},
    )


def test_all_problems_at_once() -> None:
    text = one(
        "        action: ExecuteBsh\n      - name: second\n        action: "
        "CreateFile\n        inputs: [{content: x}]\n      - name: second\n" + BASH % "'{{ Nowhere }}'"
    )
    found = problems(text.replace("schemaVersion: 1.0", "schemaVersion: 2"))
    for word in ("ExecuteBsh", "without `path`", "`second` twice", "Nowhere", "schemaVersion"):
        assert word in found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (one("        action: InstallMSI\n        inputs: {path: x}\n"), "Windows"),
        ("schemaVersion: 1.0\nphases:\n  - name: build\n    steps: []\n", "without steps"),
        (
            "schemaVersion: 1.0\nphases:\n  - name: other\n    steps: [{name: a, action: Reboot}]\n",
            "one of build, validate, test",
        ),
        (one(BASH % "'{{ build.later.outputs.stdout }}'"), "no earlier step"),
        (one(BASH % "'{{ loop.value }}'"), "loop"),
        (one(BASH % "'{{ context:nonesuch }}'"), "osVersion"),
        (one(BASH % "'{{ aws:imds:identity-credentials/ec2 }}'"), "credentials"),
        (one(BASH % "'{{ a b }}'"), "aws:imds:PATH"),
        (one(BASH % "x" + "        timeoutSeconds: 0\n"), "timeoutSeconds"),
        (one(BASH % "x" + "        onFailure: Stop\n"), "onFailure"),
        ("[1, 2]", "no mapping"),
        ("a: [", "[yaml]"),
        ("schemaVersion: 1.0\nphases: &a [*a]\n", "without end"),
        ("[" * 3000, "without measure"),
        *[("a: " + "[" * deep + "]" * deep, "without measure") for deep in (100, 300, 400, 480)],
        (one(BASH % "a" + "        inputs: {commands: [b]}\n"), "document:8: [yaml] the key `inputs` twice"),
        (
            one(BASH % "a")
            + "  - name: test\n    steps:\n      - name: second\n"
            + BASH % "'{{ build.first.outputs.stdout }}'",
            "another machine",
        ),
    ],
)
def test_refused(text: str, word: str) -> None:
    assert word in problems(text)


def test_parameters() -> None:
    head = (
        "parameters:\n  - Given: {type: string}\n  - Default: {type: string, default: d}\nconstants:\n  - "
        "Fixed: {type: string, value: f}\n"
    )
    text = one(BASH % "'{{ Given }} {{Default}} {{ Fixed }}'", head)
    assert load(text, {"Given": "g"}).values == {"Given": "g", "Default": "d", "Fixed": "f"}
    assert "`Given` without a default" in problems(text)
    assert "not declared" in problems(text, {"Given": "g", "Other": "o"})


@pytest.mark.parametrize(
    ("text", "kind", "variable"),
    [
        ("{{ Name }}", "value", ""),
        ("{{build.a.outputs.stdout}}", "chain", "stdout"),
        ("{{ build.a.inputs[2].path }}", "chain", "path"),
        ("{{ loop.index }}", "loop", "index"),
        ("{{ aws:ssm:/a/b }}", "ssm", "/a/b"),
        ("{{ aws:ssm:resolve('/a/b') }}", "ssm", "/a/b"),
        ("{{ aws:ssm:resolve(name) }}", "ssm", "name"),
        ("{{ aws:imds:placement/region }}", "imds", "placement/region"),
        ("{{ aws:imds:iam/security-credentials/ }}", "unknown", ""),
        ("{{ env:ProgramFiles(x86) }}", "env", "ProgramFiles(x86)"),
        ("{{ context:osName }}", "context", "osName"),
        ("{{ a b }}", "unknown", ""),
    ],
)
def test_references(text: str, kind: str, variable: str) -> None:
    (reference,) = find(text)
    assert (reference.kind, reference.variable) == (kind, variable)


json_values = st.recursive(
    st.text(alphabet=st.characters(exclude_characters="{}")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
def test_resolving_without_references_changes_nothing(value: object) -> None:
    assert resolve(value, lambda reference: pytest.fail(reference.text)) == value
