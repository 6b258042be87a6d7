"""What is drawn of jobs: it fits the window, is bounded, and says what matters first."""

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from neurocaas import layout, typed
from neurocaas.layout import alike, as_told, columns, table, wide, wrapped
from neurocaas.notes import note
from neurocaas.protocol.units import brief_time, minute
from neurocaas.saying import percent
from neurocaas.states import DatasetState, JobState
from neurocaas.view import Board, Changes, Line, Shown, board, job_lines, job_screen, jobs_screen
from tests.unit import terminal

ROOT = Path(__file__).resolve().parents[2]


def text(lines: list[Line]) -> list[str]:
    return ["".join(part for part, _ in line) for line in lines]


def dataset(number: int, state: str, **more: object) -> DatasetState:
    name = f"sub-{number:04d}_ses-1_dwi.nii.gz"
    return DatasetState(name, f"g/inputs/{name}", state, **more)  # type: ignore[arg-type]


def job(states: list[DatasetState], phase: str = "RUNNING", end: str = "") -> Shown:
    return Shown("2026-11-30T21-00-00.000Z", JobState("t", phase, tuple(states), end), 100.0)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("count", [1, 5, 1000])
def test_a_job_fits_its_window_whatever_it_has(width: int, count: int) -> None:
    states = [
        dataset(
            number, "IN PROGRESS", seconds=9.0, progress=0.5, progress_text="fitting " * 9, eta_seconds=9.0
        )
        for number in range(count)
    ]
    lines = text(job_screen(job(states), width, 22, 100.0))
    assert max(map(wide, lines)) <= width
    assert len(lines) <= 22
    several = text(jobs_screen([job(states)] * count, width, 22, 100.0))
    assert max(map(wide, several)) <= width
    assert len(several) <= 22


def test_of_many_datasets_those_that_failed_or_run_are_seen_and_all_are_counted() -> None:
    states = [dataset(number, "SUCCESS", seconds=1.0) for number in range(900)]
    states += [dataset(number, "INITIALIZING") for number in range(900, 990)]
    states += [dataset(number, "IN PROGRESS", seconds=5.0) for number in range(990, 998)]
    states += [dataset(number, "FAILED", seconds=5.0, reason="no signal") for number in (998, 999)]
    head, *lines, rest = text(job_screen(job(states), 100, 12, 100.0))
    assert "900 of 1000 datasets done, 2 failed" in head
    assert [line.split()[0][4:8] for line in lines[:2]] == ["0998", "0999"]
    assert sum("IN PROGRESS" in line for line in lines) == 8
    assert rest == "… and 990 more: 90 INITIALIZING, 900 SUCCESS"


def test_when_most_have_failed_those_that_run_still_have_room() -> None:
    states = [dataset(number, "FAILED", seconds=5.0, reason="no signal") for number in range(100)]
    states += [dataset(number, "IN PROGRESS", seconds=5.0) for number in range(100, 104)]
    lines = text(job_screen(job(states), 100, 12, 100.0))
    assert sum("IN PROGRESS" in line for line in lines) == 4


def test_a_dataset_tells_how_far_it_is_and_time_goes_on_between_two_looks() -> None:
    states = [
        dataset(1, "IN PROGRESS", seconds=60.0, progress=0.5, progress_text="fitting", eta_seconds=60.0),
        dataset(2, "SUCCESS", seconds=30.0, last_line="mean 0.4"),
    ]
    head, first, second = text(job_screen(job(states), 120, 22, 110.0, ascii_only=True))
    assert head.endswith("RUNNING  1 of 2 datasets done  1 min 10 s so far  about 50 s left")
    assert first == "sub-0001_ses-1_dwi.nii.gz  ######------  1 min 10 s  50 %, 50 s left  fitting"
    assert second == "sub-0002_ses-1_dwi.nii.gz  SUCCESS       30 s  mean 0.4"


def test_a_refused_submission_is_rejected_on_every_screen() -> None:
    refused = job([], "REJECTED", "FAILED 0/0 no such config")
    shown = [*text(job_screen(refused, 200, 22, 100.0)), *text(jobs_screen([refused], 200, 22, 100.0))]
    shown += [*Changes().lines("t", refused.state), str(refused.state), repr(refused.state)]
    assert all("FAILED" not in line for line in shown)
    assert sum("REJECTED" in line and "no such config" in line for line in shown) == 5


