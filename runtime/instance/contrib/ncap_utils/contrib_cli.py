"""Start the command `neurocaas-contrib` from its file: `python3 -E -s …/ncap_utils/contrib_cli.py
workflow|scripting …`.

Started isolated, since scripts activate conda environments with a Python and packages of their own, and
finding its own modules.
"""

import sys
from pathlib import Path

sys.path[:1] = [str(Path(__file__).resolve().parent)]

from contrib_commands.cli import main  # type: ignore[import-not-found]  # noqa: E402  (a script: its folder is put on the path first)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
