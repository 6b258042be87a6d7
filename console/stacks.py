"""Stack names: `utils`, or `<analysis>-<stage>`."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path

from console.errors import UserError


def all_stacks(root: Path, stage: str = "webdev") -> list[str]:
    """`utils` and the stack of every blueprint at `stage`, in the order in which they are deployed."""
    import blueprints

    return ["utils", *(f"{name}-{stage}" for name in blueprints.names(root))]


def check(stack: str, root: Path, deployed: Callable[[], Iterable[str]] = tuple) -> str:
    """The stack's name, when it is `utils` or a blueprint at a known stage; else UserError with the nearest
    name there is. `deployed` gives the stacks of the backend: one whose blueprint is gone is told as such."""
    import blueprints

    if not stack:
        raise UserError(
            "no stack",
            "'utils' or <analysis>-<stage>",
            f"name one, for instance `--stack {all_stacks(root)[-1]}`",
        )
    names = blueprints.names(root)
    known = ["utils", *(f"{name}-{stage}" for name in names for stage in blueprints.Stage)]
    if stack in known:
        return stack
    analysis = stack.rpartition("-")[0] or stack
    if analysis != stack and analysis not in names and stack in _those(deployed):
        raise UserError(
            f"stack '{stack}', whose blueprint is gone (there is no blueprint '{analysis}')",
            f"a stack of one of the blueprints {', '.join(names)}",
            f"put blueprints/{analysis}/ back, or give it its old name; or take the stack away: invoke "
            f"destroy {stack}",
        )
    near = [f"{stack}-webdev"] if stack in names else difflib.get_close_matches(stack, known, 1, 0.8)
    why = (
        ", which lacks its stage"
        if stack in names
        else ""
        if analysis in names
        else f" (there is no blueprint '{analysis}')"
    )
    raise UserError(
        f"stack '{stack}'{why}",
        f"'utils', or one of the blueprints {', '.join(names)} followed by -{', -'.join(blueprints.Stage)}",
        f"did you mean '{near[0]}'?" if near else "check the name; a blueprint is a folder in blueprints/",
    )


def _those(deployed: Callable[[], Iterable[str]]) -> Iterable[str]:
    """What the backend has; nothing for one that does not answer: the name is wrong in any case."""
    try:
        return deployed()
    except UserError:
        return ()


def check_deployed(stack: str, root: Path, deployed: Callable[[], Iterable[str]]) -> str:
    """The stack's name as `check` takes it, or that of a stack of the backend (`deployed`) whose blueprint is
    gone or was renamed.
    """
    try:
        return check(stack, root)
    except UserError:
        if stack and stack in _those(deployed):
            return stack
        raise


def without_blueprint(stack: str, root: Path) -> bool:
    """Whether it is the stack of an analysis that is not in blueprints/ (any more)."""
    import blueprints

    return stack != "utils" and stack.rpartition("-")[0] not in blueprints.names(root)
