"""People of the groups on computers of their own, who type the analysts' command with their own keys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.local.deployed import Deployed, Keys

BROWSER = """\
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10).read()
"""


class Computer:
    """A person's own: it knows no cloud and no key."""

    def __init__(self, service: Deployed, folder: Path) -> None:
        self.service, self.folder = service, folder
        local = service.ground.local_environment()
        (folder / "browser.py").write_text(BROWSER)
        self.environ = {
            **{name: value for name, value in local.items() if not name.startswith(("AWS_", "NEUROCAAS_"))},
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws-credentials"),
            "NEUROCAAS_CONFIG_FILE": str(folder / "config.toml"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "NEUROCAAS_STATE_FOLDER": str(folder / "state"),
            "BROWSER": f"{sys.executable} {folder / 'browser.py'} %s",
            "PYTHONPATH": str(service.ground.root),
        }

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "neurocaas", *words],
            cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip


class Member:
    """Somebody with an IAM user, on their own computer."""

    def __init__(self, service: Deployed, name: str, folder: Path, group: str, *, lead: bool = False) -> None:
        folder.mkdir()
        self.at, self.name, self.service, self.group = Computer(service, folder), name, service, group
        made = service.user(name)
        (folder / "aws-credentials").write_text(
            f"[me]\naws_access_key_id = {made.access_key}\naws_secret_access_key = {made.secret}\n"
        )
        self.at.environ["AWS_ENDPOINT_URL"] = service.ground.local_environment()["AWS_ENDPOINT_URL"]
        words = ["--aws-profile", "me", "--group", group, "--region", "us-east-1", "--analysis", "analysis"]
        self.types("login", *words, *(["--lead"] if lead else []))
        self.has("scan.txt", f"{name}\n")
        self.has("config.json", '{"wait": 0}\n')

    def has(self, file: str, text: str) -> None:
        """A file on their computer."""
        (self.at.folder / file).write_text(text)

    def types(self, *words: str, code: int = 0) -> str:
        """Standard output, or where something is refused, standard error."""
        done = self.at.types(*words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stderr if code else done.stdout

    def asks(self, *words: str) -> Any:
        """The JSON document that a command answers with."""
        return json.loads(self.types(*words, "--json"))

    def submits(self, stamp: str, *words: str, data: str = "scan.txt", code: int = 0) -> str:
        """A job of a file of theirs, in the name `stamp`."""
        sent = ("submit", "--data", data, "--config", "config.json", "--timestamp", stamp, "--yes")
        return self.types(*sent, *words, code=code)

    def session(self, name: str) -> Keys:
        sts = self.service.client("sts", self.service.user(self.name))
        role = f"arn:aws:iam::000000000000:role/neurocaas-us-east-1-{self.group}"
        given = sts.assume_role(RoleArn=role, RoleSessionName=name, DurationSeconds=43200)["Credentials"]
        return Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
