"""What the account may have at once, against what the blueprints want."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from account.quotas import GP3_TIB, quota_name, vcpu_quota
from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, fail, ok, warn
from console.account_checks.wanted import Wanted
from neurocaas.protocol.settings import ON_DEMAND

FEW_MACHINES = 8
"""Fewer at once than this are told: most jobs have more datasets."""
_MORE = "ask for more in Service Quotas: aws service-quotas request-service-quota-increase"


def vcpus(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """One answer a family and market; the largest default machine of it is what must fit."""
    largest: dict[tuple[str, bool], str] = {}
    sizes = vcpus_of_types(at, {one.instance.type for one in wanted.blueprints})
    for one in wanted.blueprints:
        kind = one.instance.type
        for spot in {False, one.instance.market != ON_DEMAND}:
            key = (vcpu_quota(kind, spot=spot), spot)
            if sizes.get(kind, 0) >= sizes.get(largest.get(key, ""), 0):
                largest[key] = kind
    for (code, spot), kind in sorted(largest.items()):
        limit, each = _value(at, "ec2", code), sizes.get(kind, 0)
        name, fits = quota_name(kind, spot=spot), int(limit // each) if each else 0
        got = f"{name}: {limit:.0f} virtual CPUs, {fits} {kind} at once"
        do = f"{_MORE} --service-code ec2 --quota-code {code} --desired-value N"
        if each and fits < 1:
            yield fail(got, f"{each} virtual CPUs, which one machine has", do)
        elif each and fits < FEW_MACHINES:
            yield warn(got, f"{FEW_MACHINES} machines: each dataset takes one, the others wait", do)
        else:
            yield ok(got)


def vcpus_of_types(at: At, types: set[str]) -> dict[str, int]:
    """Virtual CPUs of those types that the region has."""
    found = at.client("ec2").describe_instance_types(
        Filters=[{"Name": "instance-type", "Values": sorted(types)}]
    )["InstanceTypes"] if types else []  # fmt: skip
    return {one["InstanceType"]: int(one["VCpuInfo"]["DefaultVCpus"]) for one in found}


def disks(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    limit = _value(at, "ebs", GP3_TIB) * 1024
    for one in sorted(wanted.blueprints, key=lambda one: -one.instance.volume_gib)[:1]:
        fits = int(limit // one.instance.volume_gib)
        got = f"{limit / 1024:.0f} TiB of gp3, {fits} machines of {one.instance.volume_gib} GiB ({one.name})"
        do = f"{_MORE} --service-code ebs --quota-code {GP3_TIB} --desired-value N"
        if fits < FEW_MACHINES:
            yield (warn if fits else fail)(got, f"{FEW_MACHINES} machines at once", do)
        else:
            yield ok(got)


def identities(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """IAM's roles, instance profiles and groups. Some of those in use may be what the stacks have made
    already."""
    summary = at.client("iam").get_account_summary()["SummaryMap"]
    for what, want, quota in (
        ("Roles", wanted.roles, "L-FE177D64"),
        ("InstanceProfiles", wanted.profiles, "L-6E65F664"),
        ("Groups", wanted.groups, "L-F4A5425F"),
    ):
        limit = summary.get(f"{what}Quota")
        if limit is None:
            continue  # GetAccountSummary does not tell it in every partition
        yield _fitting(at, what, want, int(summary.get(what, 0)), int(limit), quota)


def _fitting(at: At, what: str, want: int, used: int, limit: int, quota: str) -> AccountAnswer:
    got = f"{what}: {limit} allowed, {used} in use; the stacks want {want}"
    do = f"{_MORE} --service-code iam --quota-code {quota} --desired-value N (in us-east-1)"
    if want <= limit - used:
        return ok(got)
    theirs = used - _ours(at, what)
    if want > limit - theirs:
        return fail(got, f"{limit - theirs} beside the {theirs} of others", do)
    return ok(f"{got}, most of which are there")


def _ours(at: At, what: str) -> int:
    """How many of those in use have the program's name."""
    operation, key, name = {
        "Roles": ("list_roles", "Roles", "RoleName"),
        "InstanceProfiles": ("list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
        "Groups": ("list_groups", "Groups", "GroupName"),
    }[what]
    pages: Any = at.client("iam").get_paginator(operation).paginate()
    return sum(str(one[name]).startswith("neurocaas-") for page in pages for one in page[key])


def _value(at: At, service: str, quota: str) -> float:
    found = at.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=quota)
    return float(found["Quota"]["Value"])
