"""`invoke prices`: from the documents of AWS's Price List to the table, and never half of one."""

import gzip
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from botocore.stub import Stubber

from blueprints.machine_kinds import architecture, kind
from blueprints.prices import FILE, table
from components.project import prices_of
from console import prices
from console.errors import UserError
from neurocaas.protocol.cost import Rates

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


def part(unit: str, usd: str, **attributes: str) -> str:
    """A product that is no machine, as GetProducts gives it."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}, "beginRange": "0", "endRange": "Inf"}
    document = {
        "product": {"attributes": {"locationType": "AWS Region", **attributes}},
        "terms": {"OnDemand": {"x.y": {"priceDimensions": {"x.y.z": dimension}}}},
    }
    return json.dumps(document)


GP3 = part(
    "GB-Mo", "0.0880000000", productFamily="Storage", volumeApiName="gp3", usagetype="EBS:VolumeUsage.gp3"
)
IPV4 = part("Hrs", "0.0050000000", group="VPCPublicIPv4Address", usagetype="USE1-PublicIPv4:InUseAddress")
IDLE = part("Hrs", "0.0060000000", group="VPCPublicIPv4Address", usagetype="USE1-PublicIPv4:IdleAddress")


class PriceList:
    """The Price List of AWS with the pages of each region, and what it says of volumes and addresses."""

    def __init__(
        self,
        volumes: tuple[str, ...] = (GP3,),
        addresses: tuple[str, ...] = (IDLE, IPV4),
        **regions: list[list[str]],
    ) -> None:
        self.client = boto3.client(
            "pricing", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )
        self._stub = Stubber(self.client)
        for region, pages in sorted(regions.items()):
            self._answer("AmazonEC2", region, prices.PRODUCT, pages)
            self._answer("AmazonEC2", region, prices.VOLUME, [list(volumes)])
            self._answer("AmazonVPC", region, prices.ADDRESS, [list(addresses)])

    def _answer(self, service: str, region: str, wanted: Mapping[str, str], pages: list[list[str]]) -> None:
        filters = {**wanted, "regionCode": region.replace("_", "-")}
        asked = {
            "ServiceCode": service,
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
        "gp3_gib_month": 0.08,
        "ipv4_hour": 0.005,
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
    assert changes == [
        "us-east-1  gp3_gib_month: 0.08 -> 0.088",
        "us-east-1  m5.large: 0.09 -> 0.096",
        "us-east-1  m7i.large: new -> 0.1008",
    ]
    found = table("us-east-1", file)
    assert (found.date, found.source) == ("2026-12-01", "AWS Price List API")
    assert found.usd_per_hour == {"m5.large": 0.096, "m7i.large": 0.1008, "p3.2xlarge": 3.06}, (
        "what nobody uses is left out"
    )
    assert found.rates == Rates(gp3_gib_month=0.088, ipv4_hour=0.005)


def test_what_the_price_list_does_not_say_of_disks_and_addresses_stays_as_it_was(file: Path) -> None:
    page = [[product("m5.large", "0.09"), product("p3.2xlarge", "3.06")]]
    with PriceList((), (IDLE,), us_east_1=page) as client:
        assert prices.refresh(file, client, [], [], TODAY) == []
    assert table("us-east-1", file).rates == Rates(gp3_gib_month=0.08, ipv4_hour=0.005)


def test_a_new_region_whose_disks_have_no_price_is_not_added(file: Path) -> None:
    before, page = file.read_bytes(), [[product("m5.large", "0.102", "eu-north-1")]]
    with (
        PriceList((), eu_north_1=page, us_east_1=[[product("m5.large", "0.09")]]) as client,
        pytest.raises(UserError, match="gp3_gib_month of eu-north-1"),
    ):
        prices.refresh(file, client, ["eu-north-1"], [], TODAY)
    assert file.read_bytes() == before


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


REGIONS = sorted(json.loads(FILE.read_text())["regions"])


@pytest.mark.parametrize("region", REGIONS)
def test_the_project_says_when_its_prices_were_read_and_where(region: str) -> None:
    found = table(region)
    assert date.fromisoformat(found.date) <= date.today()  # noqa: DTZ011 (a day more or less does not matter)
    assert found.source
    assert all(0 < price < 150 for price in found.usd_per_hour.values())
    assert 0.05 < found.rates.gp3_gib_month < 0.2
    assert found.rates.ipv4_hour == 0.005


def test_there_are_prices_for_twenty_regions_and_the_current_machines() -> None:
    for_all = [region for region in REGIONS if "m5.large" in table(region).usd_per_hour]
    assert len(for_all) >= 20
    families = {name.partition(".")[0] for name in table().usd_per_hour}
    asked = "m5 c5 r5 m6i c6i r6i m7i c7i r7i m7g c7g r7g t3 t3a t4g g4dn g5 g6 p4d p5"
    assert set(asked.split()) <= families


@pytest.mark.parametrize("region", REGIONS)
def test_a_size_twice_as_large_costs_twice_as_much(region: str) -> None:
    """So it is with every family whose sizes have nothing but processors and memory: a slip of the pen in
    some two thousand numbers would show."""
    found = table(region).usd_per_hour
    for name, usd in found.items():
        family, large = name.partition(".")[0], found.get(f"{name.partition('.')[0]}.xlarge")
        if family[0] in "gp" or family == "t2" or large is None:
            continue
        one, base = kind(name), kind(f"{family}.xlarge")
        assert one is not None
        assert base is not None
        times = one.gib / base.gib
        assert usd == pytest.approx(large * times, abs=0.00051 * max(1.0, times)), (name, usd)


@pytest.mark.parametrize(
    ("region", "known"),
    [
        (
            "us-gov-west-1",
            {"m5.24xlarge": 5.808, "c6i.32xlarge": 6.528, "r6i.8xlarge": 2.416, "t4g.2xlarge": 0.3136},
        ),
        ("ap-south-1", {"m7i.24xlarge": 5.0904, "m7i.large": 0.10605, "m7g.xlarge": 0.1166}),
        ("eu-west-2", {"m7g.large": 0.0944, "g4dn.xlarge": 0.615}),
        (
            "us-east-1",
            {"m7i.48xlarge": 9.6768, "r7g.16xlarge": 3.4272, "c7i.large": 0.08925, "p5.48xlarge": 55.04},
        ),
    ],
)
def test_some_prices_are_those_of_a_second_source(region: str, known: dict[str, float]) -> None:
    """Karpenter's generated tables of 2023-09-18 (GovCloud) and 2026-01-19, and tables of other projects."""
    assert {name: table(region).usd_per_hour[name] for name in known} == pytest.approx(known, rel=1e-4)


