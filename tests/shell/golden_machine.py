"""A folder as the machine of a golden test has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from image_builder import golden
from neurocaas.protocol.settings import AnalysisSettings, Code, Image, InstanceSettings, Limits


def prepare(
    folder: Path, analysis: str, script: str, code: bytes, sha256: str, parameters: Mapping[str, Any] | None
) -> None:
    """Put the program, the code and the stack's settings into `folder`, which has the golden folder
    already.
    """
    shutil.copy(golden.program(), folder / golden.PROGRAM)
    (folder / "code.tar.gz").write_bytes(code)
    settings = AnalysisSettings(
        instance=InstanceSettings(
            type="m5.large",
            types=("m5.large",),
            duration_minutes=60,
            max_duration_minutes=60,
            volume_gib=8,
        ),
        limits=Limits(dataset_size_gib=1, datasets=1),
        analysis=analysis,
        stage="webdev",
        stack=f"{analysis}-webdev",
        bucket=analysis,
        region="us-east-1",
        account="0" * 12,
        groups={},
        prices={"m5.large": 0.1},
        prices_date="",
        budget_usd=1.0,
        image=Image("ami-1", ready=False),
        script=f"{analysis}/{script}",
        code=Code("artifacts", "code/x", sha256),
        ledger_table="t",
        queue_url="q",
        parameters=parameters,
    )
    (folder / "settings.json").write_text(settings.to_json())


def check(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The last step of the test phase, with `environment` in addition."""
    command = [
        "env",
        *(f"{name}={value}" for name, value in environment.items()),
        "bash",
        "-c",
        golden.check_commands(str(folder)),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)
