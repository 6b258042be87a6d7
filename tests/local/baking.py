"""What tests of baking share: a project in a git repository with a local cloud, and what they do with an
analysis in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from demo.playground import Playground
from tests.local.deployed import client, outputs
from tests.local.states import UTILS, States

_START = """\
#!/bin/bash
source "$(dirname "$0")/ncap_utils/workflow.sh"
source "$(dirname "$0")/ncap_utils/transfer.sh"
errorlog
datastore="$userhome/data" outstore="$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
accessdir "$datastore" "$userhome/config" "$outstore"
download "$inputpath" "$bucketname" "$datastore"
"""
_END = 'upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"\n'


def analysis_script(commands: str) -> str:
    """A script that leaves a summary.json in $outstore, of the dataset $datastore/$dataname."""
    return _START + commands + _END


@contextmanager
def project(
    states: States, analysis: str, files: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> Iterator[Playground]:
    """The project with an analysis of these files beside the others, all of it committed; `utils` is
    deployed. `environ`: for its local cloud.
    """
    with states.copy(UTILS, environ) as ground:
        for name, text in files.items():
            path = ground.root / "blueprints" / analysis / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(ground, "init", "--quiet", "--initial-branch", "main")
        git(ground, "config", "user.name", "Someone")
        git(ground, "config", "user.email", "someone@example.org")
        git(ground, "add", ".gitignore", "blueprints")
        git(ground, "commit", "--quiet", "-m", "start")
        ground.invoke("local.up")  # the engine gets a stack of the new analysis
        yield ground


def git(ground: Playground, *arguments: str) -> str:
    return ground.run(["git", *arguments], ground.environ).stdout


def commits(ground: Playground) -> list[str]:
    return git(ground, "log", "--format=%H", "main").split()


def baked(ground: Playground, stack: str, *flags: str) -> dict[str, Any]:
    """What `invoke bake-ami` says that it did."""
    document: dict[str, Any] = json.loads(
        ground.invoke("bake-ami", "--local", "--json", "--stack", stack, *flags).stdout
    )
    return document


def recorded(settings: Path) -> str | None:
    """The image that a blueprint.yaml or image.yaml names."""
    amis = yaml.safe_load(settings.read_text())["image"].get("amis", {})
    return next(iter(amis.values()), None)


def provenance(settings: Path) -> dict[str, Any]:
    """What `bake.json` beside the settings says of the image."""
    document: dict[str, Any] = json.loads(settings.with_name("bake.json").read_text())["images"][
        "000000000000/us-east-1"
    ]
    return document


def previewed(ground: Playground, stack: str) -> dict[str, list[str]]:
    """What a deployment would change: operation -> "type name", sorted."""
    found: dict[str, list[str]] = {}
    for step in json.loads(ground.pulumi("preview", "--json", "--stack", stack).stdout)["steps"]:
        *_, kind, name = step["urn"].split("::")
        if step["op"] not in ("same", "read"):
            found.setdefault(step["op"], []).append(
                f"{kind.rpartition(':')[2]} {name.removeprefix('neurocaas-')}"
            )
    return {operation: sorted(names) for operation, names in found.items()}


def run(ground: Playground, analysis: str, text: str) -> dict[str, Any]:
    """A job on one dataset; the summary.json that the analysis wrote."""
    data = ground.root / "words.txt"
    data.write_text(text)
    config = ground.root / "config.json"
    config.write_text("{}")
    where = ["--local", "--bucket", analysis, "--group", "debuggers"]
    job = ground.invoke(
        "submit", *where, "--data", str(data), "--config", str(config), "--no-forecast"
    ).stdout.split()[-1]
    ground.invoke("follow", *where, "--job", job)
    s3, bucket = client(ground, "s3"), outputs(ground, f"{analysis}-webdev")["bucket"]
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"debuggers/results/job_{job}/process_results/")[
        "Contents"
    ]
    (key,) = [one["Key"] for one in found if one["Key"].endswith("summary.json")]
    document: dict[str, Any] = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    return document