def described(file: str) -> Any:
    with gzip.open(Path(moto.__file__).parent / "ec2" / "resources" / f"{file}.json.gz") as text:
        return json.load(text)


def test_what_a_type_has_is_what_ec2_says_of_it() -> None:
    """By the answers of EC2 that moto has recorded."""
    types, older = described("instance_types"), {name for _, name in NOT_RECORDED}
    for name in sorted({one for region in REGIONS for one in table(region).usd_per_hour}):
        if name not in types:
            assert name in older
            continue
        one, known = types[name], kind(name)
        gpus = [gpu["Count"] for gpu in one.get("GpuInfo", {}).get("Gpus", ())]
        assert known is not None, name
        assert (known.vcpu, known.gpus) == (one["VCpuInfo"]["DefaultVCpus"], sum(gpus)), name
        assert known.gib == one["MemoryInfo"]["SizeInMiB"] / 1024, name
        assert architecture(name) in one["ProcessorInfo"]["SupportedArchitectures"], name


NOT_RECORDED = {
    ("ap-southeast-1", "p4d.24xlarge"),
    *(("us-east-1", name) for name in ("p3.2xlarge", "p3.8xlarge", "p3.16xlarge")),
}
"""With a price in August 2026 (or, P3, before), and not offered by EC2 when moto recorded its answers."""


@pytest.mark.parametrize("region", [one for one in REGIONS if not one.startswith("us-gov-")])
def test_a_region_has_prices_of_types_that_it_offers(region: str) -> None:
    offered = {one["InstanceType"] for one in described(f"instance_type_offerings/region/{region}")}
    lacking = {name for name in table(region).usd_per_hour if name not in offered}
    assert {(region, name) for name in lacking} <= NOT_RECORDED


def test_the_table_is_stored_as_the_command_writes_it() -> None:
    assert FILE.read_text() == prices.text_of(json.loads(FILE.read_text()))


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
