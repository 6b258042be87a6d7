"""What a submission would do, for people and for programs; nothing is uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurocaas.configs import name_of
from neurocaas.data_checks import Data
from neurocaas.layout import cell, columns
from neurocaas.protocol.keys import INPUTS
from neurocaas.protocol.units import size
from neurocaas.steps import SubmissionPlan
from neurocaas.uploads import name_of as file_name


def facts(plans: Sequence[SubmissionPlan], group: str) -> list[dict[str, Any]]:
    """One mapping for each job."""
    return [
        {
            "job": plan.wish.timestamp,
            "uploads": [
                {"path": one.name, "bytes": one.size, "files": one.files, "key": _key(one, group)}
                for one in plan.checked.files
            ],
            "keys": list(plan.wish.keys),
            "datasets": len(plan.checked.sizes),
            "machines": plan.forecast.datasets,
            "instance_type": plan.forecast.instance_type,
            "config": dict(plan.checked.config.values) if plan.checked.config else None,
            "resultpath": plan.wish.resultpath or None,
        }
        for plan in plans
    ]


def lines(plans: Sequence[SubmissionPlan], group: str) -> list[str]:
    """What would be uploaded, each once, and what would be submitted."""
    files = {one.name: one for plan in plans for one in plan.checked.files}
    rows = [
        ("would upload", cell(one.name), _amount(one), f"to {cell(_key(one, group))}")
        for one in files.values()
    ]
    said = columns(rows)
    for plan in plans:
        count, machines = len(plan.checked.sizes), plan.forecast.datasets
        many = "1 dataset" if count == 1 else f"{count} datasets"
        each = f"{machines} machine{'' if machines == 1 else 's'} {plan.forecast.instance_type}"
        said.append(f"would submit  job {plan.wish.timestamp}: {many}, {name_of(plan.wish.config)}, {each}")
    return [*said, "nothing was uploaded or submitted"]


def _amount(one: Data) -> str:
    return size(one.size) if one.files == 1 else f"{size(one.size)} in {one.files} files"


def _key(one: Data, group: str) -> str:
    """A folder's is named by its content, which is read when it is uploaded."""
    name = file_name(one.name)
    return (
        f"{group}/{INPUTS}/DIGEST/{name}/"
        if one.files > 1 or Path(one.name).is_dir()
        else f"{group}/{INPUTS}/{name}"
    )
