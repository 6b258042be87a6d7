"""Changes to `blueprint.yaml` (and to the settings of the base image) that keep its comments, its order and its style."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

import yaml

from blueprints.base import FILE as BASE_FILE
from blueprints.document import parse
from blueprints.model import FILE
from blueprints.parents import BASE
from runtime.protocol.problems import InvalidInput, Problem, shown

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_AMI = re.compile(r"ami-[0-9a-f]{8,17}")


def record_image(root: Path, name: str, account: str, region: str, ami: str) -> bool:
    """Writes `image.amis["<account>/<region>"] = ami` into the blueprint (or the settings of `base`); False when it says so already.

    The file is replaced in one step. Raises InvalidInput when the file or one of the values is wrong; the file is then as it was.
    """
    source = f"blueprints/{name}/{BASE_FILE if name == BASE else FILE}"
    path = root / source
    problems = [
        Problem(what, shown(value), allowed, "Report this: the value comes from the service")
        for what, value, rule, allowed in (
            ("account", account, _ACCOUNT, "12 digits"),
            ("region", region, _REGION, "the name of a region"),
            ("image", ami, _AMI, "an AMI id"),
        )
        if not rule.fullmatch(value)
    ]
    if not path.is_file():
        problems.append(Problem(source, "no such file", "a blueprint", "Correct the name"))
    if problems:
        raise InvalidInput(problems)
    text = path.read_bytes().decode("utf-8")
    document = parse(text, source)
    if document.problems or not isinstance(document.data, dict):
        raise InvalidInput(document.problems or [Problem(source, "not a mapping", "a blueprint", "Correct the file")])
    key = f"{account}/{region}"
    image = document.data.get("image") or {}
    amis = (image.get("amis") or {}) if isinstance(image, dict) else None
    if not isinstance(amis, dict):
        allowed = "a mapping with the mapping 'amis'"
        raise InvalidInput([document.finding(("image",), "schema.type", shown(image), allowed, "Correct the file")])
    if amis.get(key) == ami:
        return False
    changed = _with_image(text, key, ami)
    wanted = {**document.data, "image": {**image, "amis": {**amis, key: ami}}}
    if parse(changed, source).data != wanted:
        raise InvalidInput([Problem(source, "a layout that cannot be edited", "plain keys image.amis", f"Add {key!r}: {ami} by hand")])
    _replace(path, changed)
    return True


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
