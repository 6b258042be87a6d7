"""``python -m localcloud``, the program ``localcloud``: the commands of the local cloud in any folder."""

import sys

from invoke.program import Program

from localcloud.commands import collection
from localcloud.paths import project_root
from localcloud.pulumi.stacks import with_files


def main() -> None:
    """``localcloud --list`` shows the commands, ``localcloud COMMAND --help`` one of them."""
    commands = collection(lambda: with_files(project_root()))
    Program(name="localcloud", binary="localcloud", namespace=commands).run(["localcloud", *sys.argv[1:]])


if __name__ == "__main__":
    main()
