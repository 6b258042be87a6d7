"""About how long a script still takes, by its marks `::progress VALUE`: an estimate that runs down, or
none.
"""

from __future__ import annotations

LEAST = 0.001
"""A mark of less says nothing about the whole."""

SLACK = 1.25
"""So many times longer than it was said may a new mark let the whole take before nothing is said any more."""


class Pace:
    """Reckons at each new mark how long the whole takes if it goes on as until then. What was said once is
    never said longer: a script whose marks come later and later, or that is over its time, gets no
    estimate."""

    def __init__(self) -> None:
        self._value = 0.0
        self._total = 0.0
        self._said: float | None = None

    def left(self, value: float, elapsed: float) -> int | None:
        """Seconds that are left after `elapsed` seconds, when the last mark says `value` (0 to 1); None when
        they cannot be told.
        """
        if value < LEAST:
            return None
        if value != self._value:
            self._value, self._total = value, elapsed / value
            self._said = self._total if self._said is None else min(self._said, self._total)
        if self._said is None or self._total > SLACK * self._said or elapsed > self._said:
            return None
        return round(self._said - elapsed)
