"""`invoke publish`: tell the world of an analysis, or no longer."""

import sys
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


@task(
    help={
        "stack": "<analysis>-<stage>.",
        "withdraw": "Take the entry back.",
        "dry-run": "Print the entry, and put nothing.",
        "json": "Print the entry that was put.",
    }
)
def publish(
    c: Context, stack: str, withdraw: bool = False, dry_run: bool = False, json: bool = False
) -> None:
    """Put what a deployed analysis is into the public catalogue, or take it back.

    Anybody can read the entry then: name, title, description, parameters, prices, version. The catalogue is a
    bucket of its own, made by the stack `utils` when its setting publicCatalogue is true.
    """
    import json as document
    from datetime import UTC, datetime

    from account.clients import client
    from blueprints import load, parse_stack_name
    from console import catalogue
    from console.cloud import project_root
    from console.commands import engine_of_deployed
    from console.errors import UserError

    engine, name = engine_of_deployed(stack)
    if name == "utils":
        raise UserError("utils", "a stack <analysis>-<stage>", "name an analysis's stack")
    s3 = client("s3")
    if withdraw:
        bucket, url = _catalogue(engine)
        if not catalogue.withdraw(s3, bucket, name):
            raise Exit(f"{name} is not in the catalogue {url}index.json", code=1)
        sys.stderr.write(f"{name} is out of the catalogue {url}index.json\n")
        return
    settings = _settings(s3, engine.outputs(name))
    if not settings.image.ready:
        raise UserError(
            f"{name} has no baked image",
            "a stack whose jobs can run",
            f"invoke bake-ami --stack {name}, then deploy it",
        )
    parts = parse_stack_name(name)
    entry = catalogue.entry(settings, load(parts.analysis, parts.stage, project_root()), datetime.now(UTC))
    text = document.dumps(entry, indent=2) + "\n"
    if dry_run:
        sys.stdout.write(text)
        return
    bucket, url = _catalogue(engine)
    key = catalogue.publish(s3, bucket, name, entry, project_root() / "docs" / "schema")
    sys.stdout.write(text if json else f"{url}{key.removeprefix(catalogue.FOLDER)}\n")
    sys.stderr.write(f"{name}, version {entry['version']}, is in the catalogue {url}index.json\n")


def _catalogue(engine: Any) -> tuple[str, str]:
    """Bucket and address of the catalogue: that of AWS, or below the endpoint that this shell names."""
    import os

    from console.catalogue import FOLDER
    from console.errors import UserError

    outputs = engine.outputs("utils")
    if not outputs.get("catalogue_bucket"):
        do = "pulumi config set publicCatalogue true --stack utils, then invoke deploy utils"
        raise UserError("an installation without a public catalogue", "one whose stack utils has made it", do)
    bucket, endpoint = str(outputs["catalogue_bucket"]), os.environ.get("AWS_ENDPOINT_URL")
    return bucket, f"{endpoint}/{bucket}/{FOLDER}" if endpoint else str(outputs["catalogue_url"])


def _settings(s3: Any, outputs: Any) -> Any:
    """What the deployed stack runs."""
    from neurocaas.protocol.settings import AnalysisSettings

    found = s3.get_object(Bucket=outputs["settings_bucket"], Key=outputs["settings_key"])
    return AnalysisSettings.from_json(found["Body"].read())


collection = Collection(publish)
