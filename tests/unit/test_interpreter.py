"""Who runs a script: its first line, as Linux reads it."""

from __future__ import annotations

import pytest

from neurocaas.protocol.interpreter import parse, problems


@pytest.mark.parametrize(
    ("head", "command", "name"),
    [
        (b"", ("bash",), "bash"),
        (b"echo x\n", ("bash",), "bash"),
        (b"#!\n", ("bash",), "bash"),
        (b"#!/bin/bash", ("/bin/bash",), "bash"),
        (b"#! \t/bin/bash \t-e \n", ("/bin/bash", "-e"), "bash"),
        (b"#!/bin/bash\t-e\n", ("/bin/bash", "-e"), "bash"),
        (b"#!/bin/bash -e -u\n", ("/bin/bash", "-e -u"), "bash"),
        (b"#!/bin/sh\n", ("bash",), "sh"),
        (b"#!/bin/sh -eu\n", ("bash", "-eu"), "sh"),
        (b"#!/bin/dash -e\n", ("/bin/dash", "-e"), "dash"),
        (b"#!/usr/bin/env bash\n", ("/usr/bin/env", "bash"), "bash"),
        (b"#!/usr/bin/env sh\n", ("bash",), "sh"),
        (b"#!/usr/bin/env -S bash -euo pipefail\n", ("/usr/bin/env", "-S bash -euo pipefail"), "bash"),
        (b"#!/usr/bin/env -S sh -eu\n", ("bash", "-eu"), "sh"),
        (b"#!/usr/bin/env -vS A=1 python3 -u\n", ("/usr/bin/env", "-vS A=1 python3 -u"), "python3"),
        (b"#!/usr/bin/env -S -i bash\n", ("/usr/bin/env", "-S -i bash"), ""),
        (b"#!/usr/bin/env -S 'bash\n", ("/usr/bin/env", "-S 'bash"), ""),
        (b"#!/usr/bin/env\n", ("/usr/bin/env",), ""),
        (b"\xef\xbb\xbf#!/bin/bash -e\r\n", ("/bin/bash", "-e"), "bash"),
    ],
)
def test_what_the_first_line_says(head: bytes, command: tuple[str, ...], name: str) -> None:
    one = parse(head)
    assert (one.command, one.name, one.is_bash) == (command, name, name in ("bash", "sh"))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"x\n",
        b"#!/bin/bash\n",
        b"#!/bin/bash -eu\n",
        b"#!/usr/bin/env -S bash -e -u\n",
        b"#!/bin/perl -w -T\n",
        b"#!/usr/bin/env R\n",
    ],
)
def test_a_good_first_line_has_no_problem(head: bytes) -> None:
    assert problems(head) == []


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\xef\xbb\xbf#!/bin/bash\n", ["a byte order mark (UTF-8)"]),
        (b"\xff\xfe#\0!\0", ["a byte order mark (UTF-16)"]),
        (b"#!/bin/bash\r\n", ["a Windows line end (CR LF)"]),
        (b"\xef\xbb\xbfx\r\n", ["a byte order mark (UTF-8)", "a Windows line end (CR LF)"]),
        (b"#!python3\n", ["'python3'"]),
        (b"#!/bin/bash -e -u\n", ["several arguments ('-e -u'), which Linux hands to bash as one"]),
        (b"#!/usr/bin/env bash -e\n", ["several arguments ('bash -e'), which Linux hands to env as one"]),
    ],
)
def test_what_would_not_run_is_told(head: bytes, said: list[str]) -> None:
    assert [one.got for one in problems(head)] == said
    assert all(one.allowed and one.do for one in problems(head))


def test_several_arguments_are_told_how_to_write() -> None:
    assert (
        problems(b"#!/usr/bin/env bash -euo pipefail\n")[0].do == "Write #!/usr/bin/env -S bash -euo pipefail"
    )
    assert problems(b"#!/bin/bash -e -u\n")[0].do == "Write #!/usr/bin/env -S bash -e -u"
