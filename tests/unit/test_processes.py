"""A script's processes: found by what they were started with, and nobody else's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.instance.agent import processes

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are found as Linux shows them"
)


@pytest.fixture
def others() -> Iterator[list[subprocess.Popen[str]]]:
    """Four that are up: one of another run, one with the mark as a part of a value, two of this run, of which
    one does not hear TERM.
    """
    found = []
    for value, first in (
        ("/run/2", ""),
        ("x NEUROCAAS_STATE=/run/1", ""),
        ("/run/1", ""),
        ("/run/1", 'trap "" TERM; '),
    ):
        environment = {**os.environ, "NEUROCAAS_STATE": value}
        command = ["bash", "-c", f"{first}echo up; exec sleep 60"]
        one = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert one.stdout
        assert one.stdout.readline() == "up\n"
        found.append(one)
    yield found
    for one in found:
        one.kill()
        one.communicate()


def test_only_what_has_the_mark_is_ended(
    others: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "below", lambda pid: [])  # they are this process's, here
    ended = processes.end(lambda: processes.marked("NEUROCAAS_STATE=/run/1"), wait=0, grace=0.1)
    assert sorted(one.pid for one in ended) == sorted(one.pid for one in others[2:])
    assert [one.wait(10) for one in others[2:]] == [-15, -9]
    assert [one.poll() for one in others[:2]] == [None, None]
    assert processes.told(ended).count("(process ") == 2


def test_who_looks_is_never_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_has", lambda pid, mark: True)
    found = {one.pid for one in processes.marked("x")}
    assert os.getpid() not in found
    assert os.getppid() not in found
    assert not found & {one.pid for one in processes.below(os.getpid())}


def test_nothing_left_is_nothing_to_say() -> None:
    assert processes.end(list, wait=0) == []
