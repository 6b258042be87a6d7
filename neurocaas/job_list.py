"""A group's jobs as a list that shows itself as a table, in a notebook and on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import SupportsIndex, overload

from neurocaas.layout import cell
from neurocaas.listing import ListedJob
from neurocaas.notebook_html import StateCell, table
from neurocaas.states import shown_end
from neurocaas.view import job_lines


class JobList(list[ListedJob]):
    """Jobs and refused submissions, the latest last. `ends`: the line of each one's end.txt, "" while it is
    open. A slice is a list of this kind too."""

    def __init__(self, jobs: Iterable[ListedJob], ends: Mapping[ListedJob, str]) -> None:
        super().__init__(jobs)
        self.ends = {one: ends.get(one, "") for one in self}

    @property
    def names(self) -> list[str]:
        """The names that `Analysis.job` and `Analysis.find` take."""
        return [one.job for one in self]

    @overload
    def __getitem__(self, index: SupportsIndex) -> ListedJob: ...
    @overload
    def __getitem__(self, index: slice) -> JobList: ...
    def __getitem__(self, index: SupportsIndex | slice) -> ListedJob | JobList:
        if isinstance(index, slice):
            return JobList(super().__getitem__(index), self.ends)
        return super().__getitem__(index)

    def __repr__(self) -> str:
        return "\n".join(job_lines(self, self.ends)) if self else "no jobs"

    def _repr_html_(self) -> str:
        rows = [
            (
                f"{one.submitted.astimezone():%Y-%m-%d %H:%M:%S}" if one.submitted else "",
                one.job,
                StateCell(self.outcome(one)),
                shown_end(self.ends[one]),
            )
            for one in self
        ]
        return table(("submitted", "job", "outcome", "end"), rows, note="" if rows else "no jobs")

    def outcome(self, one: ListedJob) -> str:
        """SUCCESS or FAILED once it has ended, REJECTED for a refused one, else RUNNING or SUBMITTED."""
        if one.answer != "job":
            return "REJECTED" if one.answer else "SUBMITTED"
        return cell(shown_end(self.ends[one]).partition(" ")[0]) or "RUNNING"
