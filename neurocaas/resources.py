"""What the machines of a job have used over time, as a person sees it: `neurocaas status --resources`,
`job.resources()`. Read from the files beside the job's logs (`neurocaas.protocol.resources`), which machines
write: it is shown, and nothing follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from neurocaas.layout import cell
from neurocaas.notebook_html import lines_as_html
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.resources import RESOURCES_SUFFIX, Resources
from neurocaas.protocol.units import duration, rate, size

WIDTH = 40
"""Characters of a curve."""

MOST = 20
"""So many datasets are drawn."""

_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", ".:-=+*#@"


@dataclass(frozen=True, repr=False)
class ResourceList:
    """The courses of a job's datasets, by their names, as far as there are any."""

    courses: Mapping[str, Resources]

    def __iter__(self) -> Iterator[Resources]:
        return iter(self.courses.values())

    def __len__(self) -> int:
        return len(self.courses)

    def __getitem__(self, name: str) -> Resources:
        return self.courses[name]

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return lines_as_html(self.lines(), "resources")

    def lines(self, *, ascii_only: bool = False) -> list[str]:
        """As people read it: a curve for each of what was used."""
        told: list[str] = []
        for course in list(self)[:MOST]:
            told += course_lines(course, ascii_only=ascii_only)
        if not told:
            return ["no machine has told yet what it uses: the first minute is over after a minute"]
        more = len(self) - MOST
        return [*told, f"… and {more} more datasets; --json has them all"] if more > 0 else told

    def facts(self) -> list[dict[str, Any]]:
        """For programs."""
        return [asdict(one) for one in self]


def course_lines(course: Resources, *, ascii_only: bool = False) -> list[str]:
    """One dataset."""
    lasted = duration(course.count * course.every)
    said = [f"{cell(course.dataset)}  about {lasted}, a point every {duration(course.every)}"]
    points = course.points

    def line(name: str, key: str, top: float | None, text: str) -> None:
        known = [one for one in points[key] if one is not None]
        if known:
            said.append(f"  {name:<8} {curve(points[key], top, ascii_only=ascii_only)}  {text}")

    cpu, most = (
        _known(points["cpu"]),
        {key: max(_known(values), default=0.0) for key, values in points.items()},
    )
    if cpu:
        cpus = "" if course.cpus is None else f" of {course.cpus:g}"
        text = f"mean {sum(cpu) / len(cpu):.1f}{cpus} processors, at most {max(cpu):.1f}"
        line("cpu", "cpu", course.cpus, text)
    line("memory", "memory", course.memory_total, _of(most["memory"], course.memory_total))
    line("gpu", "gpu", 1.0, f"at most {most['gpu']:.0%}, {size(most['gpu_memory'])}")
    line("disk", "disk", course.disk_total, _of(most["disk"], course.disk_total))
    line("I/O", "read_write", None, f"at most {rate(most['read_write'], 1)}")
    line("network", "network", None, f"at most {rate(most['network'], 1)}")
    return said


def curve(
    values: Sequence[float | None], top: float | None, width: int = WIDTH, *, ascii_only: bool = False
) -> str:
    """Values from 0 to `top` (None: the largest) as one line; a blank where nothing is known."""
    marks = _ASCII if ascii_only else _BLOCKS
    count = min(width, len(values))
    if not count:
        return ""
    parts = [
        _known(values[len(values) * at // count : len(values) * (at + 1) // count]) for at in range(count)
    ]
    whole = top or max((max(one) for one in parts if one), default=0.0)
    drawn = ""
    for one in parts:
        share = max(one) / whole if one and whole else 0.0
        drawn += marks[min(len(marks) - 1, int(share * len(marks)))] if one else " "
    return f"{drawn:<{width}}" if len(values) > width else drawn


def read_course(raw: bytes | None) -> Resources | None:
    """None for what is no such file."""
    if raw is None:
        return None
    try:
        return Resources.from_json(raw)
    except DocumentError:
        return None


def resources_key(logs_prefix: str, name: str) -> str:
    return f"{logs_prefix}{name}{RESOURCES_SUFFIX}"


def _known(values: Sequence[float | None]) -> list[float]:
    return [one for one in values if one is not None]


def _of(most: float, total: float | None) -> str:
    return f"at most {size(most)}" + ("" if total is None else f" of {size(total)}")
