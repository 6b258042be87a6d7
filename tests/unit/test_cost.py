"""What a machine costs, and that nobody counts less than another: reservation, enforcement, settlement and
forecast.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.prices import table
from neurocaas.forecast import Forecast, volume_gib
from neurocaas.protocol.cost import MINIMUM_SECONDS, Rates, at_most, charge
from neurocaas.protocol.disk import DiskRules
from neurocaas.protocol.documents import moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import BUDGET_MARGIN_MINUTES
from neurocaas.protocol.report import ComputeReport
from runtime.manager.budget import worst_case
from runtime.monitor.machine import DatasetVerdict, final_report, new_report
from runtime.monitor.port import Instance
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

RATES = Rates(gp3_gib_month=0.08, ipv4_hour=0.005)
PRICED = replace(SETTINGS, rates=RATES)
PRICES = table()


def job_of(world: World) -> Job:
    return Job.from_json(world.aws.text(BUCKET, JobKeys.of("lab", "t1").job) or "")


def submitted(world: World) -> Job:
    world.submit(world.submission())
    return job_of(world)


def settled(job: Job, machine_type: str, seconds: float) -> int:
    """Micro-dollars for a machine of a job that has lived so long."""
    start = moment(job.created)
    instance = Instance("i-1", machine_type, "terminated", 0, start)
    verdict = DatasetVerdict("SUCCESS", None, 0, "success")
    report = final_report(new_report(job, 0, instance, start), start + timedelta(seconds=seconds), verdict)
    return round(report.cost * 1e6)


def test_a_disk_of_sixteen_tib_is_reserved_and_settled() -> None:
    """The audit's first example: at $0.08 a GiB and month it costs twenty times as much as its m5.large."""
    world = World(changed(PRICED, dataset_size_gib=16384, budget_usd=1000.0))
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"__dataset_size__": 16368}')
    job = submitted(world)
    assert job.volume_gib == 16384
    reserved = worst_case(job) / 1e6
    assert reserved >= 1.25 * (0.192 + 16384 * 0.08 / 730 + 0.005)
    assert reserved == pytest.approx(1.25 * (0.192 + 1.9505 + 0.005), abs=1e-3)
    hour = settled(job, "m5.large", 3600) / 1e6
    assert hour >= 0.096 + 16384 * 0.08 / 744 + 0.005
    assert f"${job.besides_per_hour:.4f} an hour: 16384 GiB of disk and a public IPv4" in world.certificate()


def test_the_budget_counts_the_disk_that_a_submission_asks_for() -> None:
    world = World(changed(PRICED, dataset_size_gib=16384, budget_usd=1.0))
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"__dataset_size__": 16368}')
    assert world.submit(world.submission()).exit_code == 99
    assert world.facts()["exit_class"] == "quota"


def test_a_small_machine_is_charged_for_its_address_and_its_disk() -> None:
    job = replace(submitted(World(PRICED)), prices={"m5.large": 0.0104})
    assert settled(job, "m5.large", 3600) >= 1e6 * (0.0104 + 0.005 + 16 * 0.08 / 730)


@pytest.mark.parametrize("seconds", [0, 0.2, 59.9, 60])
def test_a_machine_that_ends_at_once_costs_a_minute(seconds: float) -> None:
    assert charge(0.6, seconds) == charge(0.6, MINIMUM_SECONDS) == 10_000
    assert settled(submitted(World(PRICED)), "m5.large", seconds) == charge(0.096 + RATES.hourly(16), 60)


def test_a_machine_that_lives_has_no_cost_yet_and_counts_for_the_budget() -> None:
    job = submitted(World(PRICED))
    start = moment(job.created)
    report = new_report(job, 0, Instance("i-1", "m5.large", "running", 0, start), start)
    assert report.cost == 0
    hour = report.cost_until(start + timedelta(hours=1))
    assert hour == pytest.approx(0.096 + RATES.hourly(16), abs=2e-6)


amounts = st.floats(0.0001, 120.0, allow_nan=False)


@given(st.sampled_from(sorted(PRICES.usd_per_hour)), st.integers(8, 16384), st.integers(1, 20_000), st.data())
def test_what_is_reserved_covers_what_is_settled(
    name: str, gib: int, minutes: int, data: st.DataObject
) -> None:
    """For every type, volume and duration, however long the machine lives within what the service lets it."""
    usd = PRICES.usd_per_hour[name] + PRICES.rates.hourly(gib)
    machines = data.draw(st.integers(1, 30))
    lives = st.floats(0, (minutes + BUDGET_MARGIN_MINUTES) * 60, allow_nan=False)
    spent = sum(charge(usd, data.draw(lives)) for _ in range(machines))
    assert spent <= at_most(machines, minutes, usd)


@given(amounts, st.floats(0, 1e7, allow_nan=False))
def test_nothing_is_rounded_down(usd: float, seconds: float) -> None:
    assert charge(usd, seconds) >= usd * max(seconds, 60) / 3600 * 1e6 - 0.01


@given(st.integers(8, 16384), st.integers(0, 1024), st.integers(0, 600 * 2**30), st.integers(1, 4))
def test_the_forecast_is_what_the_manager_reserves(gib: int, asked: int, size: int, count: int) -> None:
    rules = DiskRules(gib, 1024, 2.0)
    settings = changed(PRICED, volume_gib=gib, dataset_size_gib=1024, budget_usd=1e9)
    world = World(settings)
    names = [f"lab/inputs/{index}.zip" for index in range(count)]
    for name in names:
        world.aws.upload(BUCKET, name)
        world.aws.sizes[BUCKET, name] = size
    world.aws.upload(BUCKET, "lab/configs/c.json", f'{{"__dataset_size__": {asked}, "__duration__": 45}}')
    world.submit(world.submission(dataname=names))
    job = job_of(world)
    foreseen = Forecast(
        datasets=count,
        minutes=45,
        instance_type="m5.large",
        price_per_hour=0.096,
        dearest_per_hour=0.192,
        volume_gib=volume_gib(rules, asked, [size] * count),
        besides_per_hour=RATES.hourly(volume_gib(rules, asked, [size] * count)),
    )
    assert foreseen.volume_gib == job.volume_gib
    assert round(foreseen.usd * 1e6) == worst_case(job)


def test_a_size_that_cannot_be_known_is_taken_for_the_largest() -> None:
    rules = DiskRules(16, 100, 2.0)
    assert volume_gib(rules, 0, [1, None]) == 116
    assert volume_gib(rules, 0, [200 * 2**30]) == 116  # the manager refuses it
    assert volume_gib(None, 5, [1]) == 0


def test_a_job_of_before_is_paid_as_it_was_reserved() -> None:
    """Its documents do not say what disks and addresses cost."""
    job = submitted(World(SETTINGS))
    old = Job.from_json(job.to_json().replace('"rates"', '"unheard_of"'))
    assert old.besides_per_hour == 0
    assert settled(old, "m5.large", 3600) == 96_000
    report = new_report(
        old, 0, Instance("i-1", "m5.large", "running", 0, moment(old.created)), moment(old.created)
    )
    assert ComputeReport.from_json(report.to_json().replace('"besides_price"', '"unheard_of"')) == report
