"""First program on a machine (sent inside the user data): fetch job.json and the code, run run_main.sh, never
stay silent.

Whatever Python the image has runs it, from 3.6: an image that is too old for the rest must say so, too.
"""

# ruff: noqa: BLE001, S108, S202, T201  (it talks to the console log, opens two fixed services, and is for an old Python)
import contextlib
import datetime
import email.utils
import hashlib
import hmac
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

IMDS = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
OPT = pathlib.Path(os.environ.get("NEUROCAAS_OPT", "/opt/neurocaas"))
HOME = pathlib.Path(os.environ.get("NEUROCAAS_USERHOME", "/home/ubuntu"))
PYTHON = (3, 10)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Skewed(Exception):
    """S3 says that the machine's clock is wrong; the argument is S3's time, in seconds."""


def fetch(request: urllib.request.Request, tries: int = 6) -> bytes:
    """Body of the answer; waits and tries again when the network, the service or a new role is not ready
    yet.
    """
    for attempt in range(tries):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 403 and b"RequestTimeTooSkewed" in error.read():
                date = email.utils.parsedate_to_datetime(error.headers["Date"])
                raise Skewed(date.replace(tzinfo=datetime.timezone.utc).timestamp()) from error
            if attempt == tries - 1 or error.code not in (403, 429, 500, 502, 503, 504):
                raise
        except OSError:
            if attempt == tries - 1:
                raise
        time.sleep(0.2 * 3**attempt)
    raise AssertionError("unreachable")


class Machine:
    """Instance metadata (IMDSv2) and S3 with the credentials of the machine's role. Its clock is `skew`
    seconds behind that of S3.
    """

    skew = 0.0
    account = ""  # whose the buckets are that it asks for; "": any account's

    def __init__(self) -> None:
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        self.token = fetch(
            urllib.request.Request(IMDS + "/latest/api/token", method="PUT", headers=ttl)
        ).decode()
        self.id = self.meta("instance-id")
        self.index = int(self.meta("ami-launch-index"))
        self.region = self.meta("placement/region")

    def meta(self, name: str) -> str:
        header = {"X-aws-ec2-metadata-token": self.token}
        return (
            fetch(urllib.request.Request(f"{IMDS}/latest/meta-data/{name}", headers=header)).decode().strip()
        )

    def credentials(self) -> "dict[str, str]":
        """Of the role: a new one has none for some seconds."""
        path = "iam/security-credentials/"
        for pause in (1, 2, 4, 8, 16, 32, 0):
            try:
                keys = dict(json.loads(self.meta(path + self.meta(path).split()[0])))
                if "Token" in keys:
                    return keys
            except (IndexError, urllib.error.HTTPError) as error:
                if getattr(error, "code", 404) != 404:
                    raise
            time.sleep(pause)
        raise RuntimeError("no keys of a role in a minute")

    def s3(self, method: str, bucket: str, key: str, body: bytes = b"", tries: int = 6) -> bytes:
        try:
            return self._s3(method, bucket, key, body, tries)
        except Skewed as error:
            self._correct(error.args[0] - time.time())
            return self._s3(method, bucket, key, body, tries)

    def _correct(self, skew: float) -> None:
        """Set the clock, where this is a machine in AWS; else sign with the time that S3 has."""
        print("NeuroCAAS: the clock is wrong by", round(-skew), "seconds", file=sys.stderr, flush=True)
        self.skew = skew
        if not (os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")):
            with contextlib.suppress(OSError, AttributeError):
                time.clock_settime(time.CLOCK_REALTIME, time.time() + skew)
                self.skew = 0.0

    def _s3(self, method: str, bucket: str, key: str, body: bytes, tries: int) -> bytes:
        """Signature version 4 (IAM user guide, "Create a signed AWS API request")."""
        keys = self.credentials()
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        base = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        path = "/" + urllib.parse.quote(key, safe="/~")
        if base or "." in bucket:
            base, path = (base or f"https://s3.{self.region}.{suffix}").rstrip("/"), f"/{bucket}{path}"
        else:
            base = f"https://{bucket}.s3.{self.region}.{suffix}"
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.skew)
        now = moment.strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        headers = {
            "host": base.split("//", 1)[1],
            "x-amz-content-sha256": digest,
            "x-amz-date": now,
            **({"x-amz-expected-bucket-owner": self.account} if self.account else {}),
            "x-amz-security-token": keys["Token"],
        }
        signed = ";".join(headers)
        lines = [
            method,
            path,
            "",
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            signed,
            digest,
        ]
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(
            ["AWS4-HMAC-SHA256", now, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()]
        )
        secret = b"AWS4" + keys["SecretAccessKey"].encode()
        for part in scope.split("/"):
            secret = hmac.new(secret, part.encode(), "sha256").digest()
        signature = hmac.new(secret, text.encode(), "sha256").hexdigest()
        credential = f"{keys['AccessKeyId']}/{scope}"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
        )
        return fetch(
            urllib.request.Request(base + path, data=body or None, method=method, headers=headers), tries
        )


