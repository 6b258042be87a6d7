"""The order in which files of tests are given to workers: those that took longest in the last run come first,
so that no worker is left with a long one when the others have ended. A plugin of pytest.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

_KEY = "neurocaas/seconds"
_UNKNOWN = (("tests/local/", 30.0), ("localcloud/tests/", 5.0), ("", 1.0))
"""Seconds of a file that never ran here, by where it is."""


def expected(file: str, known: Mapping[str, float]) -> float:
    """How many seconds a file will take."""
    if file in known:
        return known[file]
    return next(seconds for folder, seconds in _UNKNOWN if file.startswith(folder))


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """As `--dist loadfile`, in this order."""

    def __init__(self, config: pytest.Config, log: Producer | None, known: Mapping[str, float]) -> None:
        super().__init__(config, log)
        self._known = known

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = max(self.workqueue, key=lambda file: expected(file, self._known))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


class Order:
    """Knows how long the files took, in the cache of pytest."""

    def __init__(self) -> None:
        self._took: defaultdict[str, float] = defaultdict(float)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LongestFirst:
        return LongestFirst(config, log, self._known(config))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took[report.nodeid.partition("::")[0]] += report.duration

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        assert session.config.cache is not None
        known = {
            file: seconds for file, seconds in self._known(session.config).items() if os.path.exists(file)
        }
        session.config.cache.set(_KEY, {**known, **self._took})

    def _known(self, config: pytest.Config) -> dict[str, float]:
        assert config.cache is not None
        return dict(config.cache.get(_KEY, {}))
