"""What people hand to recordings and trials: session files, parameters, variables typed without being
shown.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from image_builder.recording.errors import RecordingError
from image_builder.recording.events import Event
from image_builder.recording.observer import Observer, ShellState
from image_builder.recording.session import chunks
from image_builder.recording.trial import pairs
from localcloud.images.cleanroot import View


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\r\n\r\nfor x in y; do\r\n  echo\r\ndone\r\n", ["a", "for x in y; do\n  echo\ndone"]),
        (
            "cat <<END\none\x0ctwo\u2028three\x85\n\nEND\nb",
            ["cat <<END\none\x0ctwo\u2028three\x85\n\nEND", "b"],
        ),
        ("echo 'a\n\nb' \\\n  c\n# d", ["echo 'a\n\nb' \\\n  c", "# d"]),
        ("echo 'open\n", ["echo 'open"]),
        ("\n \n", []),
    ],
)
def test_a_session_file_is_cut_into_whole_commands(text: str, expected: list[str]) -> None:
    assert chunks(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("Name=me", {"Name": "me"}),
        ("Name=a=b,Other=", {"Name": "a=b", "Other": ""}),
        ("Hosts=a.example,b.example,Port=80", {"Hosts": "a.example,b.example", "Port": "80"}),
    ],
)
def test_parameters_may_be_lists(text: str, expected: dict[str, str]) -> None:
    assert pairs(text) == expected


@pytest.mark.parametrize("text", ["me", "=x", ",Name=x"])
def test_parameters_without_a_name(text: str) -> None:
    with pytest.raises(RecordingError, match="Name=value"):
        pairs(text)


@pytest.mark.parametrize(
    ("text", "checked"),
    [
        ('curl -LO "https://x.example/Tool-$(uname)-$(uname -m).sh"', ["/opt/Tool-Linux.sh", "/opt/o"]),
        ("curl -LO https://x.example/Tool-Linux.sh && make", ["/opt/Tool-Linux.sh"]),
        ("make", []),
    ],
)
def test_which_files_are_downloads(tmp_path: Path, text: str, checked: list[str]) -> None:
    observer = Observer(cast(Any, SimpleNamespace(live_views=lambda: [View("/", tmp_path, ())])))
    for name in ("Tool-Linux.sh", "o"):
        (tmp_path / "opt").mkdir(exist_ok=True)
        (tmp_path / "opt" / name).write_text(name)
    event, shell = Event(2, "command", text), ShellState("/", {}, (), frozenset(), frozenset())
    observer.describe(event, shell, shell)
    assert sorted(event.contents) == checked


def test_what_is_typed_without_being_shown_is_a_secret(tmp_path: Path) -> None:
    observer = Observer(cast(Any, SimpleNamespace(live_views=lambda: [View("/", tmp_path, ())])))

    def shell(**environment: str) -> ShellState:
        return ShellState("/", environment, (), frozenset(), frozenset())

    def seen(text: str, before: ShellState, after: ShellState) -> Event:
        event = Event(2, "command", text)
        observer.describe(event, before, after)
        return event

    seen("read -rs -p 'Word: ' WORD", shell(), shell())
    assert seen("export WORD OTHER=x", shell(), shell(WORD="correct horse", OTHER="x")).environment == {
        "WORD": "${SECRET_WORD}",
        "OTHER": "x",
    }
    assert (
        seen("echo 'correct horse' > x", *[shell(WORD="correct horse")] * 2).text
        == "echo '${SECRET_WORD}' > x"
    )
