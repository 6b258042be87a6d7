"""Version 2 of the instance metadata service, for one machine (source: EC2 User Guide, "Instance
metadata").
"""

import base64
import binascii
import json
import secrets
import socket
import time
from typing import Any

from localcloud.sandbox.cloud import CloudError, RoleCredentials
from localcloud.sandbox.http1 import BadRequest, Head, Reader, response

MAXIMUM_TOKEN_SECONDS = 21600


class Imds:
    """Answers for the instance described by ``instance`` (the emulator's record); tags may change while it
    runs.
    """

    def __init__(self, instance: dict[str, Any], credentials: RoleCredentials | None) -> None:
        self.instance = instance
        self._credentials = credentials
        self._tokens: dict[str, float] = {}

    def serve(self, connection: socket.socket) -> None:
        """Answer all requests of one connection."""
        reader = Reader(connection)
        connection.settimeout(60)
        while True:
            try:
                head = reader.head()
            except BadRequest as error:
                connection.sendall(response("400 Bad Request", f"{error}\n".encode(), close=True))
                return
            if head is None:
                return
            if head.length or head.chunked:
                connection.sendall(response("400 Bad Request", b"no body is expected\n", close=True))
                return
            connection.sendall(self.answer(head))
            if not head.keep_alive:
                return

    def answer(self, head: Head) -> bytes:
        """The answer to one request."""
        path = head.path
        if path == "/latest/api/token":
            return self._token(head)
        if head.method not in ("GET", "HEAD"):
            return response("405 Method Not Allowed", b"")
        token = head.headers.get("x-aws-ec2-metadata-token")
        required = self.instance.get("http_tokens", "required") != "optional"
        if (token is None and required) or (
            token is not None and self._tokens.get(token, 0.0) < time.monotonic()
        ):
            return response("401 Unauthorized", b"401 - Unauthorized\n")
        version, _, rest = path.lstrip("/").partition("/")
        if not version:
            return response("200 OK", b"latest")
        if version != "latest" and not (version[:4].isdigit() and version.count("-") == 2):
            return response("404 Not Found", b"404 - Not Found\n")
        try:
            found = self._value(rest)
        except CloudError as error:
            body = json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": str(error)})
            return response("200 OK", body.encode(), {"Content-Type": "text/plain"})
        if found is None:
            return response("404 Not Found", b"404 - Not Found\n")
        return response("200 OK", found if head.method == "GET" else b"", {"Content-Type": "text/plain"})

    def _known(self) -> RoleCredentials | None:
        """The role's credentials; None also while EC2 does not give them out yet."""
        return self._credentials if (self.instance.get("credentials_at") or 0.0) <= time.time() else None

    def _token(self, head: Head) -> bytes:
        if head.method != "PUT":
            return response("405 Method Not Allowed", b"")
        if "x-forwarded-for" in head.headers:
            return response("403 Forbidden", b"")
        wanted = head.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not wanted.isdigit() or not 1 <= int(wanted) <= MAXIMUM_TOKEN_SECONDS:
            return response("400 Bad Request", b"X-aws-ec2-metadata-token-ttl-seconds must be 1 to 21600\n")
        now = time.monotonic()
        self._tokens = {token: end for token, end in list(self._tokens.items()) if end > now}
        token = base64.urlsafe_b64encode(secrets.token_bytes(42)).decode()
        self._tokens[token] = now + int(wanted)
        return response("200 OK", token.encode(), {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": wanted})

    def _value(self, path: str) -> bytes | None:
        """The content of a path below ``/latest``: a value, or the listing of a folder; None when there is
        neither.
        """
        path = path.strip("/")
        if path == "user-data":
            return user_data(self.instance) or None
        leaves = self._leaves()
        known = self._known()
        if known is not None and path == f"meta-data/iam/security-credentials/{known.role_name}":
            return json.dumps(known.get(), indent=1).encode()
        if path in leaves:
            return leaves[path].encode()
        names: dict[str, None] = {}
        for leaf in [*leaves, *(["user-data"] if self.instance.get("user_data") else [])]:
            if leaf.startswith(path + "/" if path else ""):
                rest = leaf[len(path) + 1 if path else 0 :]
                names[rest.partition("/")[0] + ("/" if "/" in rest else "")] = None
        return "\n".join(names).encode() if names else None

    def _leaves(self) -> dict[str, str]:
        i = self.instance
        address = i.get("private_ip") or ""
        hostname = f"ip-{address.replace('.', '-')}.ec2.internal"
        leaves = {
            "meta-data/ami-id": i["image_id"],
            "meta-data/ami-launch-index": str(i.get("launch_index", 0)),
            "meta-data/hostname": hostname,
            "meta-data/instance-action": "none",
            "meta-data/instance-id": i["id"],
            "meta-data/instance-life-cycle": i.get("life_cycle", "on-demand"),
            "meta-data/instance-type": i["instance_type"],
            "meta-data/local-hostname": hostname,
            "meta-data/local-ipv4": address,
            "meta-data/mac": "02:00:00:00:00:01",
            "meta-data/placement/availability-zone": i["availability_zone"],
            "meta-data/placement/region": i["region"],
            "meta-data/reservation-id": i.get("reservation_id") or "",
            "meta-data/services/domain": "amazonaws.com",
            "meta-data/services/partition": "aws",
            "dynamic/instance-identity/document": json.dumps(
                {
                    "accountId": i["account"],
                    "architecture": "x86_64",
                    "availabilityZone": i["availability_zone"],
                    "imageId": i["image_id"],
                    "instanceId": i["id"],
                    "instanceType": i["instance_type"],
                    "pendingTime": i.get("launched_at"),
                    "privateIp": address,
                    "region": i["region"],
                    "version": "2017-09-30",
                },
                indent=2,
            ),
        }
        if moment := i.get("reclaim_time"):
            leaves["meta-data/spot/instance-action"] = json.dumps({"action": "terminate", "time": moment})
            leaves["meta-data/spot/termination-time"] = moment
        if (known := self._known()) is not None:
            leaves["meta-data/iam/info"] = json.dumps(
                {"Code": "Success", "InstanceProfileArn": i.get("profile_arn")}, indent=1
            )
            leaves[f"meta-data/iam/security-credentials/{known.role_name}"] = ""
        leaves.update(
            {f"meta-data/tags/instance/{key}": value for key, value in (i.get("tags") or {}).items()}
        )
        return leaves


def user_data(instance: dict[str, Any]) -> bytes:
    """The decoded user data of an instance; empty when there is none or it is not base64."""
    try:
        return base64.b64decode(instance.get("user_data") or "", validate=False)
    except (binascii.Error, ValueError):
        return b""
