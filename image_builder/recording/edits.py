"""Changing a text at places that were found in it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Edits:
    """Changes to a text, by place; `before` and `after` are lines around it."""

    text: str
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def put(self, start: int, end: int, new: str) -> None:
        self.edits.append((start, end, new))

    def result(self) -> str:
        text = self.text
        for start, end, new in sorted(self.edits, reverse=True):
            text = text[:start] + new + text[end:]
        return "\n".join([*self.before, text, *self.after])
