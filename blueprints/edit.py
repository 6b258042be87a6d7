"""Changes to `blueprint.yaml` (and to the settings of the base image) that keep its comments, its order and
its style.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

import yaml

from blueprints.base import FILE as BASE_FILE
from blueprints.document import YamlDocument, parse
from blueprints.model import FILE
from blueprints.parents import BASE
from neurocaas.protocol.problems import InvalidInput, Problem, shown

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_AMI = re.compile(r"ami-[0-9a-f]{8,17}")


def record_image(root: Path, name: str, account: str, region: str, ami: str) -> bool:
    """Writes `image.amis["<account>/<region>"] = ami` into the blueprint (or the settings of `base`); False
    when it says so already.

    The file is replaced in one step. Raises InvalidInput when the file or one of the values is wrong; the
    file is then as it was.
    """
    problems = [
        Problem(what, shown(value), allowed, "Report this: the value comes from the service")
        for what, value, rule, allowed in (
            ("account", account, _ACCOUNT, "12 digits"),
            ("region", region, _REGION, "the name of a region"),
            ("image", ami, _AMI, "an AMI id"),
        )
        if not rule.fullmatch(value)
    ]
    try:
        source, path, text, document = _read(root, name)
    except InvalidInput as error:
        raise InvalidInput([*problems, *error.problems]) from None
    if problems:
        raise InvalidInput(problems)
    key = f"{account}/{region}"
    image = document.data.get("image") or {}
    amis = (image.get("amis") or {}) if isinstance(image, dict) else None
    if not isinstance(amis, dict):
        allowed = "a mapping with the mapping 'amis'"
        raise InvalidInput(
            [document.finding(("image",), "schema.type", shown(image), allowed, "Correct the file")]
        )
    if amis.get(key) == ami:
        return False
    changed = _with_image(text, key, ami)
    wanted = {**document.data, "image": {**image, "amis": {**amis, key: ami}}}
    if parse(changed, source).data != wanted:
        raise InvalidInput(
            [
                Problem(
                    source,
                    "a layout that cannot be edited",
                    "plain keys image.amis",
                    f"Add {key!r}: {ami} by hand",
                )
            ]
        )
    _replace(path, changed)
    return True


def require_image(root: Path, name: str) -> bool:
    """Takes `image.required: false` out of the blueprint, now that there is an image; whether it was there.

    With it, jobs run on the bare parent wherever there is no image. Where it shares its line with other keys,
    its value is made true.
    Raises InvalidInput as `record_image`.
    """
    source, path, text, document = _read(root, name)
    image = document.data.get("image")
    if not isinstance(image, dict) or image.get("required") is not False:
        return False
    key, value = _entry(yaml.compose(text, Loader=yaml.SafeLoader), "image", "required")
    without = {one: other for one, other in image.items() if one != "required"}
    candidates = (
        _cut(text, key.start_mark.index, value.end_mark.index),
        f"{text[: value.start_mark.index]}true{text[value.end_mark.index :]}",
    )
    images = (without, {**without, "required": True})
    _replace(path, _right(source, document, candidates, images, "remove image.required"))
    return True


def forget_image(root: Path, name: str, account: str, region: str, ami: str) -> bool:
    """Takes `ami` out of `image.amis["<account>/<region>"]`, because it is retired; False when another or
    none stands there.

    Raises InvalidInput as `record_image`.
    """
    source, path, text, document = _read(root, name)
    place, image = f"{account}/{region}", document.data.get("image")
    amis = image.get("amis") if isinstance(image, dict) else None
    if not isinstance(image, dict) or not isinstance(amis, dict) or amis.get(place) != ami:
        return False
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    own, whole = _entry(top, "image", "amis")
    key, value = _entry(top, "image", "amis", place)
    others = {one: other for one, other in amis.items() if one != place}
    written = ", ".join(f"{json.dumps(one)}: {other}" for one, other in others.items())
    candidates = (
        _cut(text, key.start_mark.index, value.end_mark.index),
        _cut(text, own.start_mark.index, value.end_mark.index),
        f"{text[: whole.start_mark.index]}{{{written}}}{text[whole.end_mark.index :]}",
    )
    without = {one: other for one, other in image.items() if one != "amis"}
    images = ({**without, "amis": others}, *(() if others else (without,)))
    _replace(path, _right(source, document, candidates, images, f"remove {place!r} from image.amis"))
    return True


def _entry(top: yaml.Node | None, *keys: str) -> tuple[yaml.Node, yaml.Node]:
    """Key and value of the entry at a path that the caller has seen in the parsed document."""
    node = top
    for name in keys[:-1]:
        node = _value(node, name)
    assert isinstance(node, yaml.MappingNode)
    return next((key, value) for key, value in node.value if key.value == keys[-1])


def _cut(text: str, start: int, end: int) -> str:
    """The text without the lines that hold `start` to `end`."""
    return text[: text.rfind("\n", 0, start) + 1] + text[text.find("\n", end) + 1 or len(text) :]


def _right(
    source: str, document: YamlDocument, candidates: Iterable[str], images: Collection[object], by_hand: str
) -> str:
    """The first text that says of `image` what one of `images` says, and all else as before. Raises
    InvalidInput when none does.
    """
    wanted = [{**document.data, "image": image} for image in images]
    for changed in candidates:
        if parse(changed, source).data in wanted:
            return changed
    raise InvalidInput(
        [Problem(source, "a layout that cannot be edited", "plain keys below image", f"By hand: {by_hand}")]
    )


def _read(root: Path, name: str) -> tuple[str, Path, str, YamlDocument]:
    """Name, place, text and document of a blueprint that is there and can be read. Raises InvalidInput."""
    source = f"blueprints/{name}/{BASE_FILE if name == BASE else FILE}"
    path = root / source
    if not path.is_file():
        raise InvalidInput([Problem(source, "no such file", "a blueprint", "Correct the name")])
    text = path.read_bytes().decode("utf-8")
    document = parse(text, source)
    if document.problems or not isinstance(document.data, dict):
        raise InvalidInput(
            document.problems or [Problem(source, "not a mapping", "a blueprint", "Correct the file")]
        )
    return source, path, text, document


def _with_image(text: str, key: str, ami: str) -> str:
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)  # the caller has parsed the text and seen a mapping
    entry = f"{json.dumps(key)}: {ami}"
    image = _value(top, "image")
    if not isinstance(image, yaml.MappingNode):
        return _insert(text, top, f"image: {{amis: {{{entry}}}}}", image, "image")
    amis = _value(image, "amis")
    if not isinstance(amis, yaml.MappingNode):
        return _insert(text, image, f"amis: {{{entry}}}", amis, "amis")
    recorded = _value(amis, key)
    if recorded is not None:
        return text[: recorded.start_mark.index] + ami + text[recorded.end_mark.index :]
    return _insert(text, amis, entry, None, key)


def _value(mapping: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = mapping.value if isinstance(mapping, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _insert(text: str, mapping: yaml.MappingNode, entry: str, instead_of: yaml.Node | None, key: str) -> str:
    """Puts `entry` into a mapping, in the mapping's own style; a former empty value (`amis:`) makes way."""
    if instead_of is not None:
        start = next(name.start_mark.index for name, _ in mapping.value if name.value == key)
        return text[:start] + entry + text[instead_of.end_mark.index :]
    if not mapping.flow_style:
        # Before the first key: the one place of a block mapping whose indentation is certain.
        first: yaml.Mark = mapping.value[0][0].start_mark
        newline = "\r\n" if "\r\n" in text else "\n"
        return text[: first.index] + entry + newline + " " * first.column + text[first.index :]
    if not mapping.value:
        return text[: mapping.start_mark.index] + "{" + entry + "}" + text[mapping.end_mark.index :]
    last = mapping.value[-1][1].end_mark.index
    return text[:last] + ", " + entry + text[last:]


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        Path(temporary).chmod(path.stat().st_mode & 0o777)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
