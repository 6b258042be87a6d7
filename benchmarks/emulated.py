"""The surroundings of benchmarks that need AWS over HTTP and no machines."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def bare_cloud() -> Iterator[None]:
    """A local cloud without its fleet, which this process's clients of AWS talk to while it stands."""
    from console.cloud import lay_over
    from localcloud import cloud as local
    from localcloud import ports
    from localcloud.paths import Paths

    with tempfile.TemporaryDirectory(prefix="neurocaas-", ignore_cleanup_errors=True) as folder:
        paths = Paths(Path(folder) / "local")
        cloud = local.up(paths, port=ports.lease(), fleet=False)
        try:
            lay_over(os.environ, cloud.environment())
            yield
        finally:
            local.down(paths)
