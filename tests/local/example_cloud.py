"""The analyses that ship in the local cloud, over the one in which `invoke demo` ran."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3

from demo.playground import Playground
from neurocaas import Analysis, JobHandle
from tests.local.job_helpers import ended
from tests.local.kept import KEPT_LAYERS
from tests.shell.guide import listing

CONDA = """\
#!/bin/bash
mkdir -p /home/ubuntu/anaconda3/bin
echo 'echo "environment $1"' > /home/ubuntu/anaconda3/bin/activate
"""
"""What the guide's listing expects of its image beside the tools of the starter."""


class Cloud:
    """The examples of several inputs and of two modes, and the starter with the guide's own script, each with
    an image of its own, in the cloud of a demo that has run.
    """

    def __init__(self, ground: Playground) -> None:
        self.ground = ground
        starter = ground.root / "blueprints" / "analysis"
        (starter / "run_analysis.sh").write_text(listing("Analysis script"))
        (starter / "provision" / "20-conda.sh").write_text(CONDA)
        ground.invoke("local.down")  # so that its fleet knows the kept layers: what the demo baked is none
        ground.environ |= KEPT_LAYERS
        ground.invoke("local.up")
        for stack in ("analysis-webdev", "fmri-webdev", "decoder-webdev"):  # the first with the scripts above
            self.up(stack)
        with ThreadPoolExecutor() as pool:  # a bake waits for the package index most of its time
            list(pool.map(self.bake, ("fmri-webdev", "decoder-webdev", "analysis-webdev")))

    def up(self, stack: str) -> None:
        self.ground.pulumi("up", "--yes", "--skip-preview", "--stack", stack)

    def bake(self, stack: str) -> None:
        self.ground.invoke("bake-ami", "--local", "--stack", stack)
        self.up(stack)

    def analysis(self, name: str) -> Analysis:
        environ = self.ground.local_environment()
        session = boto3.Session(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=environ["AWS_REGION"]
        )
        return Analysis(name, "debuggers", session=Endpoint(session, environ["AWS_ENDPOINT_URL"]))

    def finished(self, name: str, dataset: Path, config: dict[str, Any]) -> JobHandle:
        analysis = self.analysis(name)
        job = analysis.submit(analysis.upload([dataset]), config)
        assert ended(job).succeeded, job.certificate()
        return job

    def run(
        self, name: str, dataset: Path, config: dict[str, Any], folder: Path
    ) -> tuple[JobHandle, list[dict[str, Any]]]:
        """A finished job, and the summary of each of its datasets."""
        job = self.finished(name, dataset, config)
        job.fetch(folder)
        return job, [json.loads(path.read_text()) for path in sorted(folder.rglob("summary.json"))]


class Endpoint:
    """A boto3 session whose clients have an address."""

    def __init__(self, session: Any, url: str) -> None:
        self._session, self._url = session, url

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._url)