def room(*folders: pathlib.Path) -> pathlib.Path:
    """The first folder with room for the code and what belongs to it: an image's disk may be full, or
    read-only.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=str(folder)) as file:
                file.write(b"room")
                file.flush()
                if shutil.disk_usage(str(folder)).free > 64 << 20:
                    return folder
    raise OSError(
        f"nothing can be written: got {', '.join(map(str, folders))}. Allowed: one of them with 64 MiB"
    )


def unpack(machine: Machine, code: "dict[str, str]", place: pathlib.Path) -> pathlib.Path:
    """The code tree {place}/code/<sha256>, or the one that the image has in /opt/neurocaas."""
    for root in (OPT / "code" / code["sha256"], place / "code" / code["sha256"]):
        if root.is_dir():
            return root
    archive = machine.s3("GET", code["bucket"], code["key"])
    if hashlib.sha256(archive).hexdigest() != code["sha256"]:
        raise ValueError(
            f"the code archive {code['key']} is not the one that was deployed (its SHA-256 differs)"
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(dir=str(root.parent)))
    fresh.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(str(fresh))
    fresh.rename(root)
    return root


def evidence(machine: Machine, job: "dict[str, Any]") -> str:
    """Where the service takes this machine's word (protocol.keys.EvidenceKeys); "" for a test job."""
    role = job.get("launch_template", {}).get("role_id")
    return f"evidence/{role}:{machine.id}/" if role else ""


def run(machine: Machine, payload: "dict[str, Any]", job: "dict[str, Any]", dataset: "dict[str, Any]") -> int:
    if sys.version_info < PYTHON:
        got = f"{sys.executable}, {sys.version.split()[0]}"
        raise RuntimeError(
            f"no Python of the image is new enough: got {got}. Allowed: 3.10 or newer. "
            "Install one in provision/"
        )
    place = room(OPT, pathlib.Path("/run/neurocaas"), pathlib.Path("/dev/shm/neurocaas"))
    root = unpack(machine, payload["code"], place)
    with contextlib.suppress(OSError):
        HOME.mkdir(parents=True, exist_ok=True)
    (place / "job.json").write_text(json.dumps(job))
    records = payload["job_key"].rpartition("/")[0]
    environment = {
        "AWS_REGION": machine.region,
        "AWS_DEFAULT_REGION": machine.region,
        "NEUROCAAS_JOB_FILE": str(place / "job.json"),
        "NEUROCAAS_PYTHON": sys.executable,
        "NEUROCAAS_DATASET_INDEX": str(payload["offset"] + machine.index),
        "NEUROCAAS_DATASET": dataset["name"],
        "NEUROCAAS_COMBINATION": dataset.get("folder", ""),
        "NEUROCAAS_ACCOUNT": machine.account,
        "NEUROCAAS_GROUP": job["group"],
        "NEUROCAAS_STOP": records + "/stop.json",
        "NEUROCAAS_EVIDENCE": evidence(machine, job),
        "NEUROCAAS_LOGS": dataset["status_key"].rpartition("/")[0],
        "NEUROCAAS_INSTANCE_ID": machine.id,
        "NEUROCAAS_ATTEMPT": str(payload["attempt"]),
        "PATH": ":".join(filter(None, (os.environ.get("PATH"), SYSTEM_PATH))),
    }
    configpath = dataset.get("configpath") or job["configpath"]
    if job.get("config_source") and not dataset.get("configpath"):  # the checked one, among the records
        configpath = f"{records}/configs/{job['configname']}"
    command = [
        "bash",
        str(root / "run_main.sh"),
        job["bucket"],
        dataset["inputpath"],
        job["resultdir"],
        configpath,
        job["script"],
    ]
    print("NeuroCAAS:", machine.id, "runs", command[2:], flush=True)
    home = str(HOME) if HOME.is_dir() else "/"
    return subprocess.call(command, cwd=home, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL)


def settle(
    machine: Machine, job: "dict[str, Any]", dataset: "dict[str, Any]", reason: str, code: int
) -> None:
    """FAILED as the machine's last word, and in the status file that people see, unless the agent has written
    a final status.
    """
    place = evidence(machine, job)
    keys = [*([f"{place}status.json"] if place else []), dataset["status_key"]]
    status = {"input": dataset["inputpath"], "instance": machine.id}
    with contextlib.suppress(OSError, ValueError):
        status = json.loads(machine.s3("GET", job["bucket"], keys[0], tries=2))
    if status.get("status") not in ("SUCCESS", "FAILED"):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        status.update(status="FAILED", reason=reason, exit_code=code, job_finish=now, updated=now)
        for key in keys:
            machine.s3("PUT", job["bucket"], key, json.dumps(status).encode())


def main(text: str) -> int:
    payload = json.loads(text)
    machine = Machine()
    machine.account = payload.get("account", "")
    job = json.loads(machine.s3("GET", payload["bucket"], payload["job_key"]))
    number = payload["offset"] + machine.index
    if number >= len(job["datasets"]):
        print("NeuroCAAS: the job has no dataset", number, file=sys.stderr)
        return 99
    dataset = job["datasets"][number]
    try:
        code = run(machine, payload, job, dataset)
        settle(machine, job, dataset, f"run_main.sh ended with exit code {code} without a report", code)
        return code
    except Exception as error:  # whatever it is, the user must hear of it
        print("NeuroCAAS:", repr(error), file=sys.stderr, flush=True)
        settle(machine, job, dataset, f"The machine could not start the analysis: {error}", 99)
        return 99


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
