"""The order in which files of tests are given to workers."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest

from tests.order import LongestFirst, Order, expected


def test_a_file_that_never_ran_is_judged_by_its_room() -> None:
    files = ("localcloud/tests/test_new.py", "tests/unit/test_new.py", "tests/local/test_new.py")
    assert sorted(files, key=lambda file: -expected(file, {})) == [files[2], files[0], files[1]]
    assert expected("tests/local/test_new.py", {"tests/local/test_new.py": 0.5}) == 0.5


def test_the_longest_file_is_given_away_first(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [f"tests/unit/test_{name}.py" for name in "abcd"]
    tests = [f"{file}::test" for file in files]
    monkeypatch.setattr("xdist.scheduler.loadscope.parse_tx_spec_config", lambda config: [])
    seconds = {files[0]: 0.1, files[1]: 20.0, files[3]: 3.0}
    scheduler = LongestFirst(_config({"neurocaas/seconds": seconds}), None, seconds)
    scheduler.workqueue = OrderedDict((file, {f"{file}::test": False}) for file in files)
    given: list[str] = []

    class Worker:
        def send_runtest_some(self, numbers: list[int]) -> None:
            given.extend(tests[number] for number in numbers)

    worker = Worker()
    scheduler.registered_collections = {worker: tests}
    while scheduler.workqueue:
        scheduler._assign_work_unit(worker)
    assert given == [tests[1], tests[3], tests[2], tests[0]]


def test_what_a_file_took_is_known_in_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.exists", lambda file: file != "gone.py")
    cache: dict[str, Any] = {"neurocaas/seconds": {"gone.py": 9.0, "other.py": 2.0, "here.py": 1.0}}
    order = Order()
    for duration in (0.5, 0.25):
        report: Any = SimpleNamespace(nodeid="here.py::test[a::b]", duration=duration)
        order.pytest_runtest_logreport(report)
    session: Any = SimpleNamespace(config=_config(cache))
    order.pytest_sessionfinish(session)
    assert cache == {"neurocaas/seconds": {"other.py": 2.0, "here.py": 0.75}}


def _config(cache: dict[str, Any]) -> Any:
    """What the plugin wants of pytest: a cache, and no logging."""
    kept = SimpleNamespace(get=lambda key, default: cache.get(key, default), set=cache.__setitem__)
    return SimpleNamespace(cache=kept, option=SimpleNamespace(debug=False))
