"""How far a transfer is: lines for a file, bars for a terminal, and never more than a screen of them."""

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from neurocaas.layout import bar, fitted, wide
from neurocaas.progress import CURRENT, EVERY, LINES, SILENT, Transfers, shown
from tests.unit import terminal

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_file_is_a_line_and_several_are_counted() -> None:
    out = io.StringIO()
    with shown(out) as progress:
        progress.begin("small.nii.gz", 1_234_567)
        progress.advance("small.nii.gz", 1_234_567)
        progress.end("small.nii.gz")
    assert out.getvalue().startswith("small.nii.gz  1.2 MB in ")
    assert out.getvalue().count("\n") == 1
    said: list[str] = []
    clock = Clock()
    transfers = Transfers(said.append, clock)
    for name, note in (("a\x1b[2J", ""), ("b", "is there already")):
        transfers.begin(name, 3_000_000)
        clock.now += 1.5
        transfers.advance(name, 0 if note else 3_000_000)
        transfers.end(name, note)
    transfers.close()
    assert said == [
        "a\\x1b[2J  3.0 MB in 1.5 s",
        "b  is there already",
        "2 files  3.0 MB in 3.0 s (1.0 MB/s)",
    ]


def test_ten_thousand_files_are_no_ten_thousand_lines() -> None:
    said: list[str] = []
    transfers = Transfers(said.append, Clock())
    transfers.expect(10_000, 640_000_000)
    for number in range(10_000):
        transfers.begin(str(number), 64_000)
        transfers.advance(str(number), 64_000)
        transfers.end(str(number))
    transfers.close()
    assert len(said) == LINES + 10_000 // EVERY + 1
    assert said[LINES] == "1000 of 10000 files  64.0 MB in less than 0.1 s"
    assert said[-1] == "10000 files  640.0 MB in less than 0.1 s"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_bars_fit_and_are_few(width: int) -> None:
    clock = Clock()
    transfers = Transfers(print, clock)
    transfers.expect(100, 100 * 10_000_000)
    for number in range(50):
        transfers.begin(f"a-very-long-name-of-a-dataset-{number:03d}.nii.gz", 10_000_000)
        transfers.advance(f"a-very-long-name-of-a-dataset-{number:03d}.nii.gz", 5_000_000)
    clock.now = 10.0
    lines = transfers.screen(width)
    assert len(lines) == CURRENT + 1
    assert max(map(wide, lines)) <= width
    if width >= 80:
        assert "50 %" in lines[0]
        assert "10 s left" in lines[0]
        assert "00.nii.gz" in lines[0], "the end of a name tells files apart"
        assert lines[-1].startswith("0 of 100 files, 46 more")
        assert "30 s left" in lines[-1]


def test_what_was_there_does_not_count_for_the_rate() -> None:
    clock = Clock()
    transfers = Transfers(print, clock)
    transfers.expect(3, 30_000_000)
    transfers.begin("a", 10_000_000)
    transfers.end("a", "is there already")
    transfers.begin("b", 10_000_000)
    transfers.advance("b", 5_000_000)
    clock.now = 5.0
    assert "1.0 MB/s  15 s left" in transfers.screen(200)[-1]


def test_a_name_is_cut_by_columns_and_a_bar_is_full_at_its_end_only() -> None:
    assert fitted("längerer-name", 20) == "längerer-name"
    assert fitted("0123456789", 5) == "0123…"
    assert fitted("0123456789", 7, middle=True) == "012…789"
    assert wide(fitted("日本語日本語", 6)) <= 6
    assert fitted("x", 0) == ""
    assert bar(0.999, 10) == "█████████░"
    assert bar(1, 4, ascii_only=True) == "####"
    assert bar(float(2), 4) == "████"


_MOVES = """
import sys
from neurocaas.progress import shown
with shown(sys.stdout) as progress:
    progress.expect(2, 20)
    for name in "ab":
        progress.begin(name, 10)
        progress.advance(name, 10)
        progress.end(name)
    if "interrupt" in sys.argv:
        raise KeyboardInterrupt
"""


@pytest.mark.parametrize("argument", ["", "interrupt"])
def test_on_a_terminal_the_bars_go_and_the_cursor_comes_back(tmp_path: Path, argument: str) -> None:
    environ = {**terminal.environment(tmp_path), "PYTHONPATH": str(ROOT)}
    environ.pop("CI", None)
    code, screen = terminal.record([sys.executable, "-c", _MOVES, argument], tmp_path, environ)
    assert (code != 0) == bool(argument)
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") == 1
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")
    assert "2 files  20 bytes in" in terminal.clean(screen)


@pytest.mark.parametrize("variable", [("CI", "true"), ("TERM", "dumb")])
def test_a_log_and_a_simple_terminal_get_lines(tmp_path: Path, variable: tuple[str, str]) -> None:
    program = f"import os; os.environ[{variable[0]!r}] = {variable[1]!r}\n{_MOVES}"
    environ = {**terminal.environment(tmp_path), "PYTHONPATH": str(ROOT)}
    code, screen = terminal.record([sys.executable, "-c", program], tmp_path, environ)
    assert code == 0
    assert "\x1b" not in screen


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    SILENT.expect(1, 1)
    SILENT.begin("a", 1)
    SILENT.advance("a", 1)
    SILENT.end("a", "note")
    assert capsys.readouterr() == ("", "")