def test_what_a_job_waits_for_is_seen() -> None:
    waiting = Shown(
        "t", JobState("t", "SUBMITTED"), 100.0, "Job t waits for the manager, which answers soon."
    )
    assert text(job_screen(waiting, 30, 22, 100.0)) == [
        "job t  SUBMITTED",
        "Job t waits for the manager,",
        "  which answers soon.",
    ]
    assert text(job_screen(Shown("t", JobState("t", "SUBMITTED"), 1.0), 80, 22, 1.0))[1].startswith(
        "waiting for"
    )


def test_many_jobs_open_ones_first_then_those_that_failed() -> None:
    done = Shown("good", JobState("a", "DONE", (dataset(1, "SUCCESS", seconds=9.0),), "SUCCESS 1/1"), 1.0)
    bad = Shown("bad", JobState("b", "DONE", (dataset(1, "FAILED", seconds=9.0),), "FAILED 0/1"), 1.0)
    going = Shown("going", JobState("c", "RUNNING", (dataset(1, "IN PROGRESS", seconds=3.0),)), 1.0)
    head, *lines = text(jobs_screen([done, bad, going], 80, 22, 1.0))
    assert head == "3 jobs: 1 SUCCESS, 1 FAILED, 1 RUNNING"
    assert [line.split()[0] for line in lines] == ["going", "bad", "good"]
    assert "1 failed" in lines[1]
    short = text(jobs_screen([done] * 50 + [going], 80, 5, 1.0))
    assert len(short) == 5
    assert short[1].startswith("going")
    assert short[-1] == "… and 48 more: 48 SUCCESS"


def test_a_file_gets_the_ends_of_many_datasets_and_no_lines_of_scripts() -> None:
    changes = Changes()
    states = [dataset(number, "IN PROGRESS", seconds=5.0, last_line="a") for number in range(30)]
    assert len(changes.lines("t", JobState("t", "RUNNING", tuple(states)))) == 30
    states = [dataset(number, "IN PROGRESS", seconds=6.0, last_line="b") for number in range(29)]
    states += [dataset(29, "FAILED", seconds=6.0, reason="no signal")]
    (line,) = changes.lines("t", JobState("t", "RUNNING", tuple(states)))
    assert line.endswith("FAILED  6 s  no signal")


def test_a_file_gets_no_line_each_second() -> None:
    changes, said = Changes(), []
    for second in range(1, 1001):
        one = dataset(
            1, "IN PROGRESS", seconds=float(second), progress=second / 1000, progress_text=str(second)
        )
        said += changes.lines("t", JobState("t", "RUNNING", (one,)))
    assert len(said) == 11, "one for each tenth"
    changes, said = Changes(), []
    for second in range(100):
        one = dataset(1, "IN PROGRESS", seconds=float(second), last_line=str(second))
        said += changes.lines("t", JobState("t", "RUNNING", (one,)))
    assert len(said) == 10
    one = dataset(1, "FAILED", seconds=99.5, reason="no signal")
    assert changes.lines("t", JobState("t", "RUNNING", (one,)))[0].endswith("no signal")


def test_what_is_not_done_is_no_hundred_percent() -> None:
    assert [percent(part) for part in (0, 0.29, 0.999, 1)] == ["0 %", "29 %", "99 %", "100 %"]


def test_a_board_on_a_file_writes_no_control_and_tells_an_end_once() -> None:
    out = io.StringIO()
    with board(out, brief=True) as shown:
        assert isinstance(shown, Board)
        state = JobState("t", "DONE", (dataset(1, "SUCCESS", seconds=5.0),), "SUCCESS 1/1")
        shown.show("t", state)
        shown.show("t", state)
        shown.tell("t has ended", bell=True)
    assert out.getvalue().splitlines() == [
        "t  sub-0001_ses-1_dwi.nii.gz  SUCCESS  5 s",
        "t  DONE  SUCCESS 1/1",
    ]


_FOLLOWS = """
import sys, time
from neurocaas.states import DatasetState, JobState
from neurocaas.view import board
with board() as shown:
    for far in (0.2, 0.6):
        one = DatasetState("a.nii", "g/a", "IN PROGRESS", 5.0, progress=far, progress_text="fitting")
        shown.show("t1", JobState("t1", "RUNNING", (one,)))
        time.sleep(0.4)
    if "interrupt" in sys.argv:
        raise KeyboardInterrupt
"""


