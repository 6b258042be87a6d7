"""`invoke publish` against the local cloud: what is put is read by a client without credentials, and nothing
else is.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import jsonschema
import pytest

from localcloud.tests.denials import denied
from tests.local.deployed import Deployed, Keys

pytestmark = [pytest.mark.local, pytest.mark.slow]

STACK = "analysis-webdev"


def fetched(url: str) -> tuple[int, dict[str, str], bytes]:
    """Over plain HTTP, as a page of another web site asks for it."""
    request = urllib.request.Request(url, headers={"Origin": "https://lab.example.org"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return (
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                answer.read(),
            )
    except urllib.error.HTTPError as error:
        return error.code, {}, b""


def test_an_entry_is_read_without_credentials_until_it_is_withdrawn(service: Deployed) -> None:
    ground = service.ground
    url = ground.invoke("publish", STACK, "--local").stdout.strip()
    status, headers, body = fetched(url)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["access-control-allow-origin"] in ("*", "https://lab.example.org")
    entry = json.loads(body)
    jsonschema.validate(
        entry, json.loads((ground.root / "docs" / "schema" / "catalogue-entry.json").read_text())
    )
    assert (entry["name"], entry["stage"]) == ("analysis", "webdev")
    assert entry["bucket"] == service.analysis["bucket"]
    assert entry["price"]["least"] <= entry["price"]["default"] <= entry["price"]["most"]
    assert service.utils["account"] not in body.decode()
    index = json.loads(fetched(url.replace(f"{STACK}.json", "index.json"))[2])
    jsonschema.validate(
        index, json.loads((ground.root / "docs" / "schema" / "catalogue-index.json").read_text())
    )
    assert [one["file"] for one in index["entries"]] == [f"{STACK}.json"]

    again = json.loads(ground.invoke("publish", STACK, "--json", "--local").stdout)
    assert again["version"] == entry["version"]

    ground.invoke("publish", STACK, "--withdraw", "--local")
    assert fetched(url)[0] in (403, 404)
    assert json.loads(fetched(url.replace(f"{STACK}.json", "index.json"))[2])["entries"] == []
    assert ground.invoke("publish", STACK, "--withdraw", "--local", check=False).returncode == 1


def test_nothing_else_is_public(service: Deployed) -> None:
    root, nobody = service.client("s3"), service.client("s3", Keys(None))
    public = service.utils["catalogue_bucket"]
    root.put_object(Bucket=public, Key="catalogue/there.json", Body=b"{}")
    root.put_object(Bucket=public, Key="cataloguex", Body=b"secret")
    assert nobody.get_object(Bucket=public, Key="catalogue/there.json")["Body"].read() == b"{}"
    assert denied(lambda: nobody.get_object(Bucket=public, Key="cataloguex"))
    assert denied(lambda: nobody.list_objects_v2(Bucket=public, Prefix="catalogue/"))
    assert denied(lambda: nobody.put_object(Bucket=public, Key="catalogue/there.json", Body=b"mine"))
    assert denied(lambda: nobody.delete_object(Bucket=public, Key="catalogue/there.json"))
    for bucket, key in (
        (service.analysis["bucket"], "jobs/lab1/analysis.json"),
        (service.analysis["settings_bucket"], service.analysis["settings_key"]),
    ):
        assert root.head_object(Bucket=bucket, Key=key)
        assert denied(lambda bucket=bucket, key=key: nobody.get_object(Bucket=bucket, Key=key))  # type: ignore[misc]
    root.delete_object(Bucket=public, Key="catalogue/there.json")
    root.delete_object(Bucket=public, Key="cataloguex")
