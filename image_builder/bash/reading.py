"""Reading bash: the simple commands of a text, with their places in it.

Enough of the grammar to tell programs, arguments, pipes and redirections apart: quotes, substitutions,
here-documents, comments, lists, groups. Nothing is expanded or run.
"""

from __future__ import annotations

import re
from functools import lru_cache

from image_builder.bash.commands import ASSIGNMENT, Command, Redirection, Word

_OPERATORS = ("&&", "||", ";;&", ";;", ";&", "|&", "&", "|", ";", "(", ")", "\n")
_REDIRECTION = re.compile(r"(\d+|\{\w+\})?(<<-|<<<|<<|<>|<&|<|&>>|&>|>>|>\||>&|>)")
_HEADS = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "coproc"})


@lru_cache(maxsize=256)
def commands(text: str) -> tuple[Command, ...]:
    """The simple commands of `text` in the order of their beginning, those inside `$( … )` and backquotes
    too. Whoever asks again for the same text gets the same commands, which nobody may change.
    """
    return tuple(sorted(_Lexer(text).run(0, len(text), nested=False), key=lambda command: command.start))


def variables(text: str) -> set[str]:
    """Names that are expanded in `text` as `$name` or `${name…`, wherever they stand."""
    return set(re.findall(r"\$\{?[!#]?([A-Za-z_]\w*)", text))


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self._pending: list[tuple[str, bool]] = []
        self._found: list[Command] = []

    def run(self, at: int, end: int, *, nested: bool) -> list[Command]:
        text, current, head, piped = self.text, None, "", False
        cases, pattern = 0, False  # open `case` commands; whether a pattern of one comes next
        while at < end:
            if text.startswith("\\\n", at):
                at += 2
                continue
            if text[at] in " \t":
                at += 1
                continue
            if text[at] == "#":
                stop = text.find("\n", at)
                at = end if stop < 0 else stop
                continue
            if pattern and text[at] != "\n":
                pattern = False
                if not re.match(r"esac\b", text[at:end]):
                    at = self._pattern(at, end)
                    continue
            if current is None:
                current = Command(at, text.count("\n", 0, at) + 1, nested, head, piped=piped)
                head = ""
            redirection = _REDIRECTION.match(text, at)
            if redirection and not text.startswith(("<(", ">("), at):
                at = self._redirect(current, redirection, end)
                current.end = at
                continue
            operator = next((sign for sign in _OPERATORS if text.startswith(sign, at)), None)
            if (
                operator == "("
                and len(current.words) == 1
                and (match := re.match(r"\([ \t]*\)", text[at:end]))
            ):
                # the name of a function, which is defined here and not called
                current, at = None, at + match.end()
                continue
            if operator:
                self._close(current, operator)
                goes_on = operator == "\n" and not current.words  # a pipe at the end of a line
                current, piped = None, operator in ("|", "|&") or (piped and goes_on)
                at += len(operator)
                pattern = pattern or (cases > 0 and operator in (";;", ";&", ";;&"))
                if operator == "\n":
                    at = self._bodies(at, end)
                continue
            word = self._word(at, end)
            at = word.end
            if not current.words and word.raw in _HEADS:
                current, head = None, word.raw
            elif not current.words and word.raw == "esac":
                current, cases = None, cases - 1
            elif word.raw == "in" and len(current.words) == 2 and current.words[0].raw == "case":
                current, cases, pattern = None, cases + 1, True
            elif not current.words and ASSIGNMENT.match(word.raw):
                current.assignments.append(word)
                current.end = at
            else:
                current.words.append(word)
                current.end = at
        if current is not None:
            self._close(current, "")
        return self._found

    def _close(self, command: Command, operator: str) -> None:
        command.after = operator
        if command.words or command.assignments or command.redirections:
            self._found.append(command)

    def _pattern(self, at: int, end: int) -> int:
        """Past the patterns of one branch of `case`, and past the `)` after them."""
        at += self.text.startswith("(", at)
        while at < end and self.text[at] != ")":
            at = at + 1 if self.text[at] in " \t\n|" else self._word(at, end).end
        return min(at + 1, end)

    def _redirect(self, command: Command, match: re.Match[str], end: int) -> int:
        at = match.end()
        while at < end and self.text[at] in " \t":
            at += 1
        word = self._word(at, end)
        command.redirections.append(Redirection(match[2], word))
        if match[2] in ("<<", "<<-"):
            self._pending.append((word.value, match[2] == "<<-"))
        return word.end

    def _bodies(self, at: int, end: int) -> int:
        for delimiter, tabs in self._pending:
            while at < end:
                stop = self.text.find("\n", at)
                stop = end if stop < 0 else stop
                line = self.text[at:stop]
                at = min(stop + 1, end)
                if (line.lstrip("\t") if tabs else line) == delimiter:
                    break
        self._pending.clear()
        return at

    def _word(self, at: int, end: int) -> Word:
        text, start, value = self.text, at, []
        while at < end:
            sign = text[at]
            if sign in " \t\n;&|()<>" and not text.startswith(("<(", ">("), at):
                break
            if sign == "\\":
                value.append("" if text[at + 1 : at + 2] == "\n" else text[at + 1 : at + 2])
                at += 2
            elif sign == "'":
                stop = _find(text, "'", at + 1, end)
                value.append(text[at + 1 : stop])
                at = stop + 1
            elif sign == '"':
                stop = self._double(at + 1, end)
                value.append(text[at + 1 : stop].replace('\\"', '"'))
                at = stop + 1
            elif text.startswith("$'", at):
                stop = at + 2
                while stop < end and text[stop] != "'":
                    stop += 2 if text[stop] == "\\" else 1
                value.append(text[at + 2 : stop])
                at = stop + 1
            elif sign in "$`" or text.startswith(("<(", ">("), at):
                stop = self._substitution(at, end)
                value.append(text[at:stop])
                at = stop
            elif sign == "=" and text.startswith("=(", at):  # an array
                stop = self._balanced(at + 2, end, "(", ")")
                value.append(text[at:stop])
                at = stop
            else:
                value.append(sign)
                at += 1
        if at == start:  # nothing that can begin a word: take the character, so that reading goes on
            at += 1
        at = min(at, end)
        return Word(text[start:at], "".join(value), start, at)

    def _double(self, at: int, end: int) -> int:
        while at < end and self.text[at] != '"':
            if self.text[at] == "\\":
                at += 2
            elif self.text[at] in "$`":
                at = self._substitution(at, end)
            else:
                at += 1
        return min(at, end)

    def _substitution(self, at: int, end: int) -> int:
        text = self.text
        if text.startswith("$((", at):
            return self._balanced(at + 2, end, "(", ")")
        if text.startswith(("$(", "<(", ">("), at):
            stop = self._balanced(at + 2, end, "(", ")")
            inner = _Lexer(text)
            self._found += inner.run(at + 2, max(at + 2, stop - 1), nested=True)
            return stop
        if text.startswith("${", at):
            return self._balanced(at + 2, end, "{", "}")
        if text[at] == "`":
            stop = _find(text, "`", at + 1, end)
            self._found += _Lexer(text).run(at + 1, stop, nested=True)
            return min(stop + 1, end)
        return at + 1

    def _balanced(self, at: int, end: int, opening: str, closing: str) -> int:
        depth = 1
        while at < end:
            sign = self.text[at]
            if sign == "\\":
                at += 2
                continue
            if sign == "'":
                at = _find(self.text, "'", at + 1, end) + 1
                continue
            if sign == '"':
                at = self._double(at + 1, end) + 1
                continue
            depth += (sign == opening) - (sign == closing)
            at += 1
            if depth == 0:
                break
        return min(at, end)


def _find(text: str, sign: str, at: int, end: int) -> int:
    found = text.find(sign, at, end)
    return end if found < 0 else found