@pytest.mark.parametrize("argument", ["", "interrupt"])
@pytest.mark.parametrize("size", [(24, 80), (10, 40)])
def test_a_terminal_is_left_clean(tmp_path: Path, argument: str, size: tuple[int, int]) -> None:
    environ = {**terminal.environment(tmp_path), "PYTHONPATH": str(ROOT)}
    environ.pop("CI", None)
    environ["NO_COLOR"] = "1"
    code, screen = terminal.record([sys.executable, "-c", _FOLLOWS, argument], tmp_path, environ, size)
    assert (code != 0) == bool(argument)
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") == 1
    assert "60 %" in terminal.clean(screen)
    assert "\x1b[36m" not in screen, "no colour was wanted"
    assert (
        max(map(terminal.columns, terminal.clean(screen.partition("Traceback")[0]).splitlines())) <= size[1]
    )


def test_a_table_leaves_out_what_nobody_knows_and_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    headers, rows = ("job", "who", "took", "why"), [("a", "", "5 s", ""), ("b" * 20, "", "12 s", "x" * 60)]
    whole = table(headers, rows, right=("took",), less=("took",))
    assert whole[0].split() == ["job", "took", "why"]
    assert whole[1] == f"a{' ' * 19}   5 s", "a number ends where the others do"
    assert "x" * 60 in whole[2], "a file has all of it"
    assert table(headers, []) == []
    monkeypatch.setattr(layout, "edge", lambda stream=None: 50)
    cut = table(headers, rows, right=("took",), less=("took",))
    assert cut[0].split() == ["job", "took", "why"]
    assert wide(cut[2]) == 50
    monkeypatch.setattr(layout, "edge", lambda stream=None: 30)
    assert table(headers, rows, right=("took",), less=("took", "why"))[0].split() == ["job"]
    assert columns([("a\x1b", "b")])[0].startswith("a")


def test_names_of_one_kind_keep_what_tells_them_apart() -> None:
    names = [f"sub-{number:04d}_ses-1_dwi.nii.gz" for number in range(3)]
    assert alike(names, 40) == names
    assert alike(names, 12) == ["sub-0000…", "sub-0001…", "sub-0002…"]
    assert alike(names, 7) == ["…0000…", "…0001…", "…0002…"]
    assert alike(["a-long-name.nii"], 8) == ["a-lo…nii"]
    assert alike([], 8) == []


def test_sentences_end_between_words_and_go_to_a_file_as_they_are() -> None:
    assert wrapped("one two three four five six", 20) == "one two three four\n  five six"
    assert wrapped("  do: " + "a " * 12, 20).splitlines()[1].startswith("    a")
    assert wrapped("x" * 300, None) == "x" * 300


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_word_error_is_red_where_somebody_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert as_told("error: no\nerror: two", _Terminal()).count("\x1b[1;31merror:\x1b[0m") == 2
    assert as_told("error: no", io.StringIO()) == "error: no"
    monkeypatch.setenv("NO_COLOR", "1")
    assert as_told("error: no\x1b[2J", _Terminal()) == "error: no\\x1b[2J"


def test_a_note_is_wrapped_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, file = _Terminal(), io.StringIO()
    monkeypatch.setenv("COLUMNS", "40")
    for stream in (screen, file):
        monkeypatch.setattr("sys.stderr", stream)
        note("word " * 20)
    assert max(map(len, screen.getvalue().splitlines())) <= 40
    assert file.getvalue().count("\n") == 1


def test_the_next_command_is_what_is_typed_here() -> None:
    assert typed.command("logs", "t1") == "neurocaas logs t1"
    with typed.called_as("invoke"):
        typed.named("dti", "lab")
        assert typed.command("logs", "a b") == "invoke logs 'dti/a b' --group lab"
        assert typed.command("jobs") == "invoke jobs --analysis dti --group lab"
        assert (
            typed.command("status", "t1", "--certificate") == "invoke status dti/t1 --group lab --certificate"
        )
    assert typed.command("logs", "t1") == "neurocaas logs t1"


def test_times_are_of_this_computer() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert minute(None) == brief_time(None) == ""
    local = now.astimezone()
    assert minute(now) == f"{local:%Y-%m-%d %H:%M}"
    assert brief_time(now, now) == f"{local.day} Nov {local:%H:%M}"
    assert brief_time(now - timedelta(days=400), now).endswith(" 2025")


def test_job_lines_of_nothing_are_nothing() -> None:
    assert job_lines([], {}) == []
