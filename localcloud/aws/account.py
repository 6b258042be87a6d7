"""The properties that the account has now.

``POST /_localcloud/account`` with ``{"default_vpc": false}`` changes those that it names (null: what the file
and the setting say, else what an easy account has), ``{}`` takes all such changes back. Changes are kept
with the state, so that a restart has them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.account_properties import Properties, parse
from localcloud.aws.store import Store


class Account:
    """``now`` is replaced as a whole by :meth:`change`: ask for it when it is needed, never keep it."""

    def __init__(self, given: Mapping[str, Any], store: Store) -> None:
        self._given, self._store = given, store
        self.now: Properties = self._read()

    def change(self, wanted: dict[str, Any]) -> Properties:
        """Change what ``wanted`` names, or take all changes back when it names nothing.

        Raises:
            PropertiesError: there is no such property or value; then nothing is changed.
        """
        parse(wanted)
        changes = self._changes()
        if not wanted:
            changes.clear()
        for name, value in wanted.items():
            if value is None:
                changes.pop(name, None)
            else:
                changes[name] = value
        self.now = self._read()
        self._store.touch()
        return self.now

    def _changes(self) -> dict[str, Any]:
        return self._store.section("account")

    def _read(self) -> Properties:
        return parse({**self._given, **self._changes()})
