"""The schema of the provider's types: derived from the installed pulumi_aws, and kept."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcloud.pulumi.provider import sdk
from localcloud.pulumi.provider.table import TABLE

READ = "from localcloud.pulumi.provider import sdk; print(len(sdk.load().resources))"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_processes_that_read_it_first_agree_and_it_is_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor() as pool:
        reads = [pool.submit(subprocess.check_output, [sys.executable, "-c", READ]) for _ in range(2)]
        assert {int(one.result()) for one in reads} == {len(TABLE)}
    (kept,) = (file for file in cache.rglob("*") if file.is_file())
    assert json.loads(kept.read_text())["resources"].keys() == TABLE.keys()
    monkeypatch.setattr(sdk, "_derived", lambda: pytest.fail("derived although it is kept"))
    assert sdk._text() == kept.read_text()


def test_a_cache_that_cannot_be_written_does_not_stop_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "neurocaas").write_text("no folder")
    monkeypatch.setattr(sdk, "_derived", lambda: "derived")
    assert sdk._text() == "derived"


def test_threads_that_ask_at_once_derive_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def text() -> str:
        asked.append(1)
        return '{"resources": {}, "objects": {}}'

    monkeypatch.setattr(sdk, "_text", text)
    sdk._load.cache_clear()
    try:
        with ThreadPoolExecutor() as pool:
            assert len({id(one) for one in pool.map(lambda _: sdk.load(), range(16))}) == 1
    finally:
        sdk._load.cache_clear()
    assert asked == [1]


def test_types_are_what_pulumi_aws_says() -> None:
    bucket = sdk.load().resources["aws:s3/bucket:Bucket"]
    assert (bucket.inputs["bucket"], bucket.inputs["forceDestroy"], bucket.inputs["tags"]) == (
        "string",
        "boolean",
        "{string}",
    )
    function = sdk.load().resources["aws:lambda/function:Function"]
    assert (function.inputs["code"], sorted(function.required)) == ("archive", ["role"])
    assert function.inputs["environment"] == "#lambda.FunctionEnvironment"
    assert sdk.load().objects["lambda.FunctionEnvironment"].properties == {"variables": "{string}"}
    assert sdk.load().resources["aws:iam/role:Role"].inputs["assumeRolePolicy"] == "document"
    assert "value" in sdk.load().resources["aws:ssm/parameter:Parameter"].secrets
