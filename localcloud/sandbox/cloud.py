"""What the fleet knows of the running cloud (``cloud.json``), and its two ways to talk to the emulator: the
admin API and AssumeRole.
"""

import datetime as dt
import http.client
import json
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.project import project
from localcloud.sandbox.sigv4 import Credentials, sign

AWAY_SECONDS = 120.0
"""An emulator that was killed and started again is waited for so long; then it is taken for gone."""
AGAIN_SECONDS = 0.2


class CloudError(Exception):
    """The emulator did not answer, or answered with an error. The text says which."""


class _NoAnswer(CloudError):
    """There was no whole answer: the emulator is away, or ended while it was answering."""


@dataclass(frozen=True)
class Connection:
    """Where the emulator is and who we are."""

    host: str
    port: int
    region: str
    account: str
    root: Credentials
    admin_token: str
    ending: threading.Event = field(default_factory=threading.Event, compare=False)
    """Set when the fleet ends: then nothing waits for the emulator any more."""

    @classmethod
    def load(cls, cloud_file: Path) -> "Connection":
        """Read ``cloud.json``. Raises ValueError in words when it is missing, damaged, or names a host other
        than this machine.
        """
        try:
            raw = json.loads(cloud_file.read_text(encoding="utf-8"))
            parts = urllib.parse.urlsplit(raw["endpoint"])
            loaded = cls(
                host=parts.hostname or "",
                port=parts.port or 80,
                region=raw["region"],
                account=raw["account"],
                root=Credentials(raw["access_key_id"], raw["secret_access_key"]),
                admin_token=raw["admin_token"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{cloud_file} cannot be used ({error!r}). Start the local cloud with "
                f"`{project().says('up')}`, which writes it."
            ) from error
        if loaded.host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(
                f"The endpoint in {cloud_file} is {loaded.host!r}; allowed: 127.0.0.1. The fleet only "
                "serves a cloud on this machine."
            )
        return loaded

    def _request(self, method: str, path: str, body: bytes, headers: dict[str, str], timeout: float) -> bytes:
        """The body of the answer. All our requests may be made twice, so one that an emulator's end cut off
        is made again.
        """
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return self._request_once(method, path, body, headers, timeout)
            except _NoAnswer:
                if time.monotonic() > deadline or self.ending.wait(AGAIN_SECONDS):
                    raise

    def _request_once(
        self, method: str, path: str, body: bytes, headers: dict[str, str], timeout: float
    ) -> bytes:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _NoAnswer(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if response.status >= 300:
            raise CloudError(
                f"{method} {path}: status {response.status}: {data[:300].decode(errors='replace')}"
            )
        return data

    def _admin(self, method: str, path: str, body: Any = None, timeout: float = 30.0) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"}
        ask = self._request if body is not None else self._request_once  # the poll has its own patience
        data = ask(
            method,
            "/_localcloud/" + path,
            json.dumps(body).encode() if body is not None else b"",
            headers,
            timeout,
        )
        try:
            answer = json.loads(data) if data.strip() else {}
        except ValueError as error:
            raise CloudError(f"{method} {path}: not JSON: {data[:200]!r}") from error
        return answer if isinstance(answer, dict) else {}

    def changes(self, since: int, timeout: float) -> dict[str, Any]:
        """Wait at most ``timeout`` seconds for a state newer than version ``since``. This call is also the
        fleet's sign of life.
        """
        return self._admin("GET", f"changes?since={since}&timeout={timeout:g}", timeout=timeout + 10)

    def instance_state(
        self, instance_id: str, state: str, code: str | None = None, message: str = ""
    ) -> None:
        """Report the state of an instance."""
        self._admin(
            "POST",
            "instances",
            {
                "id": instance_id,
                "state": state,
                "reason": {"code": code, "message": message} if code else None,
            },
        )

    def build_progress(self, body: dict[str, Any]) -> None:
        """Report the progress of an image build."""
        self._admin("POST", "builds", body)

    def command_ended(self, body: dict[str, Any]) -> None:
        """Report the end of a command that was run in a machine."""
        self._admin("POST", "commands", body)

    def image_copied(self, body: dict[str, Any]) -> None:
        """Report that an image of a machine's disk is there, or why it is not."""
        self._admin("POST", "images", body)

    def assume_role(
        self, role_arn: str, session: str, seconds: int = 3600, *, patient: bool = True
    ) -> dict[str, str]:
        """``AccessKeyId``, ``SecretAccessKey``, ``SessionToken`` and ``Expiration`` of a new session of the
        role.

        ``patient``: wait for an emulator that is away.
        """
        form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": role_arn,
            "RoleSessionName": session,
            "DurationSeconds": str(seconds),
        }
        body = urllib.parse.urlencode(form).encode()
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        url = f"http://{self.host}:{self.port}/"
        ask = self._request if patient else self._request_once
        data = ask("POST", "/", body, sign("POST", url, body, "sts", self.region, self.root, headers), 30.0)
        answer = ElementTree.fromstring(data)  # noqa: S314 (our own emulator)
        found = {element.tag.rpartition("}")[2]: element.text or "" for element in answer.iter()}
        try:
            return {
                key: found[key] for key in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
            }
        except KeyError as error:
            raise CloudError(f"AssumeRole {role_arn}: no {error} in the answer") from error


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


class RoleCredentials:
    """The credentials of an instance's role, renewed ten minutes before they expire. Safe to use from several
    threads.
    """

    _RENEW = dt.timedelta(minutes=10)

    def __init__(self, connection: Connection, role_arn: str, session: str) -> None:
        self._connection, self._role_arn, self._session = connection, role_arn, session
        self._lock = threading.Lock()
        self._current: dict[str, str] | None = None
        self._updated = ""
        self.issued: set[str] = set()

    @property
    def role_name(self) -> str:
        """The last part of the role's ARN."""
        return self._role_arn.rpartition("/")[2]

    def get(self) -> dict[str, str]:
        """The document that IMDS serves. Raises CloudError when the role cannot be assumed."""
        now = dt.datetime.now(dt.UTC)
        with self._lock:
            current = self._current
            left = dt.timedelta(0) if current is None else _moment(current["Expiration"]) - now
            if current is None or left < self._RENEW:
                current = self._renewed(current if left > dt.timedelta(0) else None)
        return {
            "Code": "Success",
            "LastUpdated": self._updated,
            "Type": "AWS-HMAC",
            "AccessKeyId": current["AccessKeyId"],
            "SecretAccessKey": current["SecretAccessKey"],
            "Token": current["SessionToken"],
            "Expiration": _moment(current["Expiration"]).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _renewed(self, good: dict[str, str] | None) -> dict[str, str]:
        """New credentials; ``good`` ones, which have not expired yet, when the emulator is away."""
        try:
            made = self._connection.assume_role(self._role_arn, self._session, patient=good is None)
        except CloudError:
            if good is None:
                raise
            return good
        self._current, self._updated = made, dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.issued.add(made["AccessKeyId"])
        return made
