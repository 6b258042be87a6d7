"""What the scripts of a job have printed: the full text from the pieces that the machines send each minute,
the newest lines from the status files, which are written every few seconds and hold the last 50 lines of each
stream."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neurocaas.errors import AnalysisError
from neurocaas.job import JobHandle
from neurocaas.protocol.job import Dataset
from neurocaas.protocol.log_gap import lines_left_out
from neurocaas.protocol.status import NONE, DatasetStatus
from neurocaas.typed import command as typed

STREAMS = ("stdout", "stderr")

ATTEMPT_STEP = 10_000
"""Numbers of pieces that each machine of a dataset has for itself (`runtime.instance.agent.log_pieces`)."""

PIECE_MAX_BYTES = 16 << 20
"""More than any piece has (`runtime.instance.agent.log_pieces`)."""

_NUMBER = re.compile("[0-9]{5}|[1-9][0-9]{5}")


@dataclass(frozen=True)
class Line:
    """One line of a dataset's script; `stream` is stdout or stderr. A `note` is not the script's: it tells of
    lines that are missing, or of another machine."""

    dataset: str
    stream: str
    text: str
    note: bool = False


@dataclass
class _Place:
    """How far a stream is: of the machine of `attempt` (from 1), `given` lines were given, `read` were found
    in its `pieces`.
    """

    attempt: int = 1
    instance: str = NONE
    pieces: int = 0
    read: int = 0
    half: bytes = b""
    given: int = 0


class LogReader:
    """Gives each line of a job once. `datasets` are names to look at, all when empty; `streams` which
    outputs.

    A script that prints more than 50 lines in a few seconds is ahead of its pieces. A `live` reader then goes
    on with the newest lines and says how many are missing; any other waits for the next piece.
    """

    def __init__(
        self,
        job: JobHandle,
        datasets: Sequence[str] = (),
        streams: Sequence[str] = STREAMS,
        *,
        live: bool = False,
    ) -> None:
        self._job, self._names, self._streams, self._live = job, datasets, streams, live
        self._places: dict[tuple[str, str], _Place] = {}

    def lines(self) -> Iterator[Line]:
        """What is new since the last call, as the last `JobHandle.status` has found it; all that there is at
        the first call.
        """
        for dataset in self._datasets():
            status = self._job.statuses().get(dataset.status_key)
            for stream in self._streams:
                known = self._places.get((dataset.name, stream))
                place = self._places.setdefault((dataset.name, stream), _Place())
                texts = [] if known else list(self._pieces(dataset, stream, place))
                if status is not None:
                    texts += self._newest(dataset, stream, place, status)
                yield from texts

    def _pieces(self, dataset: Dataset, stream: str, place: _Place) -> Iterator[Line]:
        """The lines of the pieces that were not read yet."""
        prefix = f"{self._job.keys.logs_prefix}{dataset.name}/{stream}."
        numbers = (key.removeprefix(prefix) for key in self._job.listed() if key.startswith(prefix))
        for number in sorted(int(text) for text in numbers if _NUMBER.fullmatch(text)):
            attempt, piece = number // ATTEMPT_STEP + 1, number % ATTEMPT_STEP
            if (attempt, piece) < (place.attempt, place.pieces):
                continue
            if attempt > place.attempt:
                yield from self._another_machine(dataset, stream, place, attempt)
            found = self._job.objects.get(f"{prefix}{number:05d}", PIECE_MAX_BYTES)
            if found is None:
                yield Line(
                    dataset.name,
                    stream,
                    f"{stream}.{number:05d} is gone, or larger than a piece of a log can be",
                    note=True,
                )
            raw = place.half + (found or b"")
            *whole, place.half = raw.split(b"\n")
            place.pieces = piece + 1
            for line in whole:
                left_out = lines_left_out(line)
                if left_out is not None:
                    text = line.decode("utf-8", "replace").strip("[]")
                    yield Line(dataset.name, stream, text, note=True)
                elif place.read >= place.given:
                    yield Line(dataset.name, stream, _last_state(line))
                place.read += 1 if left_out is None else left_out
            place.given = max(place.given, place.read)

    def _newest(self, dataset: Dataset, stream: str, place: _Place, status: DatasetStatus) -> Iterator[Line]:
        """The lines that only the status file has. Pieces are looked at where it does not go back far
        enough.
        """
        tail = status.stdout if stream == "stdout" else status.stderr
        numbers = sorted(map(int, tail))
        changed = NONE not in (place.instance, status.instance) and place.instance != status.instance
        if changed or (numbers and numbers[-1] + 1 < place.given):
            yield from self._another_machine(dataset, stream, place, place.attempt + 1)
        place.instance = status.instance
        if numbers and numbers[0] > place.given:
            yield from self._pieces(dataset, stream, place)
        if numbers and numbers[0] > place.given:
            if not self._live and not status.final:
                return
            missing = (
                f"{numbers[0] - place.given} lines are not in the bucket yet; "
                f"`{typed('logs', self._job.timestamp)}` shows them a minute later"
            )
            yield Line(dataset.name, stream, missing, note=True)
        for number in numbers:
            if number >= place.given:
                place.given = number + 1
                yield Line(dataset.name, stream, tail[str(number)])

    def _another_machine(self, dataset: Dataset, stream: str, place: _Place, attempt: int) -> Iterator[Line]:
        if place.given:
            yield Line(
                dataset.name,
                stream,
                f"machine {attempt} begins again: the one before was taken back",
                note=True,
            )
        place.attempt, place.pieces, place.read, place.half, place.given = attempt, 0, 0, b"", 0

    def _datasets(self) -> list[Dataset]:
        every = self._job.job().datasets
        unknown = sorted(set(self._names) - {dataset.name for dataset in every})
        if unknown:
            names = ", ".join(dataset.name for dataset in every[:20])
            raise AnalysisError(
                f"no dataset {', '.join(unknown)} in job {self._job.timestamp}",
                names,
                "name one of them, or none for all",
            )
        return [dataset for dataset in every if not self._names or dataset.name in self._names]


def _last_state(line: bytes) -> str:
    """A line as a terminal would show it in the end: of a progress bar only its last state."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
