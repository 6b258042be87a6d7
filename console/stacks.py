"""Stack names: `utils`, or `<analysis>-<stage>`."""

import difflib
from pathlib import Path

from console.errors import UserError


def all_stacks(root: Path, stage: str = "webdev") -> list[str]:
    """`utils` and the stack of every blueprint at `stage`, in the order in which they are deployed."""
    import blueprints

    return ["utils", *(f"{name}-{stage}" for name in blueprints.names(root))]


def check(stack: str, root: Path) -> str:
    """The stack's name, when it is `utils` or a blueprint at a known stage; else UserError with the nearest name there is."""
    import blueprints

    if not stack:
        raise UserError("no stack", "'utils' or <analysis>-<stage>", f"name one, for instance `--stack {all_stacks(root)[-1]}`")
    names = blueprints.names(root)
    known = ["utils", *(f"{name}-{stage}" for name in names for stage in blueprints.Stage)]
    if stack in known:
        return stack
    analysis = stack.rpartition("-")[0] or stack
    near = [f"{stack}-webdev"] if stack in names else difflib.get_close_matches(stack, known, 1, 0.8)
    why = ", which lacks its stage" if stack in names else "" if analysis in names else f" (there is no blueprint '{analysis}')"
    raise UserError(
        f"stack '{stack}'{why}",
        f"'utils', or one of the blueprints {', '.join(names)} followed by -{', -'.join(blueprints.Stage)}",
        f"did you mean '{near[0]}'?" if near else "check the name; a blueprint is a folder in blueprints/",
    )
