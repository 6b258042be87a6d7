"""Becomes a command that dies with its parent: ``python -I -S plain.py PARENT_PID [CGROUP_FILE…]
[RLIMIT_NAME=VALUE…] -- COMMAND…``.

What the command leaves behind becomes its child, so that it can be found.
"""

import ctypes
import os
import resource
import signal
import sys

_PDEATHSIG, _CHILD_SUBREAPER = 1, 36

if __name__ == "__main__":
    split = sys.argv.index("--")
    for option, value in ((_PDEATHSIG, signal.SIGKILL), (_CHILD_SUBREAPER, 1)):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(71)
    for word in sys.argv[2:split]:
        name, given, number = word.partition("=")
        if given and hasattr(resource, name):
            hard = resource.getrlimit(getattr(resource, name))[1]
            size = int(number) if hard == resource.RLIM_INFINITY else min(int(number), hard)
            resource.setrlimit(getattr(resource, name), (size, size))
        else:
            with open(word, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
    os.umask(0o022)  # as on any machine; the fleet's own is closed
    # a file that cannot grow is an error for a program, not its end
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    os.execv(sys.argv[split + 1], sys.argv[split + 1 :])  # noqa: S606 (no shell is wanted)
