"""What the machines and the image builds of a fleet share."""

from dataclasses import dataclass

from localcloud.images.store import Images
from localcloud.paths import Paths
from localcloud.sandbox.acceptor import Acceptor
from localcloud.sandbox.cloud import Connection
from localcloud.sandbox.disks import Disks, DiskWatch
from localcloud.sandbox.limits import Limiter
from localcloud.sandbox.sandbox import Host
from localcloud.sandbox.spawn import Spawner
from localcloud.sandbox.watch import Watch


@dataclass(frozen=True)
class Services:
    """One of each a fleet."""

    paths: Paths
    host: Host
    connection: Connection
    images: Images
    limiter: Limiter
    acceptor: Acceptor
    spawner: Spawner
    watch: Watch
    disks: Disks
    disk_watch: DiskWatch
