"""Two layers of images: the project's base image is baked once, and the image of an analysis is a layer over
it.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.playground import Playground
from localcloud.images.store import Images
from tests.local.baking import (
    analysis_script,
    baked,
    commits,
    git,
    previewed,
    project,
    provenance,
    recorded,
    run,
)
from tests.local.kept import KEPT_LAYERS
from tests.local.states import States, up

pytestmark = [pytest.mark.local, pytest.mark.slow]
STACK = "layered-webdev"

BLUEPRINT = """\
schema_version: 1
name: layered
title: Layered
script: run_layered.sh
instance: {type: m5.large, volume_gib: 16}
image:
  parent: base
groups: [debuggers]
budget_usd: 300
"""
TOOLS = """\
#!/bin/bash
set -euo pipefail
aws --version | cut -d ' ' -f 1 > /opt/layered
"""
RUN = analysis_script("""\
jq --null-input --argjson words "$(wc -w < "$datastore/$dataname")" --arg baked "$(cat /opt/layered)" \\
    --arg here "$(aws --version | cut -d ' ' -f 1)" '{$words, $baked, $here}' > "$outstore/summary.json"
""")
DOCUMENT = """\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - {name: tools, action: ExecuteBash, inputs: {commands: ["set -e; jq --version; aws --version"]}}
"""


@pytest.fixture(scope="module")
def ground(states: States) -> Iterator[Playground]:
    """The project with `layered`, which stands on the base."""
    files = {"blueprint.yaml": BLUEPRINT, "run_layered.sh": RUN, "provision/10-tools.sh": TOOLS}
    with project(states, "layered", files, KEPT_LAYERS) as made:
        yield made


def test_without_a_base_one_message_says_what_to_run(ground: Playground) -> None:
    said = [
        ground.invoke("validate", "layered", check=False),
        ground.pulumi("preview", "--stack", STACK, check=False),
    ]
    assert all(done.returncode != 0 for done in said)
    assert all(
        "'base', which was never baked" in done.stdout and "`invoke bake-ami --base`" in done.stdout
        for done in said
    )


@dataclass(frozen=True)
class Bake:
    """What `bake-ami` said, and the history before and after it, newest first."""

    done: dict[str, Any]
    before: list[str]
    after: list[str]


@pytest.fixture(scope="module")
def base(ground: Playground) -> Bake:
    """The base image."""
    before = commits(ground)
    done = json.loads(ground.invoke("bake-ami", "--local", "--base", "--json").stdout)
    return Bake(done, before, commits(ground))


def test_the_base_is_baked_and_recorded_in_two_commits_of_its_folder(ground: Playground, base: Bake) -> None:
    settings, done = ground.root / "blueprints/base/image.yaml", base.done
    assert (done["stack"], done["analysis"], done["action"]) == ("utils", "base", "build")
    assert recorded(settings) == done["image_id"]
    assert done["commits"] == base.after[1::-1]
    assert len(base.after) == len(base.before) + 2
    files = git(ground, "show", "--format=", "--name-only", base.after[0]).split()
    assert files == ["blueprints/base/bake.json", "blueprints/base/image.yaml"]
    assert provenance(settings)["packages"]["pip:/opt/neurocaas/awscli"]["awscli"]
    assert baked(ground, "utils")["action"] == "nothing"


@pytest.fixture(scope="module")
def layer(ground: Playground, base: Bake) -> tuple[dict[str, Any], dict[str, Any]]:
    """The image over the base: what `bake-ami` said, and what a job on it did."""
    up(ground, STACK)
    done = baked(ground, STACK)
    up(ground, STACK)
    return done, run(ground, "layered", "one two three four")


def test_an_analysis_is_a_layer_over_the_base_and_has_its_tools(
    ground: Playground, layer: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    done, result = layer
    settings = ground.root / "blueprints/layered/blueprint.yaml"
    base = recorded(settings.parents[1] / "base/image.yaml")
    assert provenance(settings)["parent"] == {"blueprint": "base", "recipe": base, "ami": base}
    layers = {image.image_id: image for image in Images(ground.root / ".local/images", "").all()}
    assert layers[done["image_id"]].parent == base
    assert result["words"] == 4
    assert result["baked"] == result["here"].strip() != ""


@pytest.mark.usefixtures("layer")
def test_the_base_stays_while_an_analysis_stands_on_it(ground: Playground) -> None:
    listed = {
        one["analysis"]: one for one in json.loads(ground.invoke("images.list", "--local", "--json").stdout)
    }
    assert (listed["base"]["blueprint"], listed["base"]["parent_of"]) == (True, ["layered"])
    assert listed["layered"]["jobs"]
    refused = ground.invoke("images.retire", "--local", "--force", listed["base"]["image_id"], check=False)
    assert refused.returncode == 1
    assert "is in use" in refused.stderr


@pytest.fixture(scope="module")
def verified(ground: Playground, layer: object) -> dict[str, Any]:
    """What a replay of the recording said; that it was done is written down, and in what a deploy tells."""
    told: dict[str, Any] = json.loads(
        ground.invoke("verify-recording", "--analysis", "layered", "--json").stdout
    )
    return told


def test_recordings_are_replayed_and_documents_tried_on_the_base(
    ground: Playground, verified: dict[str, Any]
) -> None:
    assert verified["reproduces"], verified
    assert baked(ground, STACK, "--plan")["verified"] == "yes"
    (ground.root / "document.yaml").write_text(DOCUMENT)
    ground.invoke("run-document", "--document", "document.yaml", "--parent", "base")


@pytest.mark.usefixtures("verified")
def test_another_base_is_another_recipe_and_nothing_else(ground: Playground) -> None:
    folder = ground.root / "blueprints/base"
    old = recorded(folder / "image.yaml")
    # quicker to bake, and another image: that is all that matters
    (folder / "provision/10-tools.sh").write_text("touch /opt/other\n")
    for phase in ("validate", "test"):
        shutil.rmtree(folder / "provision" / phase)
    assert previewed(ground, "utils") == {
        "delete": ["Component utils-base-test"],
        "replace": [
            "BucketObjectv2 utils-base-provision",
            "Component utils-base-build",
            "ImageRecipe utils-base",
        ],
        "update": [
            "DistributionConfiguration utils-base",
            "ImagePipeline utils-base",
            "Trail utils-data",  # for the bucket of `layered`, which this `utils` does not know
        ],
    }
    up(ground, "utils")
    assert baked(ground, "utils")["image_id"] == recorded(folder / "image.yaml") != old
    assert previewed(ground, STACK) == {
        "replace": ["ImageRecipe layered-webdev-image"],
        "update": [
            "BucketObjectv2 layered-webdev-about-debuggers",
            "BucketObjectv2 layered-webdev-settings",
            "DistributionConfiguration layered-webdev-image",
            "Function layered-webdev-manager",
            "ImagePipeline layered-webdev-image",
        ],
    }
    plan = ground.invoke("bake-ami", "--local", "--stack", STACK, "--plan", check=False)
    assert "the scripts (or parent, or volume) changed" in plan.stdout
    assert f"invoke deploy {STACK}" in plan.stdout
