"""First program on a machine (sent inside the user data): fetch job.json and the code, run run_main.sh, never stay silent."""

# ruff: noqa: BLE001, S202, T201  (it talks to the console log and opens two fixed services)
import contextlib
import datetime
import hashlib
import hmac
import io
import json
import os
import pathlib
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


def fetch(request: urllib.request.Request, tries: int = 6) -> bytes:
    """Body of the answer; waits and tries again when the network, the service or a new role is not ready yet."""
    for attempt in range(tries):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if attempt == tries - 1 or error.code not in (403, 429, 500, 502, 503, 504):
                raise
        except OSError:
            if attempt == tries - 1:
                raise
        time.sleep(0.2 * 3**attempt)
    raise AssertionError("unreachable")


class Machine:
    """Instance metadata (IMDSv2) and S3 with the credentials of the machine's role."""

    def __init__(self) -> None:
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        self.token = fetch(urllib.request.Request(IMDS + "/latest/api/token", method="PUT", headers=ttl)).decode()
        self.id = self.meta("instance-id")
        self.index = int(self.meta("ami-launch-index"))
        self.region = self.meta("placement/region")

    def meta(self, name: str) -> str:
        header = {"X-aws-ec2-metadata-token": self.token}
        return fetch(urllib.request.Request(f"{IMDS}/latest/meta-data/{name}", headers=header)).decode().strip()

    def s3(self, method: str, bucket: str, key: str, body: bytes = b"", tries: int = 6) -> bytes:
        """Signature version 4 (IAM user guide, "Create a signed AWS API request")."""
        role = self.meta("iam/security-credentials/").split()[0]
        keys = json.loads(self.meta("iam/security-credentials/" + role))
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        base = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        path = "/" + urllib.parse.quote(key, safe="/~")
        if base or "." in bucket:
            base, path = (base or f"https://s3.{self.region}.{suffix}").rstrip("/"), f"/{bucket}{path}"
        else:
            base = f"https://{bucket}.s3.{self.region}.{suffix}"
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": base.split("//", 1)[1], "x-amz-content-sha256": digest, "x-amz-date": now, "x-amz-security-token": keys["Token"]}
        signed = ";".join(headers)
        lines = [method, path, "", *(f"{name}:{value}" for name, value in headers.items()), "", signed, digest]
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
        secret = b"AWS4" + keys["SecretAccessKey"].encode()
        for part in scope.split("/"):
            secret = hmac.new(secret, part.encode(), "sha256").digest()
        signature = hmac.new(secret, text.encode(), "sha256").hexdigest()
        credential = f"{keys['AccessKeyId']}/{scope}"
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
        return fetch(urllib.request.Request(base + path, data=body or None, method=method, headers=headers), tries)


def unpack(machine: Machine, code: dict[str, str]) -> None:
    """The code tree at /opt/neurocaas/code/<sha256> (there already when the image has it), linked into the home."""
    root = OPT / "code" / code["sha256"]
    if not root.is_dir():
        archive = machine.s3("GET", code["bucket"], code["key"])
        if hashlib.sha256(archive).hexdigest() != code["sha256"]:
            raise ValueError(f"the code archive {code['key']} is not the one that was deployed (its SHA-256 differs)")
        root.parent.mkdir(parents=True, exist_ok=True)
        fresh = pathlib.Path(tempfile.mkdtemp(dir=root.parent))
        fresh.chmod(0o755)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(fresh)
        fresh.rename(root)
    HOME.mkdir(parents=True, exist_ok=True)
    link = HOME / "neurocaas_contrib"
    if link.is_symlink() or not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(root)


def evidence(machine: Machine, job: dict[str, Any]) -> str:
    """Where the service takes this machine's word (runtime.protocol.keys.EvidenceKeys); "" for a test job."""
    role = job.get("launch_template", {}).get("role_id")
    return f"evidence/{role}:{machine.id}/" if role else ""


def run(machine: Machine, payload: dict[str, Any], job: dict[str, Any], dataset: dict[str, Any]) -> int:
    unpack(machine, payload["code"])
    (OPT / "job.json").write_text(json.dumps(job))
    environment = {
        "AWS_REGION": machine.region,
        "AWS_DEFAULT_REGION": machine.region,
        "NEUROCAAS_JOB_FILE": str(OPT / "job.json"),
        "NEUROCAAS_DATASET_INDEX": str(payload["offset"] + machine.index),
        "NEUROCAAS_DATASET": dataset["name"],
        "NEUROCAAS_GROUP": job["group"],
        "NEUROCAAS_STOP": payload["job_key"].rpartition("/")[0] + "/stop.json",
        "NEUROCAAS_EVIDENCE": evidence(machine, job),
        "NEUROCAAS_LOGS": dataset["status_key"].rpartition("/")[0],
        "NEUROCAAS_INSTANCE_ID": machine.id,
        "NEUROCAAS_ATTEMPT": str(payload["attempt"]),
    }
    configpath = dataset.get("configpath") or job["configpath"]
    arguments = [job["bucket"], dataset["inputpath"], job["resultdir"], configpath, job["script"]]
    command = ["bash", str(HOME / "neurocaas_contrib" / "run_main.sh"), *arguments]
    print("NeuroCAAS:", machine.id, "runs", command[2:], flush=True)
    return subprocess.call(command, cwd=HOME, env={**os.environ, **environment}, stdin=subprocess.DEVNULL)


def settle(machine: Machine, job: dict[str, Any], dataset: dict[str, Any], reason: str, code: int) -> None:
    """FAILED as the machine's last word, and in the status file that people see, unless the agent has written a final status."""
    place = evidence(machine, job)
    keys = [*([f"{place}status.json"] if place else []), dataset["status_key"]]
    status: dict[str, Any] = {"input": dataset["inputpath"], "instance": machine.id}
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
