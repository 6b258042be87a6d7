"""The keys of a local cloud: made with its state, kept as long as it, and deleted with it.

Shells that have the cloud's environment, machines and the fleet go on with them after a stop, a kill, a
restart.
"""

from __future__ import annotations

import json
import os
import secrets

from localcloud.paths import Paths
from localcloud.project import project
from localcloud.running import CloudError

NAMES = ("access_key_id", "secret_access_key", "admin_token")


def keys(paths: Paths) -> dict[str, str]:
    """``access_key_id`` and ``secret_access_key`` of the root user, and the ``admin_token``; made when there
    are none.

    Raises:
        CloudError: their file is damaged.
    """
    file = paths.keys_file
    try:
        kept = json.loads(file.read_text())
        if isinstance(kept, dict) and all(isinstance(kept.get(name), str) and kept[name] for name in NAMES):
            return {name: kept[name] for name in NAMES}
    except FileNotFoundError:
        return _make(paths)
    except ValueError:
        pass
    raise CloudError(
        f"{file} does not hold the keys of the local cloud. A JSON object with {', '.join(NAMES)} is needed. "
        f"Delete it to have new ones made (shells then need `{project().says('env')}` again): rm {file}"
    )


def _make(paths: Paths) -> dict[str, str]:
    made = {
        "access_key_id": "AKIA"
        + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16)),
        "secret_access_key": secrets.token_urlsafe(30),
        "admin_token": secrets.token_urlsafe(30),
    }
    temporary = paths.keys_file.with_name(paths.keys_file.name + ".tmp")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(made, out)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(paths.keys_file)
    return made
