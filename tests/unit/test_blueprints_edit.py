"""Recording an image: the blueprint's text changes in one place only."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import blueprints
from neurocaas.protocol.problems import InvalidInput

ACCOUNT, REGION, AMI = "111122223333", "us-east-1", "ami-0123456789abcdef0"
KEY = f"{ACCOUNT}/{REGION}"
HEAD = "# about spikes\nname: spikes  # the name\n"

LAYOUTS = {
    "no image": "title: x\n",
    "block without amis": "image:\n  # the parent\n  parent: ubuntu24  # long support\n  required: true\ntitle: x\n",  # noqa: E501
    "empty flow map": "image:\n  parent: ubuntu24\n  amis: {}  # written by bake\ntitle: x\n",
    "empty value": "image:\n  amis:\n  parent: ubuntu24\n",
    "flow map": 'image:\n  amis: {"999999999999/eu-west-1": ami-00000000}\n',
    "block map": (
        'image:\n  amis:\n    # Frankfurt\n    "999999999999/eu-central-1": ami-00000000  # old\n  parent: '
        "ubuntu24\n"
    ),
    "recorded before": f'image:\n  amis:\n    "{KEY}": ami-00000000  # first\n    "999999999999/eu-west-1": ami-11111111\n',  # noqa: E501
    "recorded in quotes": f"image: {{amis: {{'{KEY}': 'ami-00000000'}}}}\n",
    "flow image": "image: {parent: ubuntu24, required: false}\n",
    "flow image with empty amis": "image: {parent: ubuntu24, amis: {}}\n# the end\n",
    "last line without newline": "image:\n  parent: ubuntu24",
    "windows line ends": "title: x\r\nimage:\r\n  parent: ubuntu24\r\n",
    "indented by four": "image:\n    parent: ubuntu24\n    amis:\n        '999999999999/eu-west-1': ami-00000000\n",  # noqa: E501
    "unicode before": "title: Größe 🧠\nimage: {amis: {}}\n",
}


def write(folder: Path, text: str) -> Path:
    file = folder / "blueprints" / "spikes" / "blueprint.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_image_is_recorded_and_all_else_stays(tmp_path: Path, layout: str) -> None:
    text = HEAD + LAYOUTS[layout]
    file = write(tmp_path, text)
    file.chmod(0o640)
    before = yaml.safe_load(text)
    assert blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, AMI) is True
    after = file.read_bytes().decode()
    data = yaml.safe_load(after)
    assert data["image"]["amis"].pop(KEY) == AMI
    image = before.get("image") or {}
    others = {key: value for key, value in (image.get("amis") or {}).items() if key != KEY}
    assert data["image"]["amis"] == others
    assert {**data, "image": {**data["image"], "amis": None}} == {**before, "image": {**image, "amis": None}}
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert all(f"#{comment}" in after for comment in comments)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["blueprint.yaml"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_recording_twice_changes_nothing_the_second_time(tmp_path: Path, layout: str) -> None:
    file = write(tmp_path, HEAD + LAYOUTS[layout])
    blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, AMI)
    once = file.read_bytes()
    assert blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, AMI) is False
    assert file.read_bytes() == once
    blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, "ami-ffffffff")
    assert file.read_bytes() == once.replace(AMI.encode(), b"ami-ffffffff")


@pytest.mark.parametrize("change", [{"account": "1"}, {"region": "moon"}, {"ami": "i-123"}])
def test_wrong_values_leave_the_file_as_it_was(tmp_path: Path, change: dict[str, str]) -> None:
    file = write(tmp_path, HEAD)
    values = {"account": ACCOUNT, "region": REGION, "ami": AMI, **change}
    with pytest.raises(InvalidInput):
        blueprints.record_image(tmp_path, "spikes", **values)
    assert file.read_text() == HEAD


@pytest.mark.parametrize("text", ["- a\n", "name: [\n", "x: {a: &a 1, b: *a}\nimage: 3\n"])
def test_a_file_that_cannot_be_edited_is_left_as_it_was(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InvalidInput):
        blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, AMI)
    assert file.read_text() == text


def test_a_missing_blueprint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"blueprints/nonesuch/blueprint\.yaml"):
        blueprints.record_image(tmp_path, "nonesuch", ACCOUNT, REGION, AMI)


REQUIRED = {
    "block": "image:\n  parent: ubuntu24\n  required: false  # nothing is needed\ntitle: x\n",
    "first": "image:\n  required: false\n  parent: ubuntu24\n",
    "flow": "image: {parent: ubuntu24, required: false}  # both\n",
    "windows": "title: x\r\nimage:\r\n  required: false\r\n  parent: ubuntu24\r\n",
    "last line": "image:\n  parent: ubuntu24\n  required: false",
    "alone": "image: {required: false}\n",
}


@pytest.mark.parametrize("layout", REQUIRED)
def test_once_there_is_an_image_it_is_required(tmp_path: Path, layout: str) -> None:
    file = write(tmp_path, HEAD + REQUIRED[layout])
    blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, AMI)
    before = yaml.safe_load(file.read_text())
    assert blueprints.require_image(tmp_path, "spikes") is True
    after = yaml.safe_load(file.read_text())
    assert after["image"].pop("required", True) is True
    before["image"].pop("required")
    assert after == before
    assert HEAD in file.read_text()
    assert blueprints.require_image(tmp_path, "spikes") is False


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_that_is_retired_is_named_no_longer(tmp_path: Path, layout: str) -> None:
    file = write(tmp_path, HEAD + LAYOUTS[layout])
    blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, AMI)
    recorded = yaml.safe_load(file.read_text())
    assert blueprints.forget_image(tmp_path, "spikes", ACCOUNT, REGION, "ami-ffffffff") is False
    assert blueprints.forget_image(tmp_path, "spikes", ACCOUNT, "eu-north-1", AMI) is False
    assert yaml.safe_load(file.read_text()) == recorded
    assert blueprints.forget_image(tmp_path, "spikes", ACCOUNT, REGION, AMI) is True
    after = yaml.safe_load(file.read_text())
    del recorded["image"]["amis"][KEY]
    assert {**after, "image": {**after["image"], "amis": after["image"].get("amis") or {}}} == recorded
    assert blueprints.record_image(tmp_path, "spikes", ACCOUNT, REGION, AMI) is True
