"""The Pulumi program: stack `utils`, or `<analysis>-<stage>` for the blueprint of that name."""

from pathlib import Path
from typing import Any

import pulumi

from components import program


async def main() -> dict[str, Any]:
    return await program.outputs(Path(__file__).resolve().parent)


pulumi.run(main)
