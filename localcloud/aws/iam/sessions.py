"""Sessions of STS outlive the emulator: credentials are good until they expire, whatever happens to who made
them.

Stock MiniStack forgets them when it ends. The credentials of execution roles are not kept: the processes that
have them end with the emulator (see ``root``).
"""

from __future__ import annotations

import time
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.journal import Record
from localcloud.aws.parts import PAYLOAD


class Sessions:
    """Follows the sessions, for the journal; and gives them to the service's state."""

    key = "sts"
    _STORE = "sessions"

    def __init__(self) -> None:
        self._begun: list[str] = []
        self._first = True

    def install(self) -> None:
        """Keep what is registered, and take back what was kept when MiniStack loads its states."""
        register_original = hooks.sts.register_session

        def register(access_key: str, session: dict[str, Any]) -> None:
            register_original(access_key, session)
            self._begun.append(access_key)

        hooks.sts.register_session = register
        hooks.sts.get_state = lambda: {self._STORE: dict(_kept())}
        hooks.sts.load_persisted_state = _load

    def take(self) -> list[Record] | None:
        begun, self._begun = self._begun, []
        first, self._first = self._first, False
        if first:
            return None  # there may be no file yet to put single sessions into
        sessions = dict(_kept())
        place = (PAYLOAD, self._STORE)
        return [
            Record(self.key, hooks.encode_state(sessions[key]), (*place, key))
            for key in begun
            if key in sessions
        ]


def _kept() -> list[tuple[str, dict[str, Any]]]:
    now = time.time()
    return [
        (key, session)
        for key, session in list(hooks.sts._sessions.items())
        if session.get("Expiration", 0.0) > now
    ]


def _load(state: dict[str, Any]) -> None:
    now = time.time()
    found = state.get(Sessions._STORE) or {}
    hooks.sts._sessions.update(
        {key: session for key, session in found.items() if session["Expiration"] > now}
    )
