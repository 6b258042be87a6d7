"""The deployed service of the tests, which `states.py` makes: two groups in groups.yaml, and credentials of
every principal.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from demo.playground import Playground

GROUPS = """\
schema_version: 1
users:
  ann:
  bob: {}
  eve: {access_key: true}
  joe: {}
  kim: {}
  lea: {}
groups:
  lab1:
    title: First laboratory
    members: [ann, eve]
    leads: [lea]
    analyses:
      analysis: {budget_usd: 100}
    notify:
      - {to: lea@lab1.example}
      - {to: both@labs.example, events: [job-failed]}
  lab10:
    members: [bob, joe]
    leads: [kim]
    analyses:
      analysis:
    notify:
      - {to: bob@lab10.example, events: [job-ended, refused], digest: daily}
      - {to: both@labs.example, events: [budget]}
"""
OUTSIDE = """\
outside_buckets:
  - bucket: open-recordings
  - {bucket: lab1-archive, prefix: res/, use: [results], groups: [lab1]}
  - {bucket: nowhere-at-all, use: [inputs, results]}
"""
"""What the mock analysis may reach besides its own bucket; tests make the first two."""

WAITS = 'sleep "$waittime"'
FAILS = 'case "$dataname" in exit-3*) echo "this dataset fails" >&2; exit 3 ;; esac\n'
"""What the mock analysis gets for these tests: a dataset that it cannot do."""

ODD_NAMES = ("x" * 249, "two\nlines", "\u8a9e" * 83, " a\\b ", "A", "a")
ODD = f"""case "$dataname" in *odd-results*)
    mkdir "$NEUROCAAS_OUTPUT/odd"
    for name in {" ".join(shlex.quote(name) for name in ODD_NAMES)}; do printf %s "$name" >"$NEUROCAAS_OUTPUT/odd/$name"; done ;;
esac
"""  # noqa: E501
"""And one of which it makes results with names that file systems have and people seldom."""


@dataclass(frozen=True)
class Keys:
    """Credentials of a principal; None for nobody's."""

    access_key: str | None
    secret: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class Deployed:
    """The playground and the outputs of its stacks."""

    ground: Playground
    utils: dict[str, Any]
    analysis: dict[str, Any]
    keys: dict[str, Keys] = field(default_factory=dict)

    def read_outputs(self) -> None:
        """After a deployment that replaced something: the outputs as they are now."""
        self.utils.update(outputs(self.ground, "utils"))
        self.analysis.update(outputs(self.ground, "analysis-webdev"))

    @property
    def bucket(self) -> str:
        """Of the analysis: a name that nobody else has."""
        return str(self.analysis["bucket"])

    def client(self, service: str, keys: Keys | None = None) -> Any:
        """A boto3 client, as root unless `keys` say otherwise. It never retries."""
        return client(self.ground, service, keys)

    def user(self, name: str) -> Keys:
        """An access key of a user: one for all tests, since IAM allows two."""
        if name not in self.keys:
            key = self.client("iam").create_access_key(UserName=name)["AccessKey"]
            self.keys[name] = Keys(key["AccessKeyId"], key["SecretAccessKey"])
        return self.keys[name]

    def role(self, role: str) -> Keys:
        """A session of a role (name or ARN), by a trust that lets the root key take it for a moment."""
        return take_role(lambda service: self.client(service), role)


def client(ground: Playground, service: str, keys: Keys | None = None) -> Any:
    environ = ground.local_environment()
    keys = keys or Keys(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"])
    boto: Any = boto3  # the name of the service is not known to the type checker
    config = Config(
        retries={"total_max_attempts": 1}, signature_version=UNSIGNED if keys.access_key is None else None
    )
    return boto.client(
        service,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token,
        config=config,
    )


def take_role(client: Callable[[str], Any], role: str) -> Keys:
    iam, sts = client("iam"), client("sts")
    name = role.rpartition("/")[2]
    described = iam.get_role(RoleName=name)["Role"]
    trust, account = described["AssumeRolePolicyDocument"], described["Arn"].split(":")[4]
    opened = {
        **trust,
        "Statement": [
            *trust["Statement"],
            {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"},
        ],
    }
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
    try:
        keys = sts.assume_role(RoleArn=described["Arn"], RoleSessionName="test")["Credentials"]
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def outputs(ground: Playground, stack: str) -> dict[str, Any]:
    """A stack's outputs as `invoke outputs` gives them."""
    document: dict[str, Any] = json.loads(ground.invoke("outputs", "--local", "--stack", stack).stdout)
    return document


def configure(ground: Playground) -> None:
    """The groups above, the mock analysis as these tests want it, and a local cloud that runs."""
    (ground.root / "groups.yaml").write_text(GROUPS)
    folder = ground.root / "blueprints" / "analysis"
    with (folder / "blueprint.yaml").open("a") as blueprint:
        blueprint.write(
            "stages:\n  develop: {bucket: analysis-develop}\n  prod: {bucket: analysis-prod}\n" + OUTSIDE
        )
    script = folder / "run_analysis.sh"
    text = script.read_text()
    assert WAITS in text
    script.write_text(text.replace(WAITS, FAILS + ODD + WAITS))
    ground.invoke("local.up")
    for setting in ("publicCatalogue", "auditData"):
        ground.pulumi("config", "set", setting, "true", "--stack", "utils")
