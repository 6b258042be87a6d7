"""The metadata service of a machine whose credentials are not known yet."""

from __future__ import annotations

import time
from typing import Any, cast

from localcloud.sandbox.cloud import RoleCredentials
from localcloud.sandbox.http1 import Head
from localcloud.sandbox.imds import Imds

MACHINE: dict[str, Any] = {
    "id": "i-1", "image_id": "ami-1", "instance_type": "t3.micro", "availability_zone": "us-east-1a",
    "region": "us-east-1", "account": "000000000000", "http_tokens": "optional",
}  # fmt: skip
FOLDER = "/latest/meta-data/iam/security-credentials/"


class Role:
    role_name = "machine"

    def get(self) -> dict[str, str]:
        return {"AccessKeyId": "A"}


def status(machine: dict[str, Any], path: str) -> str:
    head = Head(b"GET", "GET", path, {}, 0, False)
    answer = Imds(machine, cast("RoleCredentials", Role())).answer(head)
    return answer.split(b"\r\n", 1)[0].decode().partition(" ")[2]


def test_credentials_are_there_when_ec2_knows_them() -> None:
    for path in (FOLDER, FOLDER + "machine", "/latest/meta-data/iam/info"):
        assert status({**MACHINE, "credentials_at": time.time() + 60}, path) == "404 Not Found"
        assert status({**MACHINE, "credentials_at": time.time() - 1}, path) == "200 OK"
        assert status(MACHINE, path) == "200 OK"
