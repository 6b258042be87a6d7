"""What a pull request is told, from digests as the engine writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ci import comment
from ci.preview import Bake, StackPreview, read

LEDGER = "aws:dynamodb/table:Table"


def step(
    op: str, kind: str, name: str, inputs: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    urn = f"urn:pulumi:utils::neurocaas::{kind}::{name}"
    state = {"urn": urn, "type": kind, "custom": True, "inputs": inputs or {}, "provider": ""}
    return {"op": op, "urn": urn, "oldState" if op in ("same", "delete") else "newState": state, **more}


def digest(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"steps": steps, "changeSummary": {"same": 3}, **more})


TOPIC = {"kmsMasterKeyId": "alias/x", "secret": "hunter2"}
TAGS = {"neurocaas:project": "neurocaas", "neurocaas:stack": "utils"}
PROVIDER = step("same", "pulumi:providers:aws", "aws", {"defaultTags": json.dumps({"tags": TAGS})})
OURS = f"{PROVIDER['urn']}::1"


def topic(op: str, name: str = "notices", inputs: Mapping[str, Any] = TOPIC, **more: Any) -> dict[str, Any]:
    made = step(op, "aws:sns/topic:Topic", name, inputs, **more)
    made["newState" if "newState" in made else "oldState"]["provider"] = OURS
    return made


def test_changes_are_those_of_resources_the_gravest_first() -> None:
    preview = read(
        "utils",
        digest(
            PROVIDER,
            topic("create", "new"),
            topic("update", "changed", detailedDiff={"displayName": {"kind": "update"}}),
            topic("replace", "other", detailedDiff={"name": {}, "tags": {}}, replaceReasons=["name"]),
            topic("create-replacement", "other"),
            topic("delete-replaced", "other"),
            topic("delete", "gone"),
            topic("same", "kept"),
            step("create", "neurocaas:utils:UtilityStack", "component")
            | {"newState": {"type": "neurocaas:x", "custom": False}},
        ),
    )
    assert [(one.op, one.name) for one in preview.changes] == [
        ("delete", "gone"), ("replace", "other"), ("update", "changed"), ("create", "new"),
    ]  # fmt: skip
    assert (preview.changes[1].properties, preview.changes[1].replaces) == (("name", "tags"), ("name",))
    assert preview.unchanged == 3
    assert preview.ok
    text = comment.render([preview])
    assert "| `utils` | 1 | 1 | 1 | 1 | 3 |" in text
    assert "`name` (new resource), `tags`" in text


def test_no_value_of_a_stack_is_told() -> None:
    preview = read("utils", digest(PROVIDER, topic("update", detailedDiff={"secret": {"kind": "update"}})))
    assert "hunter2" not in comment.render([preview]) + json.dumps(preview.to_dict())
    assert "`secret`" in comment.render([preview])


def test_a_broken_rule_makes_the_preview_fail_and_is_told_in_three_parts() -> None:
    preview = read("utils", digest(PROVIDER, topic("create", inputs={})))
    assert not preview.ok
    text = comment.render([preview])
    assert "**1 broken**" in text
    for part in (
        "**topic-encrypted**",
        "a topic that is not encrypted",
        "Allowed: encrypted topics",
        "Do: give the topic",
    ):
        assert part in text
    (found,) = preview.to_dict()["policies"]["findings"]
    assert found["urn"].endswith("notices")


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("", "the engine printed nothing"),
        ("error: no stack named 'x'", "no stack named"),
        ("[]", "[]"),
        (
            digest(diagnostics=[{"severity": "error", "message": "<{%reset%}>line 4: script<{%reset%}>\n"}]),
            "line 4: script",
        ),
    ],
)
def test_no_preview_is_told_with_what_the_engine_said(printed: str, said: str) -> None:
    preview = read("dti-prod", printed)
    assert preview.failure is not None
    assert said in preview.failure
    assert not preview.ok
    assert said in comment.render([preview])
    assert "| `dti-prod` | - |" in comment.render([preview])


def test_a_warning_is_no_failure() -> None:
    assert read("utils", digest(PROVIDER, diagnostics=[{"severity": "warning", "message": "old"}])).ok


def test_an_image_to_bake_is_told_with_its_command() -> None:
    text = comment.render(
        [read("dti-prod", digest(PROVIDER), Bake("none is recorded", "invoke bake-ami --stack dti-prod"))]
    )
    assert "**to bake**" in text
    assert "`invoke bake-ami --stack dti-prod`" in text


def test_text_cannot_bring_markup_into_the_comment() -> None:
    name = "x`|<script>@everybody"
    preview = read("utils", digest(PROVIDER, topic("create", name, {})))
    text = comment.render(
        [preview, StackPreview("dti-prod", bake=Bake("@all | <b>", "invoke"), policies=preview.policies)]
    )
    table = next(line for line in text.splitlines() if line.startswith("| create"))
    assert table.replace("\\|", "").count("|") == 5
    assert "&#64;all \\| &lt;b&gt;" in text


def test_a_long_comment_is_cut_where_github_would_refuse_it() -> None:
    many = [topic("create", f"topic-{number:05}") for number in range(3000)]
    text = comment.render([read("utils", digest(PROVIDER, *many))])
    assert len(text) <= comment.LIMIT
    assert text.startswith(comment.MARK)
    assert text.count("<details>") == text.count("</details>")
    assert text.rstrip().endswith("shows everything.")
