"""What an analysis needs of a machine, in place of the name of an instance type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """At least so many virtual CPUs, GiB of memory, and GPUs."""

    cpu: int = 1
    memory_gib: float = 0
    gpu: int = 0

    def __str__(self) -> str:
        gpus = [f"{self.gpu} GPU{'' if self.gpu == 1 else 's'}"] if self.gpu else []
        memory = [f"{self.memory_gib:g} GiB"] if self.memory_gib else []
        return ", ".join([f"{self.cpu} vCPU", *memory, *gpus])
