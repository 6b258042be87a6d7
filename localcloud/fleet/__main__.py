"""``python -m localcloud.fleet`` runs the fleet of the cloud in ``$LOCALCLOUD_HOME`` until SIGTERM;
``--probe`` prints what this host allows, as JSON.

Exit status: 0 ended as asked, 1 it could not start (one line says why), 2 wrong arguments.
"""

import json
import logging
import os
import signal
import sys

from localcloud.fleet.daemon import Fleet, describe
from localcloud.paths import Paths
from localcloud.sandbox.disks import own_mounts


def main(arguments: list[str]) -> int:
    """Run the fleet."""
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    if arguments not in ([], ["--probe"]):
        sys.stderr.write(f"localcloud.fleet: got {' '.join(arguments)!r}; allowed: nothing, or --probe.\n")
        return 2
    try:
        if arguments:
            sys.stdout.write(json.dumps(describe(Paths.find()), indent=1) + "\n")
            return 0
        fleet = Fleet(Paths.find(), mounts=os.getuid() == 0 and own_mounts())
    except (ValueError, OSError) as error:
        sys.stderr.write(f"localcloud.fleet: {error}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: fleet.stop())
    fleet.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
