"""The page in a real browser, against the local cloud, as an analyst of a group under enforced IAM."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from portal_host.build import built
from portal_host.headers import headers
from portal_host.serve import PortalServer
from tests.local.deployed import Deployed, Keys
from tests.local.job_helpers import PATIENCE, Lab

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.local,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
]


def session(service: Deployed, user: str, group: str) -> Keys:
    """A session of the group's role, as `invoke portal` takes it."""
    role = service.utils["groups"][group]["session_role"]
    arn = f"arn:aws:iam::{service.utils['account']}:role/{role}"
    taken = service.client("sts", service.user(user)).assume_role(RoleArn=arn, RoleSessionName=user)
    keys = taken["Credentials"]
    return Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


@pytest.fixture
def server(service: Deployed) -> Iterator[PortalServer]:
    endpoint = service.ground.local_environment()["AWS_ENDPOINT_URL"]
    keys = session(service, "ann", "lab1")

    def fetch() -> dict[str, str]:
        return {
            "accessKeyId": str(keys.access_key),
            "secretAccessKey": str(keys.secret),
            "sessionToken": str(keys.token),
            "expiration": "2099-01-01T00:00:00+00:00",
        }

    config = {"region": service.utils["region"], "account": service.utils["account"], "endpoint": endpoint}
    about = {"group": "lab1", "person": "ann", "lead": False}
    made = PortalServer(
        built(), {**config, "signIn": {"kind": "handover"}}, about, fetch, headers([endpoint])
    )
    with made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def page(server: PortalServer) -> Iterator[Any]:
    """A tab; what the browser itself complains of, and refused requests, fail the test."""
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        said: list[str] = []

        def hear(message: Any) -> None:
            # what a job has not written yet is not there
            if message.type == "error" and "404" not in message.text:
                said.append(message.text)

        tab.on("console", hear)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.set_default_timeout(20_000)
        yield tab
        browser.close()
        assert not said, said


def test_an_analyst_signs_in_and_runs_a_job(
    service: Deployed, server: PortalServer, page: Any, tmp_path: Path
) -> None:
    lab = Lab(service)
    recording = tmp_path / "a recording.txt"
    recording.write_text("spikes")
    page.goto(server.address)
    page.get_by_role("link", name="analysis", exact=True).click()
    assert "start=" not in page.url  # the code is not in the address any more
    page.get_by_role("button", name="Start").wait_for()
    wait = page.get_by_label("wait")
    wait.fill("-1")
    page.set_input_files("input[type=file]", recording)
    page.get_by_role("button", name="Start").click()
    page.locator(".error-detail").first.wait_for()
    assert not lab.keys_below("lab1/submissions/")  # nothing was sent
    wait.fill("1")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="Job ").wait_for()
    result = page.get_by_role("button", name="summary.json")
    result.wait_for(timeout=PATIENCE * 1000)
    with page.expect_download() as fetched:
        result.click()
    assert json.loads(Path(fetched.value.path()).read_text()) == {"bytes": 6, "waited_seconds": 1}
    page.screenshot(path=tmp_path / "job.png", full_page=True)
    page.get_by_role("link", name="All jobs").click()
    page.get_by_role("cell", name="SUCCESS").wait_for()
