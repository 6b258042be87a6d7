"""A23: an image is baked from a recorded script, and an analysis runs on it. Failing, unchanged, changed by a
line, killed meanwhile.

One project, one local cloud, one analysis `counter` with an apt and a pip package of a few kilobytes each.
What a test needs is made by fixtures: a first image, a second one of a changed line, a third one whose build
nobody watched.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from demo.playground import Playground
from localcloud import ports
from tests.local import baking
from tests.local.baking import analysis_script, commits, git, previewed, project, provenance, run
from tests.local.deployed import client
from tests.local.states import States, up

pytestmark = [pytest.mark.local, pytest.mark.slow]
STACK = "counter-webdev"
FOLDER = "blueprints/counter"

BLUEPRINT = """\
schema_version: 1
name: counter
title: Counter
description: Counts the words of a text.
script: run_counter.sh
instance: {type: m5.large, volume_gib: 16}
image:
  parent: ubuntu24  # the newest
groups: [debuggers]
budget_usd: 300
"""
APT = """\
#!/bin/bash
set -euo pipefail
apt-get -o DPkg::Lock::Timeout=300 -qq update
apt-get -o DPkg::Lock::Timeout=300 -qq install --yes --no-install-recommends sl
"""
PIP = """\
#!/bin/bash
set -euo pipefail
python3 -m venv --without-pip /opt/counter
python3 -m pip --python /opt/counter/bin/python install --quiet --no-input six==1.16.0
touch /tmp/left
echo 'export COUNTER_STEP=1' > /etc/profile.d/counter.sh
"""
VALIDATE = "test -x /usr/games/sl\n/opt/counter/bin/python -c 'import six'\n"
TEST = "test ! -e /tmp/left\n"
GOLDEN = '{"files": {"words.txt/summary.json": {"words": 3, "six": "1.16.0"}}}\n'
RUN = analysis_script("""\
source /etc/profile.d/counter.sh
/opt/counter/bin/python - "$datastore/$dataname" "$COUNTER_STEP" > "$outstore/summary.json" <<'PYTHON'
import json, six, sys
words = len(six.ensure_text(open(sys.argv[1], "rb").read()).split())
print(json.dumps({"words": words, "step": int(sys.argv[2]), "six": six.__version__}))
PYTHON
""")


@pytest.fixture(scope="module")
def ground(states: States) -> Iterator[Playground]:
    """The project with `counter`."""
    files = {
        "blueprint.yaml": BLUEPRINT,
        "run_counter.sh": RUN,
        "README.md": "# Counter\n",
        "provision/10-apt.sh": APT,
        "provision/20-pip.sh": PIP,
        "provision/notes.txt": "A file beside the scripts: they travel through S3.\n",
        "provision/validate/10-there.sh": VALIDATE,
        "provision/test/10-fresh.sh": TEST,
        "provision/test/golden/dataset/words.txt": "a b c",
        "provision/test/golden/expected.json": GOLDEN,
    }
    with project(states, "counter", files) as made:
        yield made


def deploy(ground: Playground) -> None:
    up(ground, STACK)


def bake(ground: Playground, *flags: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return ground.invoke("bake-ami", "--local", "--stack", STACK, *flags, check=check)


def baked(ground: Playground, *flags: str) -> dict[str, Any]:
    return baking.baked(ground, STACK, *flags)


def recorded(ground: Playground) -> str | None:
    return baking.recorded(ground.root / FOLDER / "blueprint.yaml")


def builds(ground: Playground) -> list[str]:
    return sorted(
        path.name for path in (ground.root / ".local" / "builds").glob("*") if "counter" in path.name
    )


@dataclass(frozen=True)
class Bake:
    """What `bake-ami` said, and the history, the image of the blueprint and the builds before it."""

    done: dict[str, Any]
    history: list[str]
    image: str | None
    builds: list[str]


def noted(ground: Playground, *flags: str) -> Bake:
    history, image, made = commits(ground), recorded(ground), builds(ground)
    return Bake(baked(ground, *flags), history, image, made)


@pytest.fixture(scope="module")
def first(ground: Playground) -> tuple[Bake, dict[str, Any]]:
    """The first image, and what a job on it has said."""
    deploy(ground)
    (ground.root / "staged.txt").write_text("another work\n")
    git(ground, "add", "staged.txt")
    (ground.root / FOLDER / "README.md").write_text("# Counter\n\nCounts words.\n")
    bake = noted(ground, "--message", "the first image")
    deploy(ground)
    return bake, run(ground, "counter", "one two three four")


def test_bake_deploy_and_run(ground: Playground, first: tuple[Bake, dict[str, Any]]) -> None:
    bake, result = first
    done = bake.done
    assert done["action"] == "build"
    assert recorded(ground) == done["image_id"]
    second, sources = commits(ground)[: len(commits(ground)) - len(bake.history)]
    assert done["commits"] == [sources, second]
    changed = [
        git(ground, "show", "--format=", "--name-only", commit).split() for commit in (sources, second)
    ]
    assert changed == [[f"{FOLDER}/README.md"], [f"{FOLDER}/bake.json", f"{FOLDER}/blueprint.yaml"]]
    assert "Purpose: the first image" in git(ground, "log", "-1", "--format=%s", second)
    assert git(ground, "status", "--porcelain", "staged.txt") == "A  staged.txt\n"
    assert "  # the newest" in (ground.root / FOLDER / "blueprint.yaml").read_text()
    what = provenance(ground.root / FOLDER / "blueprint.yaml")
    assert what["git"] == {"commit": sources, "dirty": False}
    assert what["packages"]["pip:/opt/counter"]["six"] == "1.16.0"
    assert "sl" in what["packages"]["dpkg"]
    assert what["parent"]["ami"].startswith("ami-")
    assert {step["name"] for step in what["steps"]} >= {"ApplyBuildComponents", "ApplyTestComponents"}
    assert set(what["scripts"]) >= {
        "10-apt.sh",
        "20-pip.sh",
        "test/golden/expected.json",
        "validate/10-there.sh",
    }
    assert what["golden"] == {"words.txt/summary.json": {"words": 3, "six": "1.16.0"}}
    assert result == {"words": 4, "step": 1, "six": "1.16.0"}


@pytest.mark.usefixtures("first")
def test_unchanged_bakes_nothing(ground: Playground) -> None:
    image, history, made = recorded(ground), commits(ground), builds(ground)
    assert baked(ground)["action"] == "nothing"
    assert (recorded(ground), commits(ground), builds(ground)) == (image, history, made)
    assert "was built from this recipe" in bake(ground).stdout


@dataclass(frozen=True)
class Changed:
    """What was said while a line of a script was changed, deployed and baked."""

    refused: "subprocess.CompletedProcess[str]"
    previewed: dict[str, list[str]]
    previewed_again: dict[str, list[str]]
    plan: dict[str, Any]
    bake: Bake


@pytest.fixture(scope="module")
def second(ground: Playground, first: object) -> Changed:
    """The image of another line."""
    script = ground.root / FOLDER / "provision/20-pip.sh"
    script.write_text(script.read_text().replace("COUNTER_STEP=1", "COUNTER_STEP=2"))
    refused, changes = bake(ground, check=False), previewed(ground, STACK)
    deploy(ground)  # Image Builder refuses to delete what the pipeline still refers to: the order matters
    return Changed(refused, changes, previewed(ground, STACK), baked(ground, "--plan"), noted(ground))


def test_one_changed_line_is_one_build_and_two_commits(
    ground: Playground, first: tuple[Bake, dict[str, Any]], second: Changed
) -> None:
    assert second.refused.returncode == 1
    assert f"invoke deploy {STACK}" in second.refused.stderr + second.refused.stdout
    assert "Traceback" not in second.refused.stderr
    assert len(second.bake.builds) == len(first[0].builds) + 1, "what was refused has built nothing"
    assert second.previewed == {
        "replace": [
            "BucketObjectv2 counter-webdev-image-provision",
            "Component counter-webdev-image-build",
            "Component counter-webdev-image-test",
            "ImageRecipe counter-webdev-image",
        ],
        "update": [
            "BucketObjectv2 counter-webdev-about-debuggers",
            "BucketObjectv2 counter-webdev-settings",
            "DistributionConfiguration counter-webdev-image",
            "Function counter-webdev-manager",
            "ImagePipeline counter-webdev-image",
        ],
    }
    assert second.previewed_again == {}
    assert (second.plan["action"], second.plan["problems"]) == ("build", [])
    done = second.bake.done
    assert recorded(ground) == done["image_id"] != second.bake.image
    assert len(builds(ground)) == len(second.bake.builds) + 1
    assert len(commits(ground)) == len(second.bake.history) + 2
    assert f"Purpose: {done['image_id']} of recipe " in git(ground, "log", "-1", "--format=%s"), (
        "nobody gave a --message"
    )
    files = git(ground, "show", "--format=", "--name-only", "HEAD~1", "HEAD").split()
    assert all(name.startswith(FOLDER) for name in files)


@pytest.mark.usefixtures("first")
def test_a_failing_script_is_named_and_nothing_changes(ground: Playground) -> None:
    image, history, images = recorded(ground), commits(ground), published(ground)
    with edited(ground, "provision/20-pip.sh", "echo 'export", "ls /nonesuch\necho 'export"):
        deploy(ground)
        text = (ground.root / FOLDER / "blueprint.yaml").read_text()
        failed = bake(ground, check=False)
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1
    assert f"{FOLDER}/provision/20-pip.sh:6: ls /nonesuch" in said
    assert "phase build, step 20-pip (ExecuteBash)" in said
    assert "cannot access '/nonesuch'" in said
    assert "Traceback" not in said
    assert (recorded(ground), commits(ground), (ground.root / FOLDER / "blueprint.yaml").read_text()) == (
        image,
        history,
        text,
    )
    assert published(ground) == images == registered(ground)


@pytest.mark.usefixtures("first")
def test_other_numbers_than_the_golden_ones_publish_nothing(ground: Playground) -> None:
    image, images = recorded(ground), published(ground)
    with edited(ground, "provision/test/golden/expected.json", ": 3", ": 4"):
        assert "BucketObjectv2 counter-webdev-image-golden" in previewed(ground, STACK)["update"]
        deploy(ground)
        kept = bake(ground).stdout
        assert "the golden test changed since" in kept, "no image is built for other numbers"
        assert "was built from this recipe" in kept
        tried = ground.invoke("golden", "counter", "--json", "--accept", "--yes")
        assert json.loads(tried.stdout)["on"] == f"the image {image}"
        assert json.loads(tried.stdout)["differences"] == [
            "words.txt/summary.json: words is 3, expected 4 (give or take 1e-06 of it)"
        ]
        assert '+      "words": 3' in tried.stderr
        accepted = json.loads((ground.root / FOLDER / "provision/test/golden/expected.json").read_text())
        assert accepted["files"] == json.loads(GOLDEN)["files"]
        failed = bake(ground, "--force", check=False)
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1
    assert "phase test, step golden" in said
    assert (
        f"{FOLDER}/provision/test/golden/expected.json:1: words.txt/summary.json: words is 3, expected 4"
        in said
    )
    assert recorded(ground) == image
    assert published(ground) == images


@dataclass(frozen=True)
class Killed:
    """What was said of a build that ran on while its watchers ended, and was taken up by another."""

    before: str | None
    interrupted: str
    interrupted_code: int
    kept: str | None
    plan: dict[str, Any]
    bake: Bake
    resumed: str | None
    builds: list[str]
    cancelled_code: int
    builds_before: list[str]


@pytest.fixture(scope="module")
def third(ground: Playground, second: object) -> Killed:
    """An image of a build whose watchers were interrupted and killed."""
    image = recorded(ground)
    port = ports.lease()  # the script goes on once somebody listens there: builds have the host's network
    wait = (
        f"echo waiting; timeout 90 bash -c 'until (: < /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do sleep "
        "0.1; done'\n"
    )
    with edited(ground, "provision/20-pip.sh", "echo 'export", wait + "echo 'export"):
        deploy(ground)
        made = builds(ground)
        with watching(ground) as child:
            child.send_signal(signal.SIGINT)
            interrupted, code = child.stdout.read() if child.stdout else "", child.wait(30)
        with watching(ground) as child:
            child.kill()
        kept, plan = recorded(ground), baked(ground, "--plan")
        with socket.create_server(("127.0.0.1", port)):
            bake_ = noted(ground, "--resume", "--no-commit")
        resumed, built = recorded(ground), builds(ground)
        with watching(ground, "--force") as child:
            bake(ground, "--cancel")
            cancelled = child.wait(30)
    return Killed(image, interrupted, code, kept, plan, bake_, resumed, built, cancelled, made)


def test_killed_in_the_middle_it_is_taken_up_or_cancelled(ground: Playground, third: Killed) -> None:
    assert "the build goes on, and the blueprint is unchanged" in third.interrupted
    assert third.interrupted_code == 130
    assert third.kept == third.before
    assert third.plan["action"] == "resume"
    assert third.bake.done["action"] == "resume"
    assert third.resumed == third.bake.done["image_id"] != third.before
    assert len(third.builds) == len(third.builds_before) + 1
    assert third.cancelled_code == 1
    assert recorded(ground) == third.resumed
    assert not list((ground.root / ".local").rglob("builds-running/*"))


@contextmanager
def edited(ground: Playground, path: str, old: str, new: str) -> Iterator[None]:
    """A file of the analysis with a part replaced, while the body runs."""
    file = ground.root / FOLDER / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    try:
        yield
    finally:
        file.write_text(text)


@contextmanager
def watching(ground: Playground, *flags: str) -> "Iterator[subprocess.Popen[str]]":
    """`bake-ami` in the middle of a build: the script has said "waiting"."""
    command = [sys.executable, "-m", "invoke", "bake-ami", "--local", "--stack", STACK, *flags]
    with subprocess.Popen(
        command,
        cwd=ground.root,
        env=ground.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        assert any("Stdout: waiting" in line for line in child.stdout or ())
        yield child


def published(ground: Playground) -> list[str]:
    """Images on disk."""
    return sorted(path.name for path in (ground.root / ".local" / "images").glob("ami-*"))


def registered(ground: Playground) -> list[str]:
    """Images that EC2 knows."""
    return sorted(
        str(image["ImageId"]) for image in client(ground, "ec2").describe_images(Owners=["self"])["Images"]
    )


@pytest.mark.usefixtures("third")
def test_an_image_is_listed_compared_promoted_and_retired(ground: Playground) -> None:
    current = recorded(ground)
    deploy(ground)  # the script is again the one without the wait: `other` is of that recipe
    listed = json.loads(images(ground, "list", "--json"))
    now = next(one for one in listed if one["image_id"] == current)
    used = next(one for one in listed if one["jobs"])
    (other,) = [one for one in listed if one not in (now, used)]
    assert (now["blueprint"], now["deployed"], now["current_recipe"]) == (True, True, False)
    assert (other["blueprint"], other["deployed"], other["current_recipe"]) == (False, False, True)
    assert now["usd_per_month"] == pytest.approx(now["size_gib"] * 0.05)
    assert "in all at most $2.40 a month" in images(ground, "list")  # three images of 16 GiB
    shown = json.loads(images(ground, "show", str(current), "--json"))
    assert shown["manifest"]["packages"]["pip:/opt/counter"] == {"six": "1.16.0"}
    assert shown["golden"] == {"words.txt/summary.json": {"words": 3, "six": "1.16.0"}}
    compared = images(ground, "diff", used["image_id"], str(current))
    assert "no package differs" in compared
    assert "golden test      the same numbers" in compared
    assert "blueprint names it" in refused(ground, str(current))
    assert f"certificates of 1 jobs ({used['jobs'][0]})" in refused(ground, used["image_id"])
    assert all("no image of it" in refused(ground, wrong) for wrong in ("ami-nonesuch", ""))
    second = ground.root / "blueprints" / "second"
    shutil.copytree(ground.root / FOLDER, second)
    text = BLUEPRINT.replace("name: counter", "name: second").replace(
        "parent: ubuntu24", f"parent: {other['image_id']}"
    )
    (second / "blueprint.yaml").write_text(text)
    assert "parent of the images of second" in refused(ground, other["image_id"], "--force")
    shutil.rmtree(second)
    images(ground, "retire", other["image_id"])
    assert published(ground) == sorted((now["image_id"], used["image_id"]))
    assert other["image_id"] not in images(ground, "list")
    images(ground, "promote", "--no-commit", used["image_id"])
    assert recorded(ground) == used["image_id"]
    assert "blueprint names it" in refused(ground, used["image_id"], "--force")
    images(ground, "promote", "--no-commit", str(current))
    images(ground, "retire", "--force", used["image_id"])
    assert published(ground) == registered(ground) == [current]


def images(ground: Playground, command: str, *arguments: str) -> str:
    return ground.invoke(f"images.{command}", "--local", "--analysis", "counter", *arguments).stdout


def refused(ground: Playground, *arguments: str) -> str:
    """What `images.retire` says when it refuses."""
    done = ground.invoke("images.retire", "--local", "--analysis", "counter", *arguments, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr
