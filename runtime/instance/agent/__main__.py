"""Start the agent from its file: `python3 -E -s …/agent/__main__.py
watch|finish|download|download-folder|upload …`.

Scripts activate conda environments with their own Python, PYTHONPATH and packages; the agent must not notice.
So it is started isolated (-E -s) and finds its own modules: the code tree's, else the repository's.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

# names of files are bytes, and S3's are UTF-8, whatever locale a script has chosen
if sys.getfilesystemencoding() != "utf-8":
    os.execv(sys.executable, [sys.executable, "-E", "-s", "-X", "utf8", *sys.argv])  # noqa: S606
here = Path(__file__).resolve().parent
tree = here.parent
root = tree if (tree / "neurocaas").is_dir() else tree.parents[1]
sys.path[:1] = [str(path) for path in (tree, root, tree / "vendor") if path.is_dir()]
sys.exit(import_module("agent.cli").main(sys.argv[1:]))
