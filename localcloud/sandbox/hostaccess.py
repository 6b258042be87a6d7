"""What a bake borrows from the host: the way to package registries. Nothing of it stays in the image.

Passed on are the proxy, certificate and pip settings of the environment the local cloud was started in, pip's
and apt's configuration files, and the files that they name (bound read-only at the same place). Credentials
of AWS and everything else of the environment are not.
"""

import configparser
import contextlib
import os
import pwd
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.sandbox.base import within

_NAMES = re.compile(
    r"^(https?_proxy|no_proxy|all_proxy|ftp_proxy|SSL_CERT_FILE|SSL_CERT_DIR|[A-Z]+_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GIT_SSL_CAINFO|CONDA_SSL_VERIFY"
    r"|PIP_(INDEX_URL|EXTRA_INDEX_URL|NO_INDEX|FIND_LINKS|CERT|CLIENT_CERT|TRUSTED_HOST|PROXY|TIMEOUT|DEFAULT_TIMEOUT|RETRIES|CONFIG_FILE|DISABLE_PIP_VERSION_CHECK"
    r"|ONLY_BINARY|PREFER_BINARY|CONSTRAINT)|UV_(INDEX_URL|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NATIVE_TLS))$",
    re.IGNORECASE,
)
_IN_EVERY_ROOT = ("/usr/", "/etc/ssl/", "/etc/pki/", "/etc/ca-certificates/")
_CONFIG_KEYS = ("cert", "client-cert", "find-links", "constraint")


@dataclass(frozen=True)
class HostAccess:
    """``environment`` to pass, and ``binds``: pairs (path on the host, path in the root)."""

    environment: dict[str, str]
    binds: tuple[tuple[str, str], ...]


_SETTINGS = ("LOCALCLOUD_MAX_INSTANCES", "LOCALCLOUD_BAKE_ON_HOST", "LOCALCLOUD_SANDBOX", "LOCALCLOUD_LAYERS")


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that the fleet needs: the way to package registries, and its own
    settings.
    """
    return {name: value for name, value in environment.items() if _NAMES.match(name) or name in _SETTINGS}


def _paths(text: str) -> Iterable[str]:
    for word in text.replace("file://", "").split():
        if word.startswith("/") and os.path.exists(word) and not (word + "/").startswith(_IN_EVERY_ROOT):
            yield os.path.normpath(word)


def collect(environment: Mapping[str, str]) -> HostAccess:
    """Find the settings in ``environment`` and in the configuration files of this host."""
    passed = {name: value for name, value in environment.items() if _NAMES.match(name)}
    binds: dict[str, str] = {}
    for value in passed.values():
        binds.update({path: path for path in _paths(value)})
    home = _home()
    configs = [
        Path("/etc/pip.conf"),
        Path("/etc/xdg/pip/pip.conf"),
        home / ".config/pip/pip.conf",
        home / ".pip/pip.conf",
    ]
    if passed.get("PIP_CONFIG_FILE"):
        configs.append(Path(passed["PIP_CONFIG_FILE"]))
    for config in configs:
        if not config.is_file() or not os.access(config, os.R_OK):
            continue
        if config.is_relative_to(home):
            # scripts run as root with HOME=/root
            binds[str(config)] = "/root/" + str(config.relative_to(home))
        else:
            binds[str(config)] = str(config)
        parser = configparser.RawConfigParser(strict=False)
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read(config)
        for section in parser.sections():
            for key in _CONFIG_KEYS:
                binds.update({path: path for path in _paths(parser.get(section, key, fallback=""))})
    for name in ("/etc/resolv.conf", "/etc/hosts"):
        if os.path.exists(name):
            binds[os.path.realpath(name)] = name
    for name in ("/etc/apt/auth.conf", "/etc/apt/auth.conf.d"):
        if os.access(name, os.R_OK) and (os.path.isfile(name) or os.listdir(name)):
            binds.setdefault(name, name)
    return HostAccess(passed, tuple((source, target) for source, target in binds.items()))


def _home() -> Path:
    """The user's, by the system's list of users: $HOME is set to a folder of the local cloud. A container's
    user may be in no list.
    """
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/nonexistent")


def remove_mount_points(upper: Path, binds: Iterable[tuple[str, str]]) -> None:
    """Remove the empty files and folders that binding left in an upper directory."""
    for _, target in binds:
        place = within(upper, target.lstrip("/"))
        if place is None:
            continue
        with contextlib.suppress(OSError):
            if place.is_file() and place.stat().st_size == 0:
                place.unlink()
            else:
                place.rmdir()
        for parent in place.parents:
            if parent == upper:
                break
            try:
                parent.rmdir()
            except OSError:
                break
