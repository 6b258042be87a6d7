"""What the stacks give a developer, made by hand in a running local cloud: the parts that NeuroCaaSAMI reads
from their outputs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3

from account.developer_key import new_private, public_half
from components.packaging import code_archive
from components.place import Place
from components.policies.developer import bucket_access, developer
from image_builder.develop_blueprint import NeuroCaaSAMI
from localcloud.cloud import Cloud
from neurocaas.protocol.development import GROUP
from neurocaas.protocol.settings import AnalysisSettings, Code, Group, Image, InstanceSettings, Limits

ROOT = Path(__file__).resolve().parents[2]
PARAMETER = "/neurocaas/keys/dev-bench"


class Bench:
    """A copy of the starter blueprint in a git repository, and its cloud side."""

    def __init__(self, cloud: Cloud, client: Callable[..., Any], folder: Path) -> None:
        self.cloud, self.client, self.root = cloud, client, folder / "project"
        self.said: list[str] = []
        shutil.copytree(ROOT / "blueprints" / "analysis", self.root / "blueprints" / "analysis")
        (self.root / "Pulumi.yaml").write_text("name: neurocaas\n")
        for command in (
            ("init", "-q"),
            ("add", "."),
            ("-c", "user.name=d", "-c", "user.email=d@example.org", "commit", "-qm", "begin"),
        ):
            self.git(*command)
        self.git("config", "user.name", "Developer")
        self.git("config", "user.email", "developer@example.org")
        self.key = new_private()
        self._utils = self._shared()
        self._analysis = self._stack()

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    @property
    def session(self) -> Any:
        made = boto3.Session(
            aws_access_key_id=self.cloud.access_key_id,
            aws_secret_access_key=self.cloud.secret_access_key,
            region_name=self.cloud.region,
        )
        endpoint, client = self.cloud.endpoint, made.client

        class Session:
            def client(self, service: str) -> Any:
                make: Any = client
                return make(service, endpoint_url=endpoint)

        return Session()

    def console(self) -> NeuroCaaSAMI:
        """A new console of the developer, as after closing the last one."""
        return NeuroCaaSAMI(
            self.root / "blueprints" / "analysis",
            session=self.session,
            outputs=self.outputs,
            say=lambda text: self.said.append(text),
        )

    def outputs(self, stack: str) -> Mapping[str, Any]:
        return {"utils": self._utils, "analysis-webdev": self._analysis}[stack]

    @property
    def _place(self) -> Place:
        return Place(partition="aws", account=self.cloud.account, region=self.cloud.region)

    def _shared(self) -> dict[str, str]:
        ec2, iam, place = self.client("ec2"), self.client("iam"), self._place
        self.client("s3").create_bucket(Bucket="dev-bench-artifacts")
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(
            RoleName="dev-bench",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        policy = developer(place, artifact_bucket="dev-bench-artifacts")
        iam.put_role_policy(RoleName="dev-bench", PolicyName="own", PolicyDocument=json.dumps(policy))
        iam.create_instance_profile(InstanceProfileName="dev-bench")
        iam.add_role_to_instance_profile(InstanceProfileName="dev-bench", RoleName="dev-bench")
        group = ec2.create_security_group(GroupName="dev-bench", Description="development instances")
        ec2.import_key_pair(KeyName="dev-bench", PublicKeyMaterial=public_half(self.key).encode())
        self.client("ssm").put_parameter(Name=PARAMETER, Type="SecureString", Value=self.key)
        return {
            "key_pair_name": "dev-bench",
            "private_key_parameter": PARAMETER,
            "developer_instance_profile": "dev-bench",
            "developer_security_group_id": group["GroupId"],
            "developer_role_arn": role["Role"]["Arn"],
        }

    def _stack(self) -> dict[str, str]:
        s3, place = self.client("s3"), self._place
        s3.create_bucket(Bucket="dev-bench-data")
        statements = bucket_access(
            place, bucket="dev-bench-data", developer_role_arn=self._utils["developer_role_arn"]
        )
        s3.put_bucket_policy(
            Bucket="dev-bench-data",
            Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
        )
        code = code_archive(ROOT, "analysis")
        s3.put_object(Bucket="dev-bench-artifacts", Key=code.key, Body=code.path.read_bytes())
        settings = AnalysisSettings(
            instance=InstanceSettings(
                type="m5.large",
                types=("m5.large",),
                duration_minutes=60,
                max_duration_minutes=120,
                volume_gib=16,
            ),
            limits=Limits(dataset_size_gib=10, datasets=50),
            analysis="analysis",
            stage="webdev",
            stack="analysis-webdev",
            bucket="dev-bench-data",
            region=self.cloud.region,
            account=self.cloud.account,
            groups={GROUP: Group("lt-1", "1"), "lab": Group("lt-2", "1")},
            prices={"m5.large": 0.096},
            prices_date="2026-01-01",
            budget_usd=10.0,
            image=Image("ami-1", ready=True),
            script="analysis/run_analysis.sh",
            code=Code("dev-bench-artifacts", code.key, code.sha256),
            ledger_table="none",
            queue_url="none",
        )
        s3.put_object(
            Bucket="dev-bench-artifacts",
            Key="analyses/analysis-webdev/settings.json",
            Body=settings.to_json().encode(),
        )
        return {
            "account": self.cloud.account,
            "bucket": "dev-bench-data",
            "settings_bucket": "dev-bench-artifacts",
            "settings_key": "analyses/analysis-webdev/settings.json",
        }
