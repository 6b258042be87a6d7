"""Small projects of their own for tests of the program."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "organization/neurocaas/utils"
"""What an analysis stack calls the utility stack."""

BLUEPRINT = """\
schema_version: 1
name: spikes
title: Spike sorting
script: run_spikes.sh
instance:
  type: m5.large
  types: [m5.large, m5.xlarge]
image:
  parent: ubuntu24
groups: [lab1, lab10]
bucket: spikes
stages:
  prod:
    bucket: spikes-prod
"""


def make_project(folder: Path, blueprint: str = BLUEPRINT, name: str = "spikes") -> Path:
    """A project whose `runtime` and `neurocaas` are the real ones and whose blueprint is the given text. Its
    base image was never baked.
    """
    (folder / "runtime").symlink_to(ROOT / "runtime")
    (folder / "neurocaas").symlink_to(ROOT / "neurocaas")
    base = folder / "blueprints" / "base"
    base.mkdir(parents=True)
    (base / "image.yaml").write_text("schema_version: 1\n")
    (base / "provision").symlink_to(ROOT / "blueprints/base/provision")
    own = folder / "blueprints" / name
    (own / "provision" / "test").mkdir(parents=True)
    (own / "blueprint.yaml").write_text(blueprint)
    (own / "run_spikes.sh").write_text("#!/bin/bash\necho spikes\n")
    (own / "provision" / "10-packages.sh").write_text("#!/bin/bash\ntouch /opt/spikes\n")
    (own / "provision" / "test" / "10-there.sh").write_text("#!/bin/bash\ntest -e /opt/spikes\n")
    return folder
