"""Secrets in text: what looks like one, and text without them.

Three signs are used: formats of known providers, values given to names that say what they are (`--password
x`, `API_TOKEN=x`), and credentials in URLs. A filter cannot know every secret; it knows these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_FORMATS = (
    ("AWS_ACCESS_KEY_ID", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("GITHUB_TOKEN", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b"),
    ("GITLAB_TOKEN", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("SLACK_TOKEN", r"\bxox[abpr]-[A-Za-z0-9-]{10,}"),
    ("PYPI_TOKEN", r"\bpypi-[A-Za-z0-9_-]{50,}"),
    ("HF_TOKEN", r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("API_KEY", r"\b(?:sk-[A-Za-z0-9_-]{20,}|[sr]k_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35})"),
    ("PRIVATE_KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----)?"),
    ("PASSWORD", r"(?<=://)[^\s/:@'\"]*:(?!\$)[^\s/@'\"]+(?=@)"),
    ("AUTHORIZATION", r"(?i)(?<=authorization: )(?:bearer|basic|token) [A-Za-z0-9+/=._-]{8,}"),
    ("PASSWORD", r"\bcurl\b[^\n|;&]*?\s(?:-u|--user)[ =]?['\"]?[^\s:'\"$]+:(?P<value>[^\s'\"$]{4,})"),
    ("PASSWORD", r"\bmysql(?:dump|admin)?\b[^\n|;&]*?\s-p(?P<value>[^\s'\"$]{4,})"),
    ("PASSWORD", r"\bsshpass\s+-p\s*['\"]?(?P<value>[^\s'\"$]{4,})"),
    ("PASSWORD", r"\w:(?P<value>[^\s:'\"$]{4,})['\"]?\s*\|\s*(?:sudo\s+)?chpasswd\b"),
    (
        "TOKEN",
        r"\bgit\s+config\b[^\n|;&]*?(?:token|password|secret|extraheader)\s+['\"]?(?P<value>[^\s'\"$][^'\"\n$]{5,})(?![^'\"\n$]*\$)",
    ),
    ("PASSWORD", r"\blogin\s+\S+\s+password\s+(?P<value>[^\s'\"$]{4,})"),
    ("PASSWORD", r"(?i)\bpassword\(\s*\\?['\"](?P<value>[^\s'\"$]{4,})(?=['\"])"),
)
_NAMED = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?P<name>(?:[A-Za-z0-9]+[_-])*(?:password|passwd|passphrase|secret(?:[_-]?access)?[_-]?key|secret|(?:auth|access)?token|"
    r"api[_-]?key|access[_-]?key|credentials?)(?:_[A-Za-z0-9]+)*)"
    r"(?P<gap>['\"]?\s*=\s*|['\"]\s*:\s*|: +|[ =]+)['\"]?(?P<value>[^\s'\"]{6,})"
)
_AWS_SECRET = re.compile(r"(?<![\w/+=])[A-Za-z0-9/+]{40}(?![\w/+=])")
_SECRET_NAME = re.compile(r"(?i)(?:password|passwd|passphrase|secret|token|api_?key|access_?key|credential)")
_HARMLESS = re.compile(
    r"^(?:[$%{<(/~-].*|true|false|none|null|[0-9.]+|https?://[^:@]*|[*x.]+|required|optional|--.*)$",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(r"[A-Za-z_][\w.:]*[(\[]")
"""`PASSWORD("${VARIABLE}")`, `os.environ["TOKEN"]`: what gives the value, not the value. In quotes it would
be text.
"""
_REFERENCE = re.compile(r"\$[{(]|`")
_VARIABLE = re.compile(r"\$[A-Za-z_]")
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+/=_-]{20,}")
PLACEHOLDER = re.compile(r"\$\{SECRET_([A-Z0-9_]+)\}")


@dataclass(frozen=True)
class Secret:
    """A place in a text (start, end) that looks like a secret, and a name for it."""

    name: str
    start: int
    end: int


def find(text: str) -> Iterator[Secret]:
    """What looks like a secret in `text`, in order, without overlaps."""
    found = []
    for name, pattern in _FORMATS:
        compiled = re.compile(pattern, re.DOTALL)
        group = "value" if "value" in compiled.groupindex else 0
        found += [Secret(name, *match.span(group)) for match in compiled.finditer(text)]
    for match in _NAMED.finditer(text):
        said = text[max(0, match.start() - 2) : match.start()] == "--" or _RANDOM.fullmatch(match["value"])
        if (
            _HARMLESS.match(match["value"])
            or _computed(text, match)
            or (match["gap"].strip(" ") == "" and not said)
        ):
            continue
        name = re.sub(r"[^A-Z0-9]+", "_", match["name"].upper()).strip("_")
        found.append(Secret(name, match.start("value"), match.end("value")))
    if re.search(r"aws_?secret", text, re.IGNORECASE):  # a key away from the name that says what it is
        found += [
            Secret("AWS_SECRET_ACCESS_KEY", *match.span())
            for match in _AWS_SECRET.finditer(text)
            if _RANDOM.fullmatch(match[0])
        ]
    end = 0
    for secret in sorted(found, key=lambda secret: (secret.start, -secret.end)):
        if secret.start >= end:
            end = secret.end
            yield secret


def _computed(text: str, match: re.Match[str]) -> bool:
    """Whether the value is an expression: a call, a place in a table, or text in which a variable stands."""
    quote = text[match.start("value") - 1]
    if _REFERENCE.search(match["value"]) or (quote != "'" and _VARIABLE.search(match["value"])):
        return True
    return quote not in "'\"" and _EXPRESSION.match(match["value"]) is not None


def names_a_secret(variable: str) -> bool:
    """Whether an environment variable's name says that its value is a secret."""
    return bool(_SECRET_NAME.search(variable))


def hide(text: str, values: Mapping[str, str] | None = None) -> str:
    """`text` with `${SECRET_NAME}` where secrets stood. `values` are further ones, name -> value (six
    characters or more).
    """
    for name, value in (values or {}).items():
        if len(value) >= 6:
            text = text.replace(value, f"${{SECRET_{re.sub(r'[^A-Z0-9]+', '_', name.upper())}}}")
    for secret in reversed(list(find(text))):
        text = f"{text[: secret.start]}${{SECRET_{secret.name}}}{text[secret.end :]}"
    return text
