"""Names of programs that the linter and the recording treat in a way of their own."""

from __future__ import annotations

EDITORS = frozenset({"vi", "vim", "nvim", "view", "nano", "pico", "emacs", "joe", "mcedit", "micro", "ed",
    "ex", "visudo", "vipw", "vigr",
                     "vim.basic", "vim.tiny", "editor", "sensible-editor"})  # fmt: skip
DOWNLOADERS = frozenset({"curl", "wget"})
SHELLS = frozenset({"bash", "sh", "dash", "zsh", "ksh", "fish"})
SESSIONS = frozenset({"screen", "tmux", "ssh", "chroot", "newgrp", "script", "machinectl"})
"""Programs in which more is typed that nobody records."""
INTERPRETERS = frozenset(
    {
        "python",
        "python3",
        "ipython",
        "R",
        "julia",
        "irb",
        "node",
        "psql",
        "mysql",
        "sqlite3",
        "octave",
        "matlab",
    }
)
RUN_WHAT_THEY_READ = SHELLS | {"python", "python3", "perl", "php", "ruby", "node", "R"}
"""Programs that run what is piped into them."""
REBOOTS = frozenset({"reboot", "shutdown", "poweroff", "halt", "init", "telinit"})
ASKERS: dict[str, str] = {
    "passwd": "images need no password; leave it out",
    "chpasswd": "images need no password; leave it out",
    "ssh-keygen": "a key in an image is a key that everybody shares; make it on the machine when it starts",
    "adduser": "use `useradd --create-home NAME`, which asks nothing",
    "read": "write the value into the line",
}
"""Programs that ask, and what to do instead."""
DRIVERS = (
    "nvidia-driver",
    "nvidia-dkms",
    "cuda-drivers",
    "linux-image",
    "linux-headers",
    "nvidia-open",
    "amdgpu-dkms",
    "nvidia-utils",
)
"""Beginnings of packages that belong to the kernel of a machine, not to an image baked elsewhere."""
APT_VERBS = frozenset(
    {
        "install",
        "upgrade",
        "dist-upgrade",
        "full-upgrade",
        "remove",
        "purge",
        "autoremove",
        "reinstall",
        "build-dep",
    }
)
OTHER_PACKAGES = frozenset({"yum", "dnf", "microdnf", "zypper"})
"""Package tools of other distributions, which foreign documents use."""
CONDA = frozenset({"conda", "mamba", "micromamba"})
CONDA_VERBS = frozenset({"install", "create", "update", "upgrade", "remove", "uninstall"})
CONDA_WITH_VALUE = frozenset(
    {
        "-n",
        "--name",
        "-p",
        "--prefix",
        "-c",
        "--channel",
        "-f",
        "--file",
        "--solver",
        "--subdir",
        "--platform",
    }
)
YES_FLAGS = frozenset({"-y", "--yes", "--assume-yes", "-qq", "-qy", "-yq", "-yqq", "-qqy", "--force-yes"})
