"""Where this computer keeps what is a person's own: settings, and what a sign-in has given."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath

CONFIG = "NEUROCAAS_CONFIG_FILE"
"""A variable: the file of settings, instead of the platform's place."""

STATE = "NEUROCAAS_STATE_FOLDER"
"""A variable: the folder of what is remembered."""

_NAME = "neurocaas"


def config_file(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """`config.toml`: on Linux in ~/.config/neurocaas, on macOS in ~/Library/Application Support/neurocaas, on
    Windows in %APPDATA%\\neurocaas."""
    environ = os.environ if environ is None else environ
    if given := environ.get(CONFIG):
        return Path(given).expanduser()
    folder = _folder(
        environ, platform, "APPDATA", "Library/Application Support", "XDG_CONFIG_HOME", ".config"
    )
    return folder / _NAME / "config.toml"


def cache_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """For what is secret and can be had again by signing in."""
    environ = os.environ if environ is None else environ
    return _folder(environ, platform, "LOCALAPPDATA", "Library/Caches", "XDG_CACHE_HOME", ".cache") / _NAME


def state_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """For what is remembered, and can be done without: jobs that were submitted from here, uploads and sweeps
    that were begun."""
    environ = os.environ if environ is None else environ
    if given := environ.get(STATE):
        return Path(given)
    mac = "Library/Application Support"
    return _folder(environ, platform, "LOCALAPPDATA", mac, "XDG_STATE_HOME", ".local/state") / _NAME


def _folder(environ: Mapping[str, str], platform: str, windows: str, mac: str, xdg: str, other: str) -> Path:
    variable, below = (
        (windows, "") if platform == "win32" else ("", mac) if platform == "darwin" else (xdg, other)
    )
    given = environ.get(variable, "") if variable else ""
    if given and PurePath(given).is_absolute():  # as the XDG specification wants
        return Path(given)
    return Path.home() / (below or "AppData")


def write_private(path: Path, text: str) -> None:
    """Write a whole file that only its owner can read (mode 0600, from its first moment on). Another process
    sees the old content or the new."""
    import tempfile

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
