"""The Pulumi program: stack `utils`, or `<analysis>-<stage>` for the blueprint of that name."""

from pathlib import Path

import pulumi

from components import program

for name, value in program.outputs(Path(__file__).resolve().parent).items():
    pulumi.export(name, value)
