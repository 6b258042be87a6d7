"""Which builds have the same layer in the cache of finished layers, and which have none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from awstoe.checks import load
from localcloud.images import kept
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.images.kept import KeptLayer
from localcloud.images.store import Image, Images
from localcloud.sandbox.hostaccess import HostAccess

PUBLIC, OTHER = (image.image_id for image in BASE_IMAGES[:2])
DIGEST = "0123456789abcdef" * 4


def step(action: str, inputs: str) -> str:
    return f"- {{name: a-step, action: {action}, inputs: {inputs}}}"


def document(*steps: str, phase: str = "build") -> str:
    head = "schemaVersion: 1.0\nparameters:\n  - Size: {type: string, default: '1'}\n"
    return f"{head}phases:\n  - name: {phase}\n    steps:\n" + "".join(f"      {one}\n" for one in steps)


SCRIPT = document(step("ExecuteBash", "{commands: ['true']}"))


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path / "images", "test")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCALCLOUD_LAYERS", str(tmp_path / "layers"))
    return tmp_path / "layers"


def key(
    images: Images,
    *texts: str,
    parent: str = PUBLIC,
    parameters: Mapping[str, str] | None = None,
    base: str = "base-1",
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> str | None:
    components: list[dict[str, Any]] = [
        {"arn": f"arn:{place}", "name": f"c-{place}", "data": text, "parameters": dict(parameters or {})}
        for place, text in enumerate(texts or (SCRIPT,))
    ]
    build = {"arn": "arn:1", "parent_image": parent, "components": components, "region": "us-east-1",
             "account": "1", "working_directory": None, **more}  # fmt: skip
    services: Any = SimpleNamespace(images=images, host=SimpleNamespace(mode="test", base=Path(base)))
    documents = [load(one["data"], one["parameters"], name=one["name"]) for one in components]
    found = KeptLayer.of(services, build, documents, HostAccess(dict(environment or {}), ()))
    return found.key if found else None


def baked(images: Images, image_id: str, content: str, parent: str = PUBLIC) -> str:
    layer = images.folder(image_id).parent / f".{image_id}"
    (layer / "root").mkdir(parents=True)
    (layer / "root" / "file").write_text(content)
    images.add(Image(image_id, parent, "layer", "2026", "arn", "test"), layer)
    return image_id


def test_the_same_build_has_the_same_key(images: Images) -> None:
    assert key(images) == key(images) == key(images, arn="arn:2", state="BUILDING")
    assert key(images, SCRIPT, document(step("UpdateOS", "{}"), phase="test")) == key(images), (
        "what tests do is in no layer"
    )


@pytest.mark.parametrize(
    "other",
    [
        {"parent": OTHER},
        {"parameters": {"Size": "2"}},
        {"base": "base-2"},
        {"environment": {"PIP_INDEX_URL": "https://index.invalid/simple"}},
        {"region": "us-west-2"},
        {"working_directory": "/opt"},
    ],
)
def test_another_build_has_another_key(images: Images, other: dict[str, Any]) -> None:
    assert key(images, **other) != key(images)


def test_another_document_or_order_has_another_key(images: Images) -> None:
    second = document(step("ExecuteBash", "{commands: ['false']}"))
    keys = [key(images, *texts) for texts in ((SCRIPT,), (second,), (SCRIPT, second), (second, SCRIPT))]
    assert len(set(keys)) == 4


def test_another_program_of_this_package_has_another_key(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(images)
    monkeypatch.setattr(kept, "_code", lambda: "another")
    assert key(images) != before


def test_a_parent_counts_by_what_is_in_it(images: Images) -> None:
    one, same = baked(images, "ami-1", "one"), baked(images, "ami-2", "one")
    other = baked(images, "ami-3", "other")
    above, differs = baked(images, "ami-4", "x", parent=one), baked(images, "ami-5", "x", parent=other)
    assert key(images, parent=one) == key(images, parent=same)
    assert key(images, parent=one) == key(images, parent=one), "as it was written down"
    assert len({key(images, parent=parent) for parent in (PUBLIC, one, other, above, differs)}) == 5


@pytest.mark.parametrize(
    "asked",
    [
        step("S3Download", f"[{{source: 's3://any/provision/{DIGEST}.tar.gz', destination: /opt/it}}]"),
        step("CreateFile", "[{path: /opt/it, content: text}]"),
    ],
)
def test_what_is_named_by_its_digest_may_be_kept(images: Images, asked: str) -> None:
    assert key(images, document(asked)) not in (None, key(images))
    assert key(images, document(asked.replace("/opt/it", "/opt/else"))) != key(images, document(asked))
    if DIGEST in asked:
        other = asked.replace(DIGEST, DIGEST[::-1])
        assert key(images, document(other)) not in (None, key(images, document(asked)))
        elsewhere = asked.replace("s3://any/", "s3://the-bucket-of-another-cloud/")
        assert key(images, document(elsewhere)) == key(images, document(asked))


@pytest.mark.parametrize(
    "asked",
    [
        step("S3Download", "[{source: 's3://any/latest.tar.gz', destination: /opt/it}]"),
        step("WebDownload", "[{source: 'https://any.invalid/it', destination: /opt/it}]"),
        step("UpdateOS", "{}"),
        step("ExecuteBash", "{commands: ['echo {{ aws:ssm:/a/parameter }}']}"),
    ],
)
def test_what_may_be_another_tomorrow_is_not_kept(images: Images, asked: str) -> None:
    assert key(images, document(asked)) is None


@pytest.mark.parametrize("value", [None, "", "layers"])
def test_nothing_is_kept_without_a_folder(
    images: Images, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("LOCALCLOUD_LAYERS")
    if value is not None:
        monkeypatch.setenv("LOCALCLOUD_LAYERS", value)
    assert key(images) is None
