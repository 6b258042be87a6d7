"""A program run in the root of an image that was baked here, without a machine: the cloud itself need not
run.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.images.store import ImageError, Images
from localcloud.paths import Paths
from localcloud.sandbox import base
from localcloud.sandbox.hostaccess import HostAccess, collect
from localcloud.sandbox.sandbox import GUEST_PATH, Host, Plan, Root, detect, launcher_command


@dataclass(frozen=True)
class ImageRoot:
    """A root over an image's layers, on a disk of its own that is gone afterwards. Commands start in `start`
    with `environment`.
    """

    host: Host
    root: Root
    run: Path
    access: HostAccess
    environment: Mapping[str, str]

    @property
    def start(self) -> Path:
        return self.host.scratch

    @property
    def python(self) -> str:
        """The project's interpreter, as it is seen inside."""
        return base.python_in_sandbox()

    def command(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        read: Sequence[tuple[Path, Path]],
        write: Sequence[tuple[Path, Path]],
    ) -> list[str]:
        """What runs `command` as root in /home/ubuntu, with this computer's network. `read` and `write` are
        pairs (path here, path there).
        It must be a child of this process."""
        inside = ["bash", "-c", 'mkdir -p /home/ubuntu && cd /home/ubuntu && exec "$@"', "bash", *command]
        plan = Plan(
            self.root,
            inside,
            {
                "PATH": GUEST_PATH,
                "HOME": "/root",
                "LANG": "C.UTF-8",
                **self.access.environment,
                **environment,
            },
            "run-local",
            self.run,
            binds=[*self.access.binds, *((str(here), str(there)) for here, there in read)],
            writable_binds=[(str(here), str(there)) for here, there in write],
        )
        return launcher_command(self.host, plan, self.host.scratch)


@contextmanager
def image_root(
    image_id: str, environment: Mapping[str, str], paths: Paths | None = None
) -> Iterator[ImageRoot]:
    """Raises ImageError for an image that is not here, and where this computer has no sandboxes."""
    paths = paths or Paths.find()
    host = detect(paths.home)
    if not host.isolated:
        raise ImageError(
            "this computer cannot give an image a root of its own "
            f"({'; '.join(host.notes) or 'no namespaces'})\n"
            "  allowed: a host with bubblewrap and namespaces\n  do: install bubblewrap, or leave --image out"
        )
    chain = Images(paths.images, str(host.mode)).chain(image_id)
    work = Path(tempfile.mkdtemp(prefix="run-", dir=host.scratch / "fleet"))
    access = collect(environment)
    try:
        root = Root(work / "disk", chain)
        root.create()
        (work / "run").mkdir()
        yield ImageRoot(host, root, work / "run", access, {"PATH": GUEST_PATH})
    finally:
        base.remove_tree(work / "disk")
        shutil.rmtree(work, ignore_errors=True)
