"""The last error line of a script, as people write and programs print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.printable import one_line
from runtime.instance.agent.said import said

PYTHON = 'Traceback (most recent call last):\n  File "run.py", line 3, in <module>\n    main()\n    ~~~~^^\n'
CASES = {
    "nothing": ("", "NONE"),
    "one line": (
        "The gradients: got 1 volumes up to b0_threshold\n",
        "The gradients: got 1 volumes up to b0_threshold",
    ),
    "the last of several": ("Loading\ncannot open x\n\n", "cannot open x"),
    "of bash": ("/x/run.sh: line 5: foo: command not found\n", "/x/run.sh: line 5: foo: command not found"),
    "of the service, afterwards": (
        "it broke\nNeuroCAAS: still running when the script had ended.\n",
        "it broke",
    ),
    "traced commands": ("+ python run.py\nit broke\n+ exit 3\n++ date\n", "it broke"),
    "a traceback": (f"Loading\n{PYTHON}ValueError: bad\n", "ValueError: bad"),
    "a traceback of a package's exception": (f"{PYTHON}h5py.Broken: no [x]\n", "h5py.Broken: no [x]"),
    "a message of several lines": (f"{PYTHON}ValueError: bad\nthing\n  and more\n", "ValueError: bad"),
    "one exception from another": (
        f"{PYTHON}KeyError: 'x'\n\nDuring handling of the above exception, another exception "
        f"occurred:\n\n{PYTHON}RuntimeError: no x\n",
        "RuntimeError: no x",
    ),
    "an exception that was handled": (
        f"{PYTHON}KeyError: 'x'\nThe table: got 3 columns\n",
        "The table: got 3 columns",
    ),
    "an exception and the shell after it": (f"{PYTHON}MemoryError\n+ exit 1\n", "MemoryError"),
    "a group of exceptions": (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "<stdin>", line 1, in <module>\n  | ExceptionGroup: two (2 sub-exceptions)\n  '
        "+-+---------------- 1 ----------------\n",
        "ExceptionGroup: two (2 sub-exceptions)",
    ),
    "a syntax error": (
        '  File "x.py", line 1\n    a b\n      ^\nSyntaxError: invalid syntax\n',
        "SyntaxError: invalid syntax",
    ),
    "R": (
        "Error in f(x) : something bad\nCalls: g -> f\nExecution halted\n",
        "Error in f(x) : something bad",
    ),
    "R, in two lines": (
        "Error in read.table(file = f,  : \n  no lines available in input\nCalls: read.csv -> "
        "read.table\nExecution halted\n",
        "Error in read.table(file = f,: no lines available in input",
    ),
    "R at the top": ("Error: object 'x' not found\nExecution halted\n", "Error: object 'x' not found"),
    "MATLAB": (
        "Error using load_it (line 3)\nNo such volume.\n\nError in main (line 2)\n    load_it()\n",
        "Error using load_it (line 3): No such volume.",
    ),
    "MATLAB, unknown name": (
        "Undefined function 'foo' for input arguments of type 'double'.\n\nError in main (line 2)\n",
        "Undefined function 'foo' for input arguments of type 'double'.",
    ),
    "Octave": (
        "error: 'x' undefined\nerror: called from\n    main at line 3 column 5\n",
        "error: 'x' undefined",
    ),
    "Java": (
        'Exception in thread "main" java.lang.IllegalStateException: no file\n\tat A.main(A.java:3)\n\t... '
        "3 more\n",
        'Exception in thread "main" java.lang.IllegalStateException: no file',
    ),
    "Julia": ("ERROR: LoadError: no file\nStacktrace:\n [1] error(s::String)\n", "ERROR: LoadError: no file"),
    "Go": ("panic: no file\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3\n", "panic: no file"),
    "Rust": (
        "thread 'main' panicked at src/main.rs:2:5:\nno file\nnote: run with `RUST_BACKTRACE=1` environment "
        "variable\n",
        "thread 'main' panicked at src/main.rs:2:5: no file",
    ),
    "C++": (
        "terminate called after throwing an instance of 'E'\n  what():  no file\n",
        "terminate called after throwing an instance of 'E': what(): no file",
    ),
    "loggers and bars": (
        "ERROR root: no file\nINFO root: end\n2026-01-01 WARNING x\n 50%|##   | 1/2 [00:01]\n",
        "ERROR root: no file",
    ),
    "only a warning": ("/x.py:3: UserWarning: old\n  warnings.warn(text)\n", "NONE"),
    "colours": ("\x1b[31mno file\x1b[0m\n", "no file"),
    "what a terminal obeys": ("no\x1b]0;title\x07 file\u202e\x07\n", "no file"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said(case: str) -> None:
    text, expected = CASES[case]
    assert said(text.splitlines()) == expected


def test_it_is_bounded() -> None:
    assert len(said(["x" * 9000])) == 500


@given(st.lists(st.text(max_size=40), max_size=12))
def test_it_is_one_printable_line_whatever_there_is(lines: list[str]) -> None:
    one = said(lines)
    assert one == one_line(one) != ""
    assert len(one) <= 500
