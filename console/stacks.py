"""Stack names: `utils`, or `<analysis>-<stage>`."""

import difflib
from pathlib import Path

from console.errors import UserError

STAGES = ("webdev", "develop", "staging", "prod")
UTILS = "utils"


def all_stacks(root: Path, stage: str = "webdev") -> list[str]:
    """`utils` and the stack of every blueprint at `stage`, in the order in which they are deployed."""
    import blueprints

    return [UTILS, *(f"{name}-{stage}" for name in blueprints.names(root))]


def check(stack: str, root: Path) -> str:
    """The stack's name, when it is `utils` or a blueprint at a known stage; else UserError."""
    import blueprints

    if not stack:
        raise UserError("no stack", f"'{UTILS}' or <analysis>-<stage>", f"name one, for instance `--stack {all_stacks(root)[-1]}`")
    names = blueprints.names(root)
    analysis, _, stage = stack.rpartition("-")
    if stack == UTILS or (analysis in names and stage in STAGES):
        return stack
    known = [f"{name}-{one}" for name in names for one in STAGES]
    near = difflib.get_close_matches(stack, [UTILS, *known], 1)
    raise UserError(
        f"stack '{stack}'" + ("" if analysis in names else f" (there is no blueprint '{analysis or stack}')"),
        f"'{UTILS}', or one of the blueprints {', '.join(names)} followed by -{' -'.join(STAGES)}",
        f"did you mean '{near[0]}'?" if near else "check the name; a blueprint is a folder in blueprints/",
    )


def analysis_of(stack: str) -> str:
    """The analysis that a stack deploys."""
    return stack.rpartition("-")[0]
