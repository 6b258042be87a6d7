"""`invoke prices`: what machines cost, from AWS's Price List into blueprints/prices.json.

Facts: GetProducts (AWS Price List API reference) is served from us-east-1 for all regions, and its answers
are JSON texts of one product each. On-demand Linux without a licence or software, on shared hardware, is one
product a type and region by the attributes in `PRODUCT`; `VOLUME` and `ADDRESS` are what each machine has
besides.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from console.errors import UserError
from neurocaas.protocol.lines import to_stdout

API_REGION = "us-east-1"
SOURCE = "AWS Price List API"
OLD = 180
"""Days after which --check calls a table old."""

_NEEDS = "credentials of an AWS account that allow pricing:GetProducts"

PRODUCT = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "licenseModel": "No License required",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}

VOLUME = {"productFamily": "Storage", "volumeApiName": "gp3", "locationType": "AWS Region"}
ADDRESS = {"group": "VPCPublicIPv4Address", "locationType": "AWS Region"}
RATES = frozenset({"gp3_gib_month", "ipv4_hour"})
_IN_USE = "PublicIPv4:InUseAddress"
"""How the usage type of an address ends that belongs to something; idle ones are another product."""


def fetch(pricing: Any, region: str, types: Iterable[str]) -> dict[str, float]:
    """US dollars an hour of those `types` that `region` offers. Raises UserError when an answer is not what
    was asked for.
    """
    wanted, found = frozenset(types), dict[str, float]()
    for name, price in _types(_listed(pricing, "AmazonEC2", region, PRODUCT)):
        if name in wanted and found.setdefault(name, price) != price:
            raise UserError(
                f"two prices of {name} in {region}: {found[name]} and {price}",
                "one on-demand Linux price of a type and region",
                "nothing was changed; tell the maintainers what the Price List says",
            )
    if wanted and not found:
        raise UserError(
            f"no price for {region}",
            "a region with EC2, such as us-east-1",
            "check the region's name; nothing was changed",
        )
    return found


def besides(pricing: Any, region: str) -> dict[str, float]:
    """What a machine of `region` has besides, under the table's names: as far as the Price List says it, and
    of several prices the highest."""
    volumes = [price for _, unit, price in _listed(pricing, "AmazonEC2", region, VOLUME) if unit == "GB-Mo"]
    addresses = [
        price
        for attributes, unit, price in _listed(pricing, "AmazonVPC", region, ADDRESS)
        if unit == "Hrs" and attributes.get("usagetype", "").endswith(_IN_USE)
    ]
    found = {"gp3_gib_month": volumes, "ipv4_hour": addresses}
    return {name: max(prices) for name, prices in found.items() if prices}


def _listed(
    pricing: Any, service: str, region: str, wanted: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, str], str, float]]:
    """Attributes, unit and price of each on-demand product that has the attributes `wanted`; what costs
    nothing (reservations) is left out."""
    filters = [
        {"Type": "TERM_MATCH", "Field": name, "Value": value}
        for name, value in {**wanted, "regionCode": region}.items()
    ]
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode=service, Filters=filters, FormatVersion="aws_v1"
    )
    for document in (json.loads(text) for page in pages for text in page["PriceList"]):
        attributes = document["product"]["attributes"]
        if any(attributes.get(name, value) != value for name, value in wanted.items()):
            continue
        for term in document.get("terms", {}).get("OnDemand", {}).values():
            for dimension in term["priceDimensions"].values():
                price = float(dimension["pricePerUnit"].get("USD", 0))
                if price > 0:
                    yield attributes, dimension["unit"], price


def _types(products: Iterable[tuple[Mapping[str, str], str, float]]) -> Iterator[tuple[str, float]]:
    """Instance type and hourly price."""
    for attributes, unit, price in products:
        if unit == "Hrs" and "instanceType" in attributes:
            yield attributes["instanceType"], price


def write(file: Path, data: Mapping[str, Any]) -> None:
    """Replace the table in one step: a reader has the old one or the new one, never half of it."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        partial.write_text(text_of(data))
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def text_of(data: Mapping[str, Any]) -> str:
    """The table as it is stored: a line for each family of types, so that a change is a line."""
    parts: list[str] = []
    for region, entry in data["regions"].items():
        families: dict[str, list[str]] = {}
        for name, usd in entry["usd_per_hour"].items():
            families.setdefault(name.partition(".")[0], []).append(f"{json.dumps(name)}: {json.dumps(usd)}")
        lines = ",\n".join(f"    {', '.join(some)}" for some in families.values())
        facts = [
            f"   {json.dumps(name)}: {json.dumps(value)}"
            for name, value in entry.items()
            if name != "usd_per_hour"
        ]
        prices = f'   "usd_per_hour": {{\n{lines}\n   }}'
        parts.append(f"  {json.dumps(region)}: {{\n" + ",\n".join([*facts, prices]) + "\n  }")
    about = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in data.items() if name != "regions"]
    regions = ' "regions": {\n' + ",\n".join(parts) + "\n }"
    return "{\n" + ",\n".join([*about, regions]) + "\n}\n"


