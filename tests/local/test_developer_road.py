"""The analysis developer's commands with the real engine: a new analysis is deployed at once, promoted, unlocked and emptied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from demo.playground import Playground, playground

pytestmark = [pytest.mark.local, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
NAME = "my-analysis"


@pytest.fixture(scope="module")
def ground() -> Iterator[Playground]:
    with playground(ROOT) as made:
        made.invoke("local.up")
        made.invoke("deploy", "utils", "--yes", "--local")
        yield made


def test_a_new_analysis_goes_from_configure_to_prod_and_is_emptied(ground: Playground) -> None:
    assert "invoke deploy my-analysis-webdev" in ground.invoke("configure", NAME).stdout
    assert ground.invoke("validate", NAME).stdout == f"blueprints/{NAME}/blueprint.yaml: right\n"
    ground.invoke("deploy", f"{NAME}-webdev", "--yes", "--local")

    blueprint = ground.root / "blueprints" / NAME / "blueprint.yaml"
    refused = ground.invoke("promote", f"{NAME}-webdev", f"{NAME}-prod", "--yes", "--local", check=False)
    assert refused.returncode == 1
    assert "stages.prod.bucket" in refused.stderr
    blueprint.write_text(blueprint.read_text() + f"stages:\n  prod: {{bucket: {NAME}-prod}}\n")
    promoted = ground.invoke("promote", f"{NAME}-webdev", f"{NAME}-prod", "--yes", "--local")
    assert f"{NAME}-prod runs what {NAME}-webdev runs." in promoted.stdout
    webdev, prod = (json.loads(ground.invoke("outputs", f"{NAME}-{stage}", "--local").stdout) for stage in ("webdev", "prod"))
    assert (webdev["image_id"], webdev["code_sha256"]) == (prod["image_id"], prod["code_sha256"])

    script = ground.root / "blueprints" / NAME / f"run_{NAME}.sh"
    script.write_text(script.read_text() + "\n# changed since\n")
    changed = ground.invoke("promote", f"{NAME}-webdev", f"{NAME}-prod", "--yes", "--local", check=False)
    assert "is not what my-analysis-webdev runs" in changed.stderr
    assert "Traceback" not in changed.stderr

    environ = ground.local_environment()
    s3 = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    for body in (b"1", b"22"):
        s3.put_object(Bucket=NAME, Key="debuggers/inputs/a", Body=body)
    counted = ground.invoke("empty-bucket", f"{NAME}-webdev", "--prefix", "debuggers/inputs/", "--count", "--local").stdout
    assert f"s3://{NAME}/debuggers/inputs/ holds 1 object" in counted
    assert ground.invoke("empty-bucket", f"{NAME}-webdev", "--local", check=False).returncode == 1
    assert "is empty" in ground.invoke("empty-bucket", f"{NAME}-webdev", "--yes", "--local").stdout
    assert ground.invoke("empty-bucket", f"{NAME}-prod", "--yes", "--local", check=False).returncode == 1


def test_a_lock_is_removed_and_the_next_deploy_works(ground: Playground) -> None:
    """The local backend keeps a lock as a file; a killed deploy leaves it behind."""
    assert "stack utils exists" in ground.invoke("new-stack", "utils", "--local").stdout
    locks = ground.root / ".local" / "pulumi" / "state" / ".pulumi" / "locks" / "organization" / "neurocaas" / "utils"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.json").write_text(json.dumps({"pid": 1, "username": "u", "hostname": "h", "timestamp": "2026-01-01T00:00:00Z"}))
    stuck = ground.invoke("deploy", "utils", "--yes", "--local", check=False)
    assert stuck.returncode != 0
    assert "lock" in stuck.stdout + stuck.stderr
    unlocked = ground.invoke("unlock", "utils", "--yes", "--local")
    assert "utils is unlocked; nothing was left unfinished." in unlocked.stdout
    ground.invoke("deploy", "utils", "--yes", "--local")
