"""A member's wish to have a folder watched (`neurocaas.protocol.watches`): checked, and registered in the
name of who wrote it. The sweep does the rest (`runtime.monitor.folders`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from neurocaas.protocol.cost import at_most, micro_dollars
from neurocaas.protocol.documents import DocumentError, iso
from neurocaas.protocol.keys import WatchKey
from neurocaas.protocol.normal import normal_text
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.submission import InvalidSubmission, parse_submission
from neurocaas.protocol.units import money
from neurocaas.protocol.watches import (
    NAME,
    OFF,
    ON,
    WATCHES_MAX,
    WISH_MAX_BYTES,
    Watch,
    WatchKeys,
    WatchWish,
    parse_wish,
    records_prefix,
)
from runtime.manager.answer import rejection
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.inputs import read_config
from runtime.manager.port import BucketRefusedError, ManagerCloud, ObjectTooLargeError
from runtime.manager.submitter import submitter_of


def watch(
    cloud: ManagerCloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery
) -> Outcome:
    """Register a watch, or change its state; what is wrong with it is answered as for a submission."""
    key = WatchKey.parse(delivery.event.key)
    who = submitter_of(cloud, key.group, delivery)
    try:
        if who.refused is not None:
            raise InvalidInput([who.refused])
        made = _made(cloud, settings, key, who.name, clock())
    except InvalidInput as error:
        return rejection(cloud, settings, clock, key, submitter=who.name).refuse(error.problems)
    # the record is for people; the sweep goes by the ledger, which comes last
    cloud.put(settings.bucket, made.keys.record, made.to_json())
    cloud.register(made)
    return Outcome(0, f"watch {made.name} of {made.group} is {made.state}")


def _made(
    cloud: ManagerCloud, settings: AnalysisSettings, key: WatchKey, submitter: str, now: datetime
) -> Watch:
    """Raises InvalidInput."""
    if not NAME.fullmatch(key.id):
        allowed = "1 to 40 letters, digits, '.', '_' and '-', starting with a letter or digit"
        raise InvalidInput([Problem("watch", f"the name {shown(key.id)}", allowed, "Rename the file")])
    try:
        raw = cloud.get(settings.bucket, key.key, WISH_MAX_BYTES)
    except (ObjectTooLargeError, BucketRefusedError) as error:
        allowed = f"a file of up to {WISH_MAX_BYTES} bytes, encrypted as the bucket does it"
        raise InvalidInput([Problem("watch", str(error), allowed, "Upload it again")]) from error
    if raw is None:
        raise InvalidInput([Problem("watch", "nothing: the file was deleted", "a file", "Upload it again")])
    wish, keys = parse_wish(raw, key.group), WatchKeys(key.group, key.id)
    there = _there(cloud, settings, keys)
    if wish.state != ON:
        if there is None:
            got = f"{shown(key.id)}, which the group does not have"
            raise InvalidInput([Problem("watch", got, "a watch that is on", "Correct its name")])
        return replace(there, state=wish.state)
    problems = _wrong(settings, key, wish)
    if there is None or there.state == OFF:
        others = cloud.objects(settings.bucket, records_prefix(key.group), "", 10 * WATCHES_MAX)
        living = [one.key for one in others if one.key != keys.record]
        if len(living) >= WATCHES_MAX and _on(cloud, settings, living) >= WATCHES_MAX:
            got, do = f"{WATCHES_MAX} watches that are on", "Turn one off first"
            problems.append(Problem("watch", got, f"up to {WATCHES_MAX} in an analysis", do))
    config, worst = None, 0
    try:
        # another group's is not even looked for
        if not any(one.field == "configname" for one in problems):
            config = read_config(cloud, settings, wish.configname)
    except InvalidInput as error:
        problems += error.problems
    except BucketRefusedError as error:
        problems.append(
            Problem("configname", str(error), "a config that the analysis can read", "Correct it")
        )
    if config is not None and not problems:
        worst = _worst(settings, wish, config.config.duration_minutes)
        if worst > micro_dollars(wish.cap_usd):
            got = f"${wish.cap_usd:g}, with {money(worst / 1e6)} for one dataset at most"
            problems.append(Problem("watch: cap_usd", got, "room for one dataset at least", "Raise it"))
    if problems or config is None:
        raise InvalidInput(problems)
    text = normal_text(config.config.values)
    pinned = keys.config(hashlib.sha256(text.encode()).hexdigest())
    cloud.put(settings.bucket, pinned, text)
    again = there is not None and there.state != OFF and there.prefix == wish.prefix
    return Watch(
        settings.bucket,
        key.group,
        key.id,
        ON,
        submitter,
        wish.prefix,
        wish.configname,
        pinned,
        wish.quiet,
        micro_dollars(wish.cap_usd),
        worst,
        wish.datasets,
        wish.pattern,
        wish.existing,
        there.made if again and there is not None else iso(now),
        iso(now + timedelta(seconds=wish.until)),
        wish.instance_type,
    )


def _wrong(settings: AnalysisSettings, key: WatchKey, wish: WatchWish) -> list[Problem]:
    """What a submission of such a dataset would be refused for."""
    body = {"dataname": f"{wish.prefix}x", "configname": wish.configname, "timestamp": "t"}
    if wish.instance_type is not None:
        body["instance_type"] = wish.instance_type
    try:
        parse_submission(json.dumps(body).encode(), f"{key.group}/submissions/x_submit.json", settings)
    except InvalidSubmission as error:
        return list(error.problems)
    return []


def _worst(settings: AnalysisSettings, wish: WatchWish, minutes: int) -> int:
    """What a job of one dataset may cost at most, but for a larger disk."""
    chosen = wish.instance_type or settings.instance.type
    others = () if wish.instance_type else settings.instance.fallback
    dearest = max(settings.prices[one] for one in (chosen, *others, *settings.oom_types.get(chosen, ())))
    return at_most(1, minutes, dearest + settings.rates.hourly(settings.instance.volume_gib))


def _there(cloud: ManagerCloud, settings: AnalysisSettings, keys: WatchKeys) -> Watch | None:
    raw = cloud.get(settings.bucket, keys.record, WISH_MAX_BYTES)
    try:
        return Watch.from_json(raw) if raw is not None else None
    except DocumentError:
        return None


def _on(cloud: ManagerCloud, settings: AnalysisSettings, records: list[str]) -> int:
    found = (cloud.get(settings.bucket, key, WISH_MAX_BYTES) for key in records)
    return sum(raw is not None and b'"state": "off"' not in raw for raw in found)
