"""`invoke idle-cost`: what the service costs a month when nobody works."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from console.idle import charges, free_of_charge, unpriced
from neurocaas.protocol.lines import to_stdout

NOT_COUNTED = (
    "not counted, since it grows with what is stored: data and results (S3, $0.023 a GiB), logs ($0.03), the "
    "service's table"
)
ROTATION = "an encryption key costs $1 more after its first yearly rotation, and once more after the second"


@task(help={"json": "One JSON document."})
def idle_cost(c: Context, json: bool = False) -> None:
    """Show what each stack costs a month when nobody works, at list prices of us-east-1."""
    from console.cloud import project_root
    from console.engine import Engine

    engine = Engine(project_root())
    known = {
        name: [(str(one["type"]), one.get("inputs") or {}) for one in engine.resources(name)]
        for name in sorted(engine.stack_names())
    }
    images = {name: _images(name) for name, resources in known.items() if resources}
    report = facts({name: some for name, some in known.items() if some}, images)
    if json:
        import json as document

        to_stdout(document.dumps(report, indent=2))
    else:
        to_stdout("\n".join(lines(report)))


def facts(
    stacks: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]], images: Mapping[str, float | None]
) -> dict[str, Any]:
    """The report. `stacks`: the resources of each, by type and inputs; `images`: what its machine images cost
    at most, None where EC2 does not say."""
    found = {name: charges(resources) for name, resources in stacks.items()}
    at_rest = sum(one.usd for some in found.values() for one in some)
    free = free_of_charge(list(found.values()))
    kept = sum(usd or 0.0 for usd in images.values())
    return {
        "stacks": {
            name: {
                "usd": round(sum(one.usd for one in some), 4),
                "charges": [{**asdict(one), "usd": round(one.usd, 4)} for one in some],
                "images_usd": images.get(name),
                "unpriced": unpriced(stacks[name]),
            }
            for name, some in found.items()
        },
        "usd": round(at_rest - free, 4),
        "usd_without_free_tier": round(at_rest, 4),
        "images_usd": round(kept, 2),
    }


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report as people read it."""
    said = []
    for name, stack in report["stacks"].items():
        said.append(f"{name}: ${stack['usd']:.2f}")
        said += [_line(one) for one in stack["charges"]]
        if stack["images_usd"]:
            said.append(f"  machine images and their snapshots, at most: ${stack['images_usd']:.2f}")
        said += [f"  price unknown: {kind}" for kind in stack["unpriced"]]
    if not said:
        return ["no stack is deployed"]
    whole, free = report["usd_without_free_tier"], report["usd_without_free_tier"] - report["usd"]
    return [
        *said,
        f"always free in an account (if nothing else in it uses that): -${free:.2f}",
        f"in all: ${report['usd']:.2f} a month when nobody works (${whole:.2f} without what is free), and at "
        f"most ${report['images_usd']:.2f} for machine images",
        ROTATION,
        NOT_COUNTED,
    ]


def _line(charge: Mapping[str, Any]) -> str:
    return f"  {charge['count']:,.0f} {charge['what']}: ${charge['usd']:.2f}"


def images_of(ec2: Any) -> dict[str, list[tuple[str, float]]]:
    """The images of each stack, of those that are gone too, and what each costs a month at most; nothing
    when EC2 does not answer."""
    from botocore.exceptions import BotoCoreError, ClientError

    from account.images import by_stack

    try:
        return {
            name: [(one.image_id, one.usd_per_month) for one in some] for name, some in by_stack(ec2).items()
        }
    except (BotoCoreError, ClientError):
        return {}


def _images(stack: str) -> float | None:
    """What the machine images of a stack cost a month at most; None when EC2 does not answer."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from account.images import kept

    try:
        return round(sum(one.usd_per_month for one in kept(stack, boto3.client("ec2"))), 2)
    except (BotoCoreError, ClientError):
        return None


collection = Collection(idle_cost)