def refresh(
    file: Path, pricing: Any, regions: Iterable[str], more_types: Iterable[str], today: date
) -> list[str]:
    """Read the prices of all types of the table, and `more_types`, in its regions and `regions`, write them,
    and return what changed. What machines have besides keeps its price where the Price List does not say it.
    Nothing is written unless every region was read."""
    data = json.loads(file.read_text())
    known = data["regions"]
    types = {*more_types, *(name for entry in known.values() for name in entry["usd_per_hour"])}
    changes, fresh = [], {}
    for region in sorted({*known, *regions}):
        prices, was = fetch(pricing, region, types), known.get(region, {})
        rates = {**{name: was[name] for name in RATES if name in was}, **besides(pricing, region)}
        if lacking := RATES - rates.keys():
            raise UserError(
                f"the Price List does not say {' and '.join(sorted(lacking))} of {region}",
                "a region whose volumes and addresses have a price",
                "nothing was changed; add the region to blueprints/prices.json by hand, with these two, and "
                "try again",
            )
        before = was.get("usd_per_hour", {})
        fresh[region] = {
            "date": today.isoformat(),
            "source": SOURCE,
            **rates,
            "usd_per_hour": dict(sorted(prices.items())),
        }
        changes += [
            f"{region}  {name}: {was[name]} -> {rates[name]}"
            for name in sorted(RATES & was.keys())
            if was[name] != rates[name]
        ]
        changes += [
            f"{region}  {name}: {before.get(name, 'new')} -> {prices.get(name, 'not offered')}"
            for name in sorted({*before, *(types if before else ())})
            if before.get(name) != prices.get(name)
        ]
        changes += [] if before else [f"{region}: {len(prices)} types"]
    write(file, {**data, "regions": fresh})
    return changes


def ages(file: Path, today: date) -> dict[str, int]:
    """Days since each region's prices were read."""
    regions = json.loads(file.read_text())["regions"]
    return {
        region: (today - date.fromisoformat(entry["date"])).days for region, entry in sorted(regions.items())
    }


@task(
    iterable=["region", "type"],
    help={
        "region": "A region to add to those of the table. May be given several times.",
        "type": "An instance type to add to those of the table. May be given several times.",
        "check": (
            f"Change nothing and ask nobody: say how old the table is; exit code 1 when older than {OLD} "
            "days."
        ),
        "json": "One JSON document.",
    },
)
def prices(c: Context, region: list[str], type: list[str], check: bool = False, json: bool = False) -> None:  # noqa: A002 (the flag's name)
    """Refresh the prices of forecasts and budgets (blueprints/prices.json) from AWS's Price List.

    Needs credentials of any AWS account that allow pricing:GetProducts. What is deployed keeps its prices
    until it is deployed again.
    """
    from blueprints.prices import FILE
    from console import reference
    from console.cloud import project_root

    today = datetime.now(UTC).date()
    changes = None
    if not check:
        changes = _asked(lambda: refresh(FILE, _client(), region, type, today))
        reference.write(project_root())
    found = ages(FILE, today)
    if json:
        to_stdout(
            _as_json(
                {
                    "regions": _regions(FILE),
                    "age_days": found,
                    **({} if changes is None else {"changes": changes}),
                }
            )
        )
    else:
        for line in changes or ():
            to_stdout(line)
        for name, entry in _regions(FILE).items():
            count = len(entry["usd_per_hour"])
            to_stdout(
                f"{name}: {count} types, {entry['date']} ({found[name]} days ago), from: {entry['source']}"
            )
        if changes:
            to_stdout("deploy the analyses again to let them use these prices")
    if check and max(found.values(), default=0) > OLD:
        raise Exit(
            f"the prices are older than {OLD} days: refresh them with `invoke prices`, and commit "
            "blueprints/prices.json",
            code=1,
        )


def _regions(file: Path) -> dict[str, Any]:
    regions: dict[str, Any] = json.loads(file.read_text())["regions"]
    return regions


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2)


def _client() -> Any:
    """A client of the Price List with the credentials of this shell. Raises UserError when there are none."""
    import boto3

    elsewhere = os.environ.get("AWS_ENDPOINT_URL_PRICING") or os.environ.get("AWS_ENDPOINT_URL")
    if elsewhere:
        raise UserError(
            f"this shell talks to {elsewhere}, which has no price list",
            _NEEDS,
            "run it in a shell without AWS_ENDPOINT_URL",
        )
    session = boto3.Session()
    if session.get_credentials() is None:
        raise UserError(
            "no AWS credentials in this shell", _NEEDS, "log in, or set AWS_PROFILE; the table stays as it is"
        )
    return session.client("pricing", region_name=API_REGION)


def _asked(ask: Callable[[], list[str]]) -> list[str]:
    """What `ask` gives; what AWS, or the way to it, refuses is a UserError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return ask()
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            str(error),
            _NEEDS,
            "check the credentials and the network of this shell; the table stays as it is",
        ) from error


collection = Collection(prices)
