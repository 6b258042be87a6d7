"""Processes of Lambda functions end when nobody has called them for a while: a local cloud that does nothing
takes little memory.

MiniStack keeps the first process of each function for ever. Without it the next call waits for a new one, as
it does on AWS. Tests have a program with which they start faster.
"""

from __future__ import annotations

import os
import time

from localcloud.aws import hooks
from localcloud.aws.settings import LAMBDA_IDLE_SECONDS
from localcloud.project import WARM_VARIABLE


def install() -> None:
    """Do it whenever MiniStack looks for surplus processes: every 30 seconds."""
    program_of = hooks.lambda_runtime._detect_runtime_binary

    def program(runtime: str) -> tuple[str, str]:
        found, script = program_of(runtime)
        warm = os.environ.get(WARM_VARIABLE) if runtime.startswith("python") else None
        return warm or found, script

    hooks.lambda_runtime._detect_runtime_binary = program
    end_surplus = hooks.lambda_svc.reap_idle_workers

    def end() -> None:
        end_surplus()
        end_idle(time.time() - LAMBDA_IDLE_SECONDS)

    hooks.lambda_svc.reap_idle_workers = end


def end_idle(since: float) -> None:
    """End the processes whose last call began before `since` (seconds since 1970) and is over."""
    idle = []
    with hooks.lambda_runtime._lock:
        pools = hooks.lambda_runtime._workers
        for key, pool in list(pools.items()):
            ended = [worker for worker in pool if not worker.in_use and worker.last_used < since]
            idle += ended
            pools[key] = [worker for worker in pool if worker not in ended]
            if not pools[key]:
                del pools[key]
    hooks.lambda_runtime.kill_workers(idle)
