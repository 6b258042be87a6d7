"""Which process of this host is the first inside a machine."""

from __future__ import annotations

import pytest

from localcloud.fleet import entry
from localcloud.sandbox import trees

FLEET, BUBBLEWRAP, INNER, FIRST = 1, 2, 3, 4
"""As bubblewrap forks them: itself, its first process in the sandbox, which makes the root, the machine's."""
ARGUMENTS = b"bwrap\0--unshare-pid\0--hostname\0i-1\0"


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ([FLEET], None),
        ([FLEET, BUBBLEWRAP], None),
        ([FLEET, BUBBLEWRAP, INNER], None),
        ([FLEET, BUBBLEWRAP, INNER, FIRST], FIRST),
    ],
    ids=["no machine", "no sandbox yet", "its root is being made", "it runs"],
)
def test_a_machine_is_entered_only_when_its_root_is_made(
    monkeypatch: pytest.MonkeyPatch, processes: list[int], expected: int | None
) -> None:
    monkeypatch.setattr(trees, "children", lambda pid: iter([pid + 1] if pid + 1 in processes else []))
    monkeypatch.setattr(entry, "_read", lambda pid, name: ARGUMENTS if name == "cmdline" else b"")
    assert entry.first_process(FLEET, "i-1") == expected
