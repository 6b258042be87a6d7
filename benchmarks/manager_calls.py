"""What the manager does for a submission of N datasets: AWS calls, bytes of certificate, time, memory.

The real handler in a fresh interpreter for each N, over HTTP against the control plane of a local cloud
(without its fleet: the machines stay pending). The calls are counted where they leave botocore, so retries
count too; reading the settings, once for each container, is left out of the calls and in the times.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.emulated import bare_cloud
from benchmarks.report import ROOT, Figure, say, show, wants_json

NUMBERS = (1, 10, 50, 200, 1000)
CALL_AIMS = {1: 12, 200: 25}
PAST, BUCKET, CODE = 100, "dti", "artifacts"


def first_implementation(number: int) -> int:
    """Its calls (measured under an emulator: 42 + 10 for each dataset + 1 for each earlier report of the
    group).
    """
    return 42 + 10 * number + PAST


def main() -> None:
    from console.cloud import lay_over

    with bare_cloud():
        lay_over(os.environ, _prepare())
        botocore = _child("botocore")
        results = {number: _child(str(number)) for number in NUMBERS}
    figures = []
    for number, result in results.items():
        then = first_implementation(number)
        note = (
            f"{then / result['calls']:.0f} x fewer than the first implementation's {then}; {result['kinds']}"
        )
        figures.append(Figure(f"AWS calls, N = {number}", result["calls"], "", CALL_AIMS.get(number), note))
    figures += [
        Figure(f"certificate written, N = {number}", result["certificate"] / 1000, "kB")
        for number, result in results.items()
    ]
    times = {number: result["seconds"] for number, result in results.items()}
    figures += [
        Figure(f"submission accepted, N = {number}", seconds, "s", 10 if number == 1000 else None)
        for number, seconds in times.items()
    ]
    one, many = results[1], results[1000]
    figures += [
        Figure(
            "cold import of the handler",
            one["import"],
            "s",
            note=f"{one['import'] / botocore['import']:.1f} x botocore alone",
        ),
        Figure(
            "peak memory, N = 1", one["memory"], "MB", 128, f"botocore alone has {botocore['memory']:.0f} MB"
        ),
        Figure("peak memory, N = 1000", many["memory"], "MB", 128),
    ]
    show("manager_calls", figures, as_json=wants_json())


def _prepare() -> dict[str, str]:
    """Buckets, table, template, settings and the data of all submissions; what the manager's environment
    names.
    """
    import boto3

    from neurocaas.protocol.report import ComputeReport
    from neurocaas.protocol.settings import AnalysisSettings, Code, Group, Image, InstanceSettings, Limits

    s3, ec2 = boto3.client("s3"), boto3.client("ec2")
    for bucket in (BUCKET, CODE):
        s3.create_bucket(Bucket=bucket)
    boto3.client("dynamodb").create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    template = ec2.create_launch_template(LaunchTemplateName="lab", LaunchTemplateData={"ImageId": image})[
        "LaunchTemplate"
    ]
    settings = AnalysisSettings(
        instance=InstanceSettings(
            type="m5.large",
            types=("m5.large",),
            duration_minutes=60,
            max_duration_minutes=600,
            volume_gib=16,
        ),
        limits=Limits(dataset_size_gib=100, datasets=1000),
        analysis="dti",
        stage="webdev",
        stack="dti-webdev",
        bucket=BUCKET,
        region="us-east-1",
        account="000000000000",
        groups={"lab": Group(template["LaunchTemplateId"], "1")},
        prices={"m5.large": 0.096},
        prices_date="2026-11-01",
        budget_usd=100_000.0,
        image=Image(image, True),
        script="dti/run_dti.sh",
        code=Code(CODE, "code/x.tar.gz", "a" * 64),
        ledger_table="ledger",
        queue_url="queue",
        budget_parameters="/neurocaas/budgets",
    ).to_json()
    past = ComputeReport(
        "i-1",
        "m5.large",
        False,
        0.096,
        BUCKET,
        "x",
        "y",
        "z",
        "lab",
        "t",
        0,
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00Z",
    )
    objects = {f"lab/inputs/many/{index:04}.zip": "data" for index in range(max(NUMBERS))}
    objects |= {f"logs/lab/i-{index:017x}.json": past.to_json() for index in range(PAST)}
    for number in NUMBERS:
        names = [f"lab/inputs/many/{index:04}.zip" for index in range(number)]
        body = {"dataname": names, "configname": "lab/configs/c.json", "timestamp": f"n{number}"}
        objects[f"lab/submissions/{number}_submit.json"] = json.dumps(body)
    objects["lab/configs/c.json"] = "{}"
    say(f"writing {len(objects)} objects")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: s3.put_object(Bucket=BUCKET, Key=item[0], Body=item[1]), objects.items()))
    s3.put_object(Bucket=CODE, Key="settings.json", Body=settings)
    values = {"BUCKET": CODE, "KEY": "settings.json", "SHA256": sha256(settings.encode()).hexdigest()}
    return {f"NEUROCAAS_SETTINGS_{name}": value for name, value in values.items()}


def _child(what: str) -> dict[str, Any]:
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--measure", what], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # behind what the handler has logged
    say(f"N = {what}: {time.perf_counter() - begun:.1f} s")
    return result


def measure_botocore() -> dict[str, Any]:
    """What every handler pays that calls AWS."""
    begun = time.perf_counter()
    import botocore.session  # noqa: F401 (imported to be measured)

    return {"import": time.perf_counter() - begun, "memory": _memory()}


def measure(number: str) -> dict[str, Any]:
    """One submission through the handler, in this interpreter."""
    begun = time.perf_counter()
    from botocore.httpsession import URLLib3Session

    from runtime.manager.handler import handler

    imported = time.perf_counter() - begun
    calls, certificate, send = Counter[str](), 0, URLLib3Session.send

    def counting(session: Any, request: Any) -> Any:
        nonlocal certificate
        name, path = _name(request), unquote(urlsplit(request.url).path)
        calls[name] += 1
        if name == "PUT" and path.endswith("certificate.txt"):
            certificate += int(request.headers["Content-Length"])
        return send(session, request)

    setattr(URLLib3Session, "send", counting)  # noqa: B010 (mypy knows it as a method)
    key = f"lab/submissions/{number}_submit.json"
    body = {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}},
            }
        ]
    }
    begun = time.perf_counter()
    handler({"Records": []}, None)  # a container reads its settings once
    calls.clear()
    answer = handler({"Records": [{"messageId": "1", "body": json.dumps(body)}]}, None)
    seconds = time.perf_counter() - begun
    if answer["batchItemFailures"] or not calls["RunInstances"]:
        raise RuntimeError(f"the submission was not accepted: {answer}, {dict(calls)}")
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(calls.items()))
    return {
        "calls": calls.total(),
        "kinds": kinds,
        "certificate": certificate,
        "seconds": seconds,
        "import": imported,
        "memory": _memory(),
    }


def _name(request: Any) -> str:
    """The operation; the method for S3, whose requests do not name it."""
    target = request.headers.get("X-Amz-Target")
    if target:
        return (target if isinstance(target, str) else target.decode()).rpartition(".")[2]
    body = request.body if isinstance(request.body, bytes | str) else b""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    found = [part.partition("=")[2] for part in text.split("&") if part.startswith("Action=")]
    return found[0] if found else str(request.method)


def _memory() -> float:
    """The most memory that this process has had (what getrusage says would include its parent's)."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    if "--measure" in sys.argv:
        what = sys.argv[-1]
        sys.stdout.write(json.dumps(measure_botocore() if what == "botocore" else measure(what)))
    else:
        main()
