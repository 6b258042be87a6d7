"""Folders that are watched: new recordings below a prefix of the group's inputs are analysed as they arrive.

A member writes `{group}/submissions/{name}_watch.json`, a wish:

```json
{"prefix": "lab/inputs/rig1/", "configname": "lab/configs/c.json", "quiet": "10m", "cap_usd": 20}
```
`quiet`: how long nothing may have changed in a dataset; `cap_usd`: what its jobs may cost in a month at most,
reservations included. Optional: `datasets`, `files` (each file is one, the default) or `folders` (each folder
of the prefix is one); `pattern` of the files (`protocol.required`); `existing`, whether what is there already
is analysed; `until`, after which it ends; `instance_type`; `state`: `on`, `paused` or `off` (the latter two
need nothing else).

The manager checks the wish, in the name of who wrote it, pins the configuration, and registers the watch in
the ledger. The monitor's sweep looks for datasets (`runtime.monitor.folders`), and submits each as a job of
its own (`protocol.chain`), whose timestamp follows from the object's key and ETag: so each version is
analysed once, whatever is forgotten. What it has seen stands beside the record, in `Progress`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from neurocaas.protocol.documents import dumps, loads, once
from neurocaas.protocol.keys import INPUTS, JOBS, SUBMISSIONS
from neurocaas.protocol.names import bounded, key_fault
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.typed_json import data_of, read, stored
from neurocaas.protocol.units import DURATION_ALLOWED, duration, seconds_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
ON, PAUSED, OFF = "on", "paused", "off"
STATES = (ON, PAUSED, OFF)
FILES, FOLDERS = "files", "folders"
UNITS = (FILES, FOLDERS)

QUIET_MIN, QUIET_MAX = 60, 2 * 86400
"""Seconds. The sweep looks every five minutes in any case."""
UNTIL_DEFAULT, UNTIL_MAX = 30 * 86400, 366 * 86400
"""Seconds from when it was turned on: nobody forgets a watch for ever."""
CAP_MAX_USD = 1_000_000
WATCHES_MAX = 20
"""Watches of a group in an analysis."""
WISH_MAX_BYTES = 64 * 1024
PATTERN_MAX = 200

_FIELDS = frozenset(
    {
        *("prefix", "configname", "quiet", "cap_usd", "datasets", "pattern", "existing", "until"),
        *("instance_type", "state", "request"),
    }
)
_WHAT = "a watch"


@dataclass(frozen=True)
class WatchWish:
    """A checked wish. `quiet` and `until` in seconds, `cap_usd` in USD a month. Of one that is not `on`, only
    the state counts."""

    state: str = ON
    prefix: str = ""
    configname: str = ""
    quiet: int = 600
    cap_usd: float = 0.0
    datasets: str = FILES
    pattern: str = "**"
    existing: bool = False
    until: int = UNTIL_DEFAULT
    instance_type: str | None = None


@dataclass(frozen=True)
class Watch:
    """A watch as the service keeps it: `submitter`: who turned it on, "" where nobody can say; `config`: the
    key of its pinned configuration, `configname` what was named; `quiet` in seconds; `cap` and `worst` in
    micro-dollars: what its jobs may cost in a month, and what one costs at most; `made` and `until` ISO
    8601."""

    bucket: str
    group: str
    name: str
    state: str
    submitter: str
    prefix: str
    configname: str
    config: str
    quiet: int
    cap: int
    worst: int
    datasets: str
    pattern: str
    existing: bool
    made: str
    until: str
    instance_type: str | None = None
    schema_version: int = field(default=1, metadata=stored(added=True))

    @property
    def keys(self) -> WatchKeys:
        return WatchKeys(self.group, self.name)

    def cap_name(self, when: datetime) -> str:
        return cap_name(self.bucket, self.group, self.name, when)

    def timestamp(self, dataset: str, version: str) -> str:
        """The job of a dataset in this version: always the same."""
        digest = hashlib.sha256(f"{dataset}\0{version}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return bounded(self.name, 64, ending=f"-{digest}")

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Watch:
        """Raises DocumentError."""
        return read(cls, loads(text, _WHAT), _WHAT)


@dataclass(frozen=True)
class WatchProgress:
    """How far the sweep has come. `made`: of the watch that it is about. `tail`: the last key up to which
    everything was dealt with in order; `after`: where the round through the whole folder goes on ("": none is
    under way), which began at `begun`; `through`: when the last whole round began; `next_round`: when the
    next one may begin (epoch seconds, as all of these); `pages`: of this round, `edge`: the key up to which
    everything in it was dealt with, which grows while it is `settled`. `seen`: datasets that were
    submitted, by their digest, and when they were written. `submitted` counts them, `last_submitted` those of
    the sweep at `last_time`; `committed`: micro-dollars that its jobs of this month have spent or may still
    spend. `state`: in words for people, `looked`: when (ISO 8601); `capped`: the month
    in which people were told that the cap is reached."""

    made: str
    tail: str = ""
    after: str = ""
    begun: float = 0.0
    through: float = 0.0
    next_round: float = 0.0
    pages: int = 0
    edge: str = ""
    settled: bool = True
    seen: Mapping[str, float] = field(default_factory=dict)
    submitted: int = 0
    committed: int = 0
    last_submitted: int = 0
    last_time: float = 0.0
    state: str = ""
    looked: str = ""
    capped: str = ""

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> WatchProgress:
        """Raises DocumentError."""
        return read(cls, loads(text, "the progress of a watch"), "the progress of a watch")


@dataclass(frozen=True)
class WatchKeys:
    """Where the service keeps a watch."""

    group: str
    name: str

    @property
    def record(self) -> str:
        return f"{records_prefix(self.group)}{self.name}.json"

    @property
    def progress(self) -> str:
        return f"{JOBS}/{self.group}/watching/{self.name}.json"

    def config(self, digest: str) -> str:
        """The pinned configuration, by its digest."""
        return f"{JOBS}/{self.group}/{SUBMISSIONS}/{self.name}_{digest[:16]}_config.json"


def records_prefix(group: str) -> str:
    return f"{JOBS}/{group}/watches/"


def cap_name(bucket: str, group: str, name: str, when: datetime) -> str:
    """The sort key of what a watch has spent and reserved in a month."""
    return f"{bucket}/{group}/{name}/{when.astimezone(timezone.utc):%Y-%m}"


def parse_wish(raw: bytes, group: str) -> WatchWish:
    """Check a wish of a group; nothing is looked up. Raises InvalidInput with every problem."""
    data = _object(raw)
    problems: list[Problem] = []

    def wrong(name: str, got: object, allowed: str, do: str = "Correct it") -> None:
        text = "nothing" if got is None else shown(got)
        problems.append(Problem(f"watch: {name}", text, allowed, do))

    for name in sorted(set(map(str, data)) - _FIELDS):
        wrong(name, data.get(name), f"the fields {', '.join(sorted(_FIELDS))}", "Remove it")
    state = data.get("state", ON)
    if state not in STATES:
        wrong("state", state, ", ".join(STATES))
    if state != ON:
        if problems:
            raise InvalidInput(problems)
        return WatchWish(state=str(state))
    prefix, below = data.get("prefix"), f"{group}/{INPUTS}/"
    if (
        not isinstance(prefix, str)
        or not prefix.startswith(below)
        or not prefix.endswith("/")
        or prefix == below
        or key_fault(prefix) is not None
    ):
        wrong("prefix", prefix, f"a folder of your group's inputs, such as '{below}rig1/'")
    config = data.get("configname")
    if not isinstance(config, str) or not config:
        wrong("configname", config, f"a config file such as '{group}/configs/config.json'")
    quiet = _time("quiet", data.get("quiet", "10m"), QUIET_MIN, QUIET_MAX, wrong)
    until = _time("until", data.get("until", f"{UNTIL_DEFAULT}s"), 3600, UNTIL_MAX, wrong)
    cap = data.get("cap_usd")
    if isinstance(cap, bool) or not isinstance(cap, (int, float)) or not 0 < cap <= CAP_MAX_USD:
        wrong("cap_usd", cap, f"US dollars a month, more than 0 and up to {CAP_MAX_USD:,}")
    datasets, pattern = data.get("datasets", FILES), data.get("pattern", "**")
    if datasets not in UNITS:
        wrong("datasets", datasets, ", ".join(UNITS))
    if not isinstance(pattern, str) or not 0 < len(pattern) <= PATTERN_MAX or pattern.startswith("/"):
        wrong("pattern", pattern, "a pattern of paths below the prefix, such as *.nwb or **/*.tif")
    elif datasets == FOLDERS and "pattern" in data:
        wrong("pattern", pattern, "no pattern where each folder is a dataset", "Leave it out")
    existing, kind = data.get("existing", False), data.get("instance_type")
    if not isinstance(existing, bool):
        wrong("existing", existing, "true or false")
    if kind is not None and not isinstance(kind, str):
        wrong("instance_type", kind, "the name of a type, or nothing")
    if problems:
        raise InvalidInput(problems)
    return WatchWish(
        ON, prefix or "", config or "", quiet, float(cap or 0), datasets, pattern, existing, until, kind
    )


def _object(raw: bytes) -> Mapping[str, Any]:
    allowed, do = 'a JSON object such as {"prefix": …, "configname": …, "cap_usd": …}', "Correct the file"
    if len(raw) > WISH_MAX_BYTES:
        raise InvalidInput([Problem("watch", f"{len(raw)} bytes", f"up to {WISH_MAX_BYTES} bytes", do)])
    try:
        data = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=once)
    except Exception as error:
        raise InvalidInput(
            [Problem("watch", "text that is not JSON, or has a name twice", allowed, do)]
        ) from error
    if not isinstance(data, dict):
        raise InvalidInput([Problem("watch", shown(data), allowed, do)])
    return data


def _time(name: str, value: object, least: int, most: int, wrong: Any) -> int:
    try:
        found = seconds_of(value) if isinstance(value, str) else -1
    except ValueError:
        found = -1
    if not least <= found <= most:
        wrong(name, value, f"{DURATION_ALLOWED}, from {duration(least)} to {duration(most)}")
    return found
