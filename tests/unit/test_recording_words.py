"""What follows `rec` keeps its words: what a line is written as runs what the line ran, word for word."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_builder.bash.lines import expand_aliases
from image_builder.recording.compiler import BUILD_FOLDER, compile_recording
from image_builder.recording.events import Event
from image_builder.recording.helpers import Helpers, is_helper, spelled_out
from image_builder.recording.session import chunks
from localcloud.tests.properties import examples

RECORDER = (Path(__file__).resolve().parents[2] / "image_builder/recording/recorder.sh").read_text(
    encoding="utf-8"
)
REC = RECORDER[RECORDER.index("rec() {") : RECORDER.index("cd /opt/build")]
SU = """su() {
    local line user
    if [ "$1" = -s ]; then line=$4 user=$6; shift 6; else user=$1 line=$5; shift 5; fi
    AS=$user bash -c "$line" "$@"
}
__rec_ask() { :; }
show() { printf '<%s>' "$AS" "$#" "$@"; echo; }
export -f show
X='two words' Y= Z="it's" A=(one 'two three')
"""
"""A `su` that takes the same words as that of Ubuntu, and stays who it is."""

WORD = st.sampled_from([
    "x", "'one two'", '"$X"', "$X", "$Y", '"$Y"', "'$X'", '"a\\"b"', "a\\ b", "$(echo 1 2)", '"$(echo "1  '
        '2")"', '"${A[@]}"', "${A[1]}",
    "'é✓\n two'", '$\'a\\tb\'', "*", "~", '"!"', "'; echo no'", '"$Z"', "-c", "--", "''", "`echo 3`",
    "{1,2}", "\\\n  next",
])  # fmt: skip


def bash(text: str, folder: Path) -> tuple[int, str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    return done.returncode, done.stdout


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(WORD, min_size=0, max_size=4))
def test_as_another_user_the_script_runs_what_ran(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("as")
    for line in (f"rec as lab -- show {' '.join(words)}", f"rec as lab -- {' '.join(words) or 'show'}"):
        written = spelled_out(line)
        assert not written.startswith("rec")
        (typed, seen), (again, said) = bash(SU + REC + line, folder), bash(SU + written, folder)
        assert ((again == 0), said) == ((typed == 0), seen), written


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (
            "rec as lab -- sh -c 'echo one two; id -un'",
            "su -s /bin/bash -c '\"$@\"' -- lab rec sh -c 'echo one two; id -un'",
        ),
        ("rec as lab -- 'cd && touch too'", "su lab -s /bin/bash -c 'cd && touch too'"),
        ("rec as lab -- tee x <<END\n$X\nEND", "su -s /bin/bash -c '\"$@\"' -- lab rec tee x <<END\n$X\nEND"),
        ("touch x # rec as lab -- ls -l", "touch x # rec as lab -- ls -l"),
    ],
)
def test_how_it_is_written(line: str, written: str) -> None:
    assert spelled_out(line) == written


def told(*words: str, cwd: str = BUILD_FOLDER) -> list[Event]:
    events: list[Event] = []
    Helpers(events.append, events, lambda: "").call(list(words), cwd)
    return events


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
        min_size=1,
        max_size=4,
    )
)
def test_a_check_keeps_its_words(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    (event,) = told("check", "printf", "%s\\0", *words) or [Event(1, "check", "")]
    if event.text:  # otherwise it looked like a secret
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", event.text], capture_output=True, check=True)
        assert done.stdout.decode().split("\0")[:-1] == words


def test_a_check_of_one_word_is_a_line_and_a_negation_is_one() -> None:
    assert told("check", "test -f a && test -f b")[0].text == "test -f a && test -f b"
    assert told("check", "!", "test", "-e", "a b")[0].text == "! test -e 'a b'"
    assert told("check", "curl", "-u", "me:password=hunter2hunter2", "x") == [], "everybody can read it"


def test_checks_run_where_they_were_made_and_with_what_was_exported_there() -> None:
    activated = Event(
        2,
        "command",
        ". /opt/v/bin/activate",
        environment={"PATH": "/opt/v/bin:/bin", "PYTHONHOME": None},
        state=True,
    )
    check = Event(4, "check", "python -c 'import x.y'", cwd="/opt/my tool")
    (line,) = compile_recording(
        [Event(1, "begin"), Event(3, "check", "true", cwd=BUILD_FOLDER), activated, check]
    ).validate.splitlines()[-1:]
    assert line.startswith(
        "(cd -- '/opt/my tool' && env --unset=PYTHONHOME PATH=/opt/v/bin:/bin bash -eo pipefail -c "
    )
    assert (
        "\nbash -eo pipefail -c true\n"
        in compile_recording([Event(3, "check", "true", cwd=BUILD_FOLDER), activated]).validate
    )


def test_which_lines_are_about_the_recording() -> None:
    assert all(map(is_helper, ["rec note x", 'rec check python -c "$(cat x)"', "  rec finish"]))
    assert not any(map(is_helper, ["rec as lab -- ls", "record", "echo rec note"]))


def test_a_line_that_ends_with_a_backslash_takes_nothing_of_the_next() -> None:
    files: dict[str, Any] = {
        "files": [["added", "/opt/build/x"]],
        "file_count": 1,
        "cwd": BUILD_FOLDER,
        "cwd_after": BUILD_FOLDER,
    }
    script = compile_recording(
        [Event(2, "command", "echo a \\", **files), Event(3, "command", "touch y", **files)]
    ).build
    assert script.endswith("\necho a \\\n\ntouch y\n")
    assert chunks("echo a \\\\\\\nb\n# c:\\\ntouch d") == ["echo a \\\\\\\nb", "# c:\\", "touch d"]


ALIASES = {
    "ll": "ls -l",
    "la": "ll -a",
    "ls": "ls --color",
    "sudo": "sudo ",
    "loop": "pool",
    "pool": "loop x",
    "two": "cd /tmp; ll",
}


@pytest.mark.parametrize(
    "line", ["la /x", "sudo ll /x", "ls; ll", "echo ll", "loop 1", "two 2", "\\ll", "'la' b", "x=$(la)"]
)
def test_aliases_are_written_out_as_bash_does_it(tmp_path: Path, line: str) -> None:
    typed = (
        "shopt -s expand_aliases\n"
        + "".join(f"alias {name}='{text}'\n" for name, text in ALIASES.items())
        + f"{line}\n"
    )
    show = "command_not_found_handle() { printf '<%s>' \"$@\"; }\nPATH=\n"
    assert bash(f"{show}{expand_aliases(line, ALIASES)}\n:", tmp_path) == bash(show + typed + ":", tmp_path)
