"""What tests of recovery share: a service of two stacks, its data, and deploys that are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from demo.playground import Playground
from tests.local.deployed import client, outputs
from tests.warm import VARIABLE

ANALYSIS, UTILS = "analysis-webdev", "utils"
_WRITING = ("creating", "updating", "deleting")
_MADE_UP = ":UserGroupMembership"
"""Whose id the provider makes up: nothing in the cloud has it."""
_RESULT = "debuggers/results/job_1/out.json"


class Service:
    """The stacks in a cloud of their own, and what must survive."""

    def __init__(self, ground: Playground) -> None:
        self.ground = ground
        self.seed = random.SystemRandom().randrange(10**6)
        self.moments = random.Random(self.seed)

    def aws(self, service: str) -> Any:
        return client(self.ground, service)

    def state_file(self, stack: str) -> Path:
        return self.ground.root / ".local/pulumi/state/.pulumi/stacks/neurocaas" / f"{stack}.json"

    def invoke(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.ground.invoke(*arguments, check=False)
        assert done.returncode == code, f"seed {self.seed}\n{done.stdout}\n{done.stderr}"
        return done

    def deploy(self, stack: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.invoke("deploy", stack, "--yes", "--local", code=code)

    def killed(self, stack: str, moment: int) -> bool:
        """Deploy, and kill the engine and all that it has started when it is writing for the n-th time.
        False: it ended before. The command and its language host are its own (not warm); a provider that is
        warm ends with what stands for it.
        """
        environ = {name: value for name, value in self.ground.environ.items() if name != VARIABLE}
        command = [sys.executable, "-m", "invoke", "deploy", stack, "--yes", "--local"]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            command, cwd=self.ground.root, env=environ, stdin=quiet, stdout=quiet, stderr=quiet
        ) as child:
            seen: list[Any] = []
            while child.poll() is None:
                begun = self._begun(stack)
                if begun and begun not in seen:
                    seen.append(begun)
                if len(seen) >= moment:
                    for pid in _descendants(child.pid):
                        _kill(pid)
                    return True
                time.sleep(0.002)
        return False

    def _begun(self, stack: str) -> list[str]:
        try:
            latest = json.loads(self.state_file(stack).read_text())["checkpoint"]["latest"] or {}
        except (OSError, ValueError):
            return []
        return sorted(
            one["resource"]["urn"]
            for one in latest.get("pending_operations") or ()
            if one["type"] in _WRITING
        )

    def resources(self, stack: str) -> dict[str, str]:
        """Ids by type and logical name."""
        document = json.loads(self.ground.pulumi("stack", "export", "--stack", stack).stdout)
        found = {}
        for one in document["deployment"]["resources"]:
            if one["type"].startswith("aws:") and not one["type"].endswith(_MADE_UP):
                found[f"{one['type'].rpartition(':')[2]} {one['urn'].rpartition('::')[2]}"] = one["id"]
        return found

    def sound(self, *stacks: str) -> None:
        """Nothing is missing, changed or left over."""
        report = json.loads(self.invoke("doctor", *stacks, "--json").stdout)
        wrong = [check for check in report["checks"] if check["state"] != "ok"]
        assert not wrong, f"seed {self.seed}\n{wrong}"
        for stack in stacks:
            self.ground.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", stack)

    def put_data(self) -> None:
        utils = outputs(self.ground, UTILS)
        self.bucket, self.table, self.parameter = (
            str(outputs(self.ground, ANALYSIS)["bucket"]),
            utils["ledger_table"],
            utils["private_key_parameter"],
        )
        self.key_pair = utils["key_pair_name"]
        self.private = self._private()
        self.aws("s3").put_object(Bucket=self.bucket, Key=_RESULT, Body=b"42")
        self.aws("dynamodb").put_item(
            TableName=self.table, Item={"pk": {"S": "budget"}, "sk": {"S": "x"}, "spent": {"N": "7"}}
        )

    def _private(self) -> str:
        return str(
            self.aws("ssm").get_parameter(Name=self.parameter, WithDecryption=True)["Parameter"]["Value"]
        )

    def has_its_data(self) -> None:
        utils = outputs(self.ground, UTILS)
        assert (utils["ledger_table"], utils["key_pair_name"]) == (self.table, self.key_pair)
        assert self.aws("s3").get_object(Bucket=self.bucket, Key=_RESULT)["Body"].read() == b"42"
        item = self.aws("dynamodb").get_item(
            TableName=self.table, Key={"pk": {"S": "budget"}, "sk": {"S": "x"}}
        )["Item"]
        assert item["spent"]["N"] == "7"
        assert self._private() == self.private


def _descendants(pid: int) -> list[int]:
    """A process and all below it: plugins are in process groups of their own."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
