"""What the plugins share."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.aws.account import Account
from localcloud.aws.admin import Admin
from localcloud.aws.checkpoint import Checkpoint
from localcloud.aws.settings import Settings
from localcloud.aws.store import Store


@dataclass(frozen=True)
class Context:
    """One emulator's parts."""

    settings: Settings
    store: Store
    admin: Admin
    checkpoint: Checkpoint
    account: Account

    def changed(self, service: str | None = None) -> None:
        """State changed outside a request of ``service``: wake the fleet, save soon."""
        self.store.touch()
        self.checkpoint.mark(*([service] if service else []))
