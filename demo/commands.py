"""`invoke demo`: the guided tour."""

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


@task(help={"to": "The folder for the results and summary.json; made when missing."})
def demo(c: Context, to: str = "results/demo") -> None:
    """Run the whole service here: deploy, bake an image, submit two analyses, follow, fetch results."""
    from pathlib import Path

    from console.cloud import project_root
    from demo.preflight import require
    from demo.tour import Tour

    root = project_root()
    require(root)
    code = Tour(root, root / Path(to)).run()
    if code:
        raise Exit(code=code)


collection = Collection(demo)
