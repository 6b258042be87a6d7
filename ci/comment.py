"""The comment on a pull request: a table of the stacks, then what is worth knowing of each. Markdown as
GitHub shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ci.preview import StackPreview

MARK = "<!-- neurocaas preview -->"
"""The first line: by it the comment is found again."""
LIMIT = 65_536
"""Characters of a comment (GitHub's API refuses longer bodies)."""
_SHOWN = ("create", "update", "replace", "delete")
_CUT = "\n\nThe comment is cut here: it is too long for GitHub. `invoke preview STACK` shows everything.\n"


def render(previews: Sequence[StackPreview]) -> str:
    """The comment. Names of resources and properties only: no value of a stack is in it."""
    lines = [
        MARK,
        "## What this change would do",
        "",
        f"| stack | {' | '.join(_SHOWN)} | unchanged | policies | image |",
        "|---" * 8 + "|",
    ]
    lines += [_row(preview) for preview in previews]
    for preview in previews:
        lines += _about(preview)
    text = "\n".join(lines) + "\n"
    if len(text) <= LIMIT:
        return text
    kept = text[: LIMIT - len(_CUT) - len("\n</details>")]
    kept = kept[: kept.rindex("\n")]
    return kept + ("\n</details>" if kept.count("<details>") > kept.count("</details>") else "") + _CUT


def _row(preview: StackPreview) -> str:
    if preview.failure is not None:
        return f"| `{preview.stack}` | {' | '.join('-' for _ in _SHOWN)} | - | no preview | - |"
    counts = " | ".join(str(preview.count(op)) for op in _SHOWN)
    policies = preview.policies
    assert policies is not None
    said = f"**{len(policies.findings)} broken**" if policies.findings else f"{policies.judged} kept"
    if policies.open:
        said += f", {len(policies.open)} open"
    image = "-" if preview.stack == "utils" else "**to bake**" if preview.bake else "ready"
    return f"| `{preview.stack}` | {counts} | {preview.unchanged} | {said} | {image} |"


def _about(preview: StackPreview) -> Iterator[str]:
    policies = preview.policies
    if not (preview.failure or preview.changes or preview.bake or (policies and policies.findings)):
        return
    yield from ("", f"### `{preview.stack}`")
    if preview.failure is not None:
        yield from ("", "There is no preview:", "", *(f"    {line}" for line in preview.failure.splitlines()))
    for finding in policies.findings if policies else ():
        yield from (
            "",
            f"- **{finding.rule.name}**, `{_cell(finding.resource.name)}`: {_text(finding.got)}. ",
        )
        yield f"  Allowed: {_text(finding.rule.allowed)}. Do: {_text(finding.rule.do)}."
    if preview.bake is not None:
        yield from ("", f"The image has to be baked: {_text(preview.bake.why)}. `{preview.bake.command}`")
    if preview.changes:
        yield from ("", f"<details><summary>{len(preview.changes)} changes</summary>", "")
        yield from ("| | resource | type | properties |", "|---" * 4 + "|")
        for change in preview.changes:
            names = [
                f"`{_cell(name)}`" + (" (new resource)" if name in change.replaces else "")
                for name in change.properties
            ]
            yield (
                f"| {change.op} | `{_cell(change.name)}` | {_cell(change.type.rpartition(':')[2])} | "
                f"{', '.join(names)} |"
            )
        yield "</details>"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'").replace("\n", " ")


def _text(text: str) -> str:
    """Text in a line: no markup of its own, and no mention of a person."""
    for character in "\\`*_<>[]|@":
        text = text.replace(
            character,
            f"\\{character}"
            if character not in "<>@"
            else {"<": "&lt;", ">": "&gt;", "@": "&#64;"}[character],
        )
    return " ".join(text.split())
