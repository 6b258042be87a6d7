"""What a script says last of why it fails: the first thing that people want to read.

The rule: of what it wrote to standard error, the last line; but

- lines of the service, of bash's `set -x`, of loggers below ERROR, warnings, progress bars and the tails of
  reports ("Execution halted", "Calls: …", where in a program it was) are passed over;
- of a report of several lines the line that says it: of Python's traceback the exception, of R's, Octave's,
  Julia's and MATLAB's errors their first line (with the message, when that stands on the next), of Java's the
  exception, of a panic (Go, Rust) its message. Lines after such a report count as more of it, unless they
  look like an error themselves.

Nothing is said when nothing is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from neurocaas.protocol.printable import one_line
from neurocaas.protocol.status import LINE_CHARS, NONE

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""What a terminal obeys (ECMA-48): colours, positions, titles."""

_OURS = ("NeuroCAAS: ", "The analysis script ", "A report could not be sent")

_PASSED_OVER = re.compile(
    r"\++ .*"  # set -x
    r"|.*\b(?:DEBUG|INFO|NOTICE|TRACE|WARN|WARNING)\b.*"
    r"|.*\b[A-Za-z]*[Ww]arnings?(?: message)?s?\b ?:.*|\s*warnings\.warn\(.*"
    r"|\s*\d{1,3}(?:\.\d+)?\s?%.*|.*\d+%\|.*\|.*\d+/\d+.*"  # progress
    r"|Execution halted|Calls: .*|Backtrace:|Stacktrace:|Traceback:|note: run with "
    r".*RUST_BACKTRACE.*|goroutine \d+ .*"
    r"|\s+at .*|\s+File \".*\", line \d+.*|\s*\.\.\. \d+ more|error: called from"
    r"|Error in \S+ \(line \d+\)|\s*\^+~*\s*|Node\.js v.*|[-=+*_~#\s|]+|make(?:\[\d+\])?: .*"
)

_TRACEBACK = "Traceback (most recent call last):"
_IN_A_GROUP = re.compile(r" *[|+] ")
"""Stands before the lines of an exception group."""

_HEADLINES = re.compile(
    r"Error in .+|Error: .+|Error using .+|ERROR: .+|error: (?!called from).+|Exception in thread .+|panic: "
    r".+|fatal error: .+"
    r"|thread '.*' panicked at .+|terminate called .+|Uncaught .+|Undefined function .+|Unrecognized "
    r"function .+"
)
"""How reports begin that say it in their first line."""

_NEEDS_NEXT = re.compile(r"Error in .* ?: ?|Error using .+|thread '.*' panicked at .*:|terminate called .+")
"""Those whose message is, or goes on, in the next line."""

_LIKE_AN_ERROR = re.compile(
    r"(?i)error|exception|fail|fatal|abort|cannot|can't|could not|unable|no such|not "
    r"found|denied|invalid|illegal|missing|refused|killed"
    r"|: got .|allowed:|does not|must "
)


def said(lines: Iterable[str]) -> str:
    """From the lines of standard error, in order; NONE when they say nothing. One printable line of at most
    500 characters.
    """
    text = [_SEQUENCE.sub("", line.rstrip()) for line in lines]
    text = [line for line in text if line.strip() and not line.startswith(_OURS)]
    last = next(
        (number for number in reversed(range(len(text))) if not _PASSED_OVER.fullmatch(text[number])), None
    )
    report = _last_report(text)
    if report is None:
        return NONE if last is None else _shown(text[last])
    end, sentence = report
    after = [
        line
        for line in text[end:]
        if not (line[0].isspace() or _PASSED_OVER.fullmatch(line)) and _LIKE_AN_ERROR.search(line)
    ]
    return _shown(after[-1] if after else sentence)


def _last_report(text: Sequence[str]) -> tuple[int, str] | None:
    """The last report of several lines: where it ends, and the line that says it."""
    for number in reversed(range(len(text))):
        line = text[number]
        if line.strip(" |+-").endswith(_TRACEBACK) or line.strip() == _TRACEBACK:
            return _exception(text, number + 1)
        if (
            _HEADLINES.fullmatch(line)
            and not _PASSED_OVER.fullmatch(line)
            and not _inside_of_traceback(text, number)
        ):
            while number and _same_report(text[number - 1], line):  # the first line of an Octave report
                number -= 1
            following = text[number + 1].strip() if number + 1 < len(text) else ""
            sentence = text[number].strip()
            if _NEEDS_NEXT.fullmatch(sentence) and following and not _PASSED_OVER.fullmatch(text[number + 1]):
                sentence = f"{sentence.rstrip(' :')}: {following}"
                number += 1
            return number + 1, sentence
    return None


def _same_report(before: str, line: str) -> bool:
    return before.startswith("error: ") and line.startswith("error: ") and before != "error: called from"


def _inside_of_traceback(text: Sequence[str], number: int) -> bool:
    """Whether the line is the message of a Python exception: that begins with the exception's name, some
    lines above.
    """
    for above in range(number - 1, -1, -1):
        if _TRACEBACK in text[above]:
            found = _exception(text, above + 1)
            return found is not None and number < found[0]
    return False


def _exception(text: Sequence[str], start: int) -> tuple[int, str] | None:
    """The line after the places of a traceback."""
    for number in range(start, len(text)):
        line = text[number]
        bare = _IN_A_GROUP.sub("", line)
        if bare and not bare[0].isspace():
            return number + 1, bare
    return None


def _shown(line: str) -> str:
    return one_line(line, LINE_CHARS) or NONE
