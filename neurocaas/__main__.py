"""`python -m neurocaas` and the program `neurocaas`: the command line (`neurocaas.cli`) as a process."""

import sys
from typing import NoReturn


def program() -> NoReturn:
    """Ends with the exit code. Ctrl-C while modules are loaded is no traceback either."""
    try:
        from neurocaas.cli import main
        from neurocaas.streams import end_with_the_reader, write_anything

        end_with_the_reader()
        write_anything(json="--json" in sys.argv[1:])
        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    program()
