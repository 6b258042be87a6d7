"""What earlier runs of the group say of a submission, from one small file that the service keeps
(`neurocaas.protocol.sizes`): how long it will take, and whether it is sure to need more than it will have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from neurocaas.bucket import Bucket
from neurocaas.protocol.need import Need
from neurocaas.protocol.sizes import DISK, MEMORY, SIZES_MAX_BYTES, TIME, SizeRow, read_sizes, sizes_key
from neurocaas.protocol.status import SUCCESS
from neurocaas.protocol.units import size as told_size

SURE = 3
"""So many runs that had too little, and none that had enough, make it sure."""

BOOT_SECONDS = 600
"""More than a machine takes beside its script: time limits are of the script."""

_GIB = 1 << 30


def known_sizes(objects: Bucket, group: str) -> list[SizeRow]:
    """What is known of the group's runs, oldest first; nothing where no job has ended since it is kept."""
    return read_sizes(objects.get(sizes_key(group), SIZES_MAX_BYTES))


def warnings(
    rows: Sequence[SizeRow],
    largest: int | None,
    instance_type: str,
    minutes: int,
    volume_gib: int,
    machines: Mapping[str, Need],
    larger: Sequence[str] = (),
) -> tuple[str, ...]:
    """What a dataset of `largest` bytes is sure to run out of. `machines`: what each type has; `larger`: on
    which types it is run again after that. Sure is what SURE runs of inputs not larger had too little of,
    while no run of an input as large as theirs got through with as much. Pure."""
    if largest is None:
        return ()
    own = machines.get(instance_type)
    known = [row for row in rows if row.size is not None and row.size > 0]
    said = []
    if own is not None and own.memory_gib:
        most = own.memory_gib * _GIB

        def has(row: SizeRow) -> float:
            kind = machines.get(row.type)
            return kind.memory_gib * _GIB if kind else (most if row.type == instance_type else 0.0)

        short = _sure(
            known,
            largest,
            lambda row: (row.outcome == MEMORY and has(row) >= most) or (row.memory or 0) > most,
            lambda row: 0 < has(row) <= most and not (row.memory or 0) > most,
        )
        if short:
            after = (
                f"; it is run again on {larger[0]} then"
                if larger
                else _enough(known, machines, own, largest, short)
            )
            said.append(
                f"memory: {_runs(short)} needed more than the {own.memory_gib:g} GiB of {instance_type}, "
                f"and none did with that{after}"
            )
    limit = minutes * 60
    late = _sure(
        [row for row in known if row.type == instance_type],
        largest,
        lambda row: (
            (row.outcome == TIME and (row.minutes or 0) >= minutes)
            or (row.outcome == SUCCESS and row.seconds > limit + BOOT_SECONDS)
        ),
        lambda row: row.seconds <= limit + BOOT_SECONDS,
    )
    if late:
        took = [row.seconds for row in known if row.outcome == SUCCESS and row.seconds > limit]
        do = f"; {-(-round(max(took) * 1.2) // 60)} minutes would have done" if took else ""
        said.append(
            f"time: {_runs(late)} needed more than {minutes} minutes on {instance_type}, and none less"
            f"{do} (__duration__ in the config)"
        )
    if volume_gib:
        room = volume_gib * _GIB
        full = _sure(
            known,
            largest,
            lambda row: (
                (row.outcome == DISK and (row.volume_gib or 0) >= volume_gib) or (row.disk or 0) > room
            ),
            lambda row: not (row.disk or 0) > room,
        )
        if full:
            said.append(
                f"disk: {_runs(full)} needed more than {volume_gib} GiB, and none less "
                "(__dataset_size__ in the config adds to it)"
            )
    return tuple(f"past runs say that this is sure to run out of {one}" for one in said)


def _sure(
    rows: Iterable[SizeRow],
    largest: int,
    too_little: Callable[[SizeRow], bool],
    enough: Callable[[SizeRow], bool],
) -> list[SizeRow]:
    """The runs that had too little; none where it is not sure."""
    every = list(rows)
    short = [row for row in every if (row.size or 0) <= largest and too_little(row)]
    if len(short) < SURE:
        return []
    least = min(row.size or 0 for row in short)
    good = any(row.outcome == SUCCESS and (row.size or 0) >= least and enough(row) for row in every)
    return [] if good else short


def _runs(rows: Sequence[SizeRow]) -> str:
    return f"{len(rows)} runs of inputs of {told_size(min(row.size or 0 for row in rows))} or more"


def _enough(
    rows: Sequence[SizeRow],
    machines: Mapping[str, Need],
    own: Need,
    largest: int,
    short: Sequence[SizeRow],
) -> str:
    """The smallest type on which such inputs have got through."""
    least = min(row.size or 0 for row in short)
    good = {row.type for row in rows if row.outcome == SUCCESS and (row.size or 0) >= least}
    fitting = sorted(
        (kind.memory_gib, name)
        for name, kind in machines.items()
        if name in good and kind.memory_gib > own.memory_gib
    )
    if fitting:
        return f"; {fitting[0][1]} ({fitting[0][0]:g} GiB) was enough (instance_type in the submission)"
    return "; a type with more memory may be enough (instance_type in the submission)"
