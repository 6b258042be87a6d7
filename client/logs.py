"""What the scripts of a job have printed: the full text from the pieces that the machines send, the newest lines from the
status files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from client.errors import AnalysisError
from client.job import JobHandle
from runtime.protocol.documents import DocumentError
from runtime.protocol.job import Dataset
from runtime.protocol.status import DatasetStatus

STREAMS = ("stdout", "stderr")


@dataclass(frozen=True)
class Line:
    """One line of a dataset's script; `stream` is stdout or stderr, `number` counts from 0 in it."""

    dataset: str
    stream: str
    number: int
    text: str


class LogReader:
    """Gives each line of a job once. `datasets` are names to look at, all when empty; `streams` which outputs."""

    def __init__(self, job: JobHandle, datasets: Sequence[str] = (), streams: Sequence[str] = STREAMS) -> None:
        self._job, self._names, self._streams = job, datasets, streams
        self._next: dict[tuple[str, str], int] = {}

    def full(self) -> Iterator[Line]:
        """All that is in the bucket, stream by stream, as it was printed; then what only the status files have."""
        for dataset in self._datasets():
            for stream in self._streams:
                prefix = f"{self._job.keys.logs_prefix}{dataset.name}/{stream}."
                text = b"".join(self._job.objects.get(entry["Key"]) or b"" for entry in self._job.objects.list(prefix))
                lines = [_last_state(line) for line in text.split(b"\n")]
                if lines[-1] == "":
                    lines.pop()
                elif not self._final(dataset):
                    lines.pop()  # half a line: the rest of it comes with the next piece
                self._next[dataset.name, stream] = len(lines)
                yield from (Line(dataset.name, stream, number, line) for number, line in enumerate(lines))
        yield from self.fresh()

    def fresh(self) -> Iterator[Line]:
        """The lines of the status files that were not given yet. A status file holds the last 50 lines of each stream: what a
        script prints faster than this is asked is in the pieces only, which the end of the job completes."""
        for dataset in self._datasets():
            status = self._status(dataset)
            for stream in self._streams if status else ():
                lines = (status.stdout if stream == "stdout" else status.stderr) if status else {}
                behind = self._next.get((dataset.name, stream), 0)
                for number in sorted(int(key) for key in lines if key.isdigit()):
                    if number >= behind:
                        self._next[dataset.name, stream] = number + 1
                        yield Line(dataset.name, stream, number, lines[str(number)])

    def _datasets(self) -> list[Dataset]:
        every = self._job.job().datasets
        unknown = sorted(set(self._names) - {dataset.name for dataset in every})
        if unknown:
            names = ", ".join(dataset.name for dataset in every[:20])
            raise AnalysisError(f"no dataset {', '.join(unknown)} in job {self._job.timestamp}", names, "name one of them, or none for all")
        return [dataset for dataset in every if not self._names or dataset.name in self._names]

    def _status(self, dataset: Dataset) -> DatasetStatus | None:
        raw = self._job.objects.get(dataset.status_key)
        try:
            return None if raw is None else DatasetStatus.from_json(raw)
        except DocumentError:
            return None

    def _final(self, dataset: Dataset) -> bool:
        status = self._status(dataset)
        return status is not None and status.final


def _last_state(line: bytes) -> str:
    """A line as a terminal would show it in the end: of a progress bar only its last state."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
