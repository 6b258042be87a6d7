"""`invoke prices`: from the documents of AWS's Price List to the table, and never half of one."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from blueprints.prices import table
from components.project import prices_of
from console import prices
from console.errors import UserError

TODAY = date(2026, 12, 1)


def product(instance_type: str, usd: str, region: str = "us-east-1", **attributes: str) -> str:
    """A product as GetProducts gives it: a JSON text, with the terms keyed by SKU and offer."""
    sku = f"SKU{abs(hash((instance_type, usd, region, *attributes.values()))) % 10**8}"
    described = {
        "instanceType": instance_type,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "licenseModel": "No License required",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "regionCode": region,
        "location": "US East (N. Virginia)",
        "vcpu": "2",
        "memory": "8 GiB",
        "usagetype": f"BoxUsage:{instance_type}",
        "operation": "RunInstances",
        "servicecode": "AmazonEC2",
        **attributes,
    }
    dimension = {
        "unit": "Hrs",
        "endRange": "Inf",
        "beginRange": "0",
        "description": f"${usd} per On Demand Linux {instance_type} Instance Hour",
        "rateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
        "appliesTo": [],
        "pricePerUnit": {"USD": usd},
    }
    term = {
        "priceDimensions": {dimension["rateCode"]: dimension},
        "sku": sku,
        "effectiveDate": "2026-11-20T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    reserved = {
        "priceDimensions": {"x": {**dimension, "pricePerUnit": {"USD": "0.0300000000"}}},
        "sku": sku,
        "offerTermCode": "4NA7Y494T4",
    }
    document = {
        "product": {"productFamily": "Compute Instance", "attributes": described, "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}, "Reserved": {f"{sku}.4NA7Y494T4": reserved}},
        "version": "20261120000000",
        "publicationDate": "2026-11-20T00:00:00Z",
    }
    return json.dumps(document)


class PriceList:
    """The Price List of AWS with the pages of each region."""

    def __init__(self, **regions: list[list[str]]) -> None:
        self.client = boto3.client(
            "pricing", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )
        self._stub = Stubber(self.client)
        for region, pages in sorted(regions.items()):
            filters = {**prices.PRODUCT, "regionCode": region.replace("_", "-")}
            asked = {
                "ServiceCode": "AmazonEC2",
                "Filters": [
                    {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()
                ],
                "FormatVersion": "aws_v1",
            }
            for number, page in enumerate(pages):
                more = {"NextToken": f"t{number}"} if number + 1 < len(pages) else {}
                before = {"NextToken": f"t{number - 1}"} if number else {}
                self._stub.add_response(
                    "get_products",
                    {"FormatVersion": "aws_v1", "PriceList": page, **more},
                    {**asked, **before},
                )

    def refuse(self, code: str) -> "PriceList":
        self._stub.add_client_error("get_products", code, "not authorized to perform pricing:GetProducts")
        return self

    def __enter__(self) -> Any:
        self._stub.activate()
        return self.client

    def __exit__(self, *_: object) -> None:
        self._stub.deactivate()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.json"
    entry = {
        "date": "2026-01-01",
        "source": "price page",
        "usd_per_hour": {"m5.large": 0.09, "p3.2xlarge": 3.06},
    }
    path.write_text(json.dumps({"schema_version": 1, "regions": {"us-east-1": entry}}))
    return path


def test_the_table_is_read_anew_with_its_date_and_source(file: Path) -> None:
    pages = [
        [product("m5.large", "0.0960000000"), product("zz.huge", "99.0")],
        [product("p3.2xlarge", "3.06"), product("m7i.large", "0.1008")],
    ]
    with PriceList(us_east_1=pages) as client:
        changes = prices.refresh(file, client, [], ["m7i.large"], TODAY)
    assert changes == ["us-east-1  m5.large: 0.09 -> 0.096", "us-east-1  m7i.large: new -> 0.1008"]
    found = table("us-east-1", file)
    assert (found.date, found.source) == ("2026-12-01", "AWS Price List API")
    assert found.usd_per_hour == {"m5.large": 0.096, "m7i.large": 0.1008, "p3.2xlarge": 3.06}, (
        "what nobody uses is left out"
    )


def test_a_region_is_added_and_a_type_that_it_does_not_offer_is_left_out(file: Path) -> None:
    everywhere = [[product("m5.large", "0.096"), product("p3.2xlarge", "3.06")]]
    with PriceList(eu_north_1=[[product("m5.large", "0.102", "eu-north-1")]], us_east_1=everywhere) as client:
        changes = prices.refresh(file, client, ["eu-north-1"], [], TODAY)
    assert "eu-north-1: 1 types" in changes
    assert table("eu-north-1", file).usd_per_hour == {"m5.large": 0.102}
    assert prices.ages(file, date(2026, 12, 31)) == {"eu-north-1": 30, "us-east-1": 30}


def test_only_the_on_demand_linux_price_counts(file: Path) -> None:
    others = [
        product("m5.large", "0.188", operatingSystem="Windows"),
        product("m5.large", "0.576", preInstalledSw="SQL Std"),
        product("m5.large", "0.102", tenancy="Dedicated"),
        product("m5.large", "0.0000000000", capacitystatus="AllocatedCapacityReservation"),
        product("m5.large", "0.0000000000"),
        json.dumps(
            {
                "product": {"attributes": {"usagetype": "EBS:VolumeUsage"}, "sku": "x"},
                "serviceCode": "AmazonEC2",
            }
        ),
    ]
    with PriceList(
        us_east_1=[[*others, product("m5.large", "0.096"), product("m5.large", "0.096")]]
    ) as client:
        assert prices.fetch(client, "us-east-1", ["m5.large"]) == {"m5.large": 0.096}


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ([product("m5.large", "0.096"), product("m5.large", "0.097")], "two prices of m5.large in us-east-1"),
        ([product("zz.huge", "1.0")], "no price for us-east-1"),
        ([], "no price for us-east-1"),
    ],
)
def test_an_answer_that_makes_no_sense_leaves_the_table_as_it_is(
    file: Path, page: list[str], message: str
) -> None:
    before = file.read_bytes()
    with PriceList(us_east_1=[page]) as client, pytest.raises(UserError, match=message):
        prices.refresh(file, client, [], [], TODAY)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_refusal_after_the_first_region_leaves_the_table_as_it_is(file: Path) -> None:
    before = file.read_bytes()
    asked = PriceList(eu_north_1=[[product("m5.large", "0.102", "eu-north-1")]]).refuse(
        "AccessDeniedException"
    )
    with (
        asked as client,
        pytest.raises(UserError, match=r"pricing:GetProducts(.|\n)*the table stays as it is"),
    ):
        prices._asked(lambda: prices.refresh(file, client, ["eu-north-1"], [], TODAY))
    assert file.read_bytes() == before


def test_a_disk_that_is_full_leaves_the_table_as_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        prices.write(file, {"regions": {}})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "no AWS credentials in this shell"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "which has no price list"),
        ({"AWS_PROFILE": "nonesuch"}, "nonesuch"),
    ],
)
def test_a_shell_that_cannot_ask_gets_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    none = tmp_path / "none"
    for name, value in {
        "AWS_CONFIG_FILE": none,
        "AWS_SHARED_CREDENTIALS_FILE": none,
        "AWS_EC2_METADATA_DISABLED": "true",
        **environment,
    }.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(UserError, match=message) as caught:
        prices._asked(lambda: prices.refresh(tmp_path / "no table", prices._client(), [], [], TODAY))
    assert "pricing:GetProducts" in str(caught.value)


def test_a_stack_in_a_region_without_prices_is_refused_with_the_command_that_reads_them() -> None:
    import pulumi

    assert prices_of("us-east-1", ["m5.large"]).usd_per_hour == {"m5.large": table().usd_per_hour["m5.large"]}
    for region, types, what in (
        ("mars-1", ["m5.large"], "region mars-1"),
        ("us-east-1", ["zz.huge"], "type zz.huge in region us-east-1"),
    ):
        with pytest.raises(
            pulumi.RunError, match=f"no price for .*{what}(.|\n)*invoke prices --region {region}"
        ):
            prices_of(region, types)


def test_the_project_says_when_its_prices_were_read_and_where() -> None:
    found = table()
    assert date.fromisoformat(found.date) <= date.today()  # noqa: DTZ011 (a day more or less does not matter)
    assert found.source
    assert all(0 < price < 100 for price in found.usd_per_hour.values())


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("m5.large", ("m5.large", "m5.xlarge", "m5.2xlarge", "m5.4xlarge")),
        ("m5.xlarge", ("m5.xlarge", "m5.large", "m5.2xlarge", "m5.4xlarge", "m5.8xlarge")),
        ("p3.2xlarge", ("p3.2xlarge", "p3.8xlarge", "p3.16xlarge")),
        ("g4dn.xlarge", ("g4dn.xlarge", "g4dn.2xlarge", "g4dn.4xlarge", "g4dn.8xlarge", "g4dn.12xlarge")),
        ("zz.huge", ("zz.huge",)),
    ],
)
def test_the_family_of_a_type_ends_at_eight_times_its_price(name: str, family: tuple[str, ...]) -> None:
    assert table().family(name) == family
