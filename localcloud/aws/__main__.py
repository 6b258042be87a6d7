"""``python -m localcloud.aws``: the emulator process. Started by ``localcloud.cloud.up``."""

from __future__ import annotations

import asyncio
import importlib.metadata
import shutil
import sys

from localcloud.aws import recovery
from localcloud.aws import settings as settings_module
from localcloud.project import project


def main() -> int:
    """Run until SIGTERM. Exit code 2: refused settings, or a damaged state."""
    try:
        settings = settings_module.read()
        settings_module.check_state(settings.paths)
        recovery.recover(settings.paths, settings.port)
    except (settings_module.SettingsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    shutil.rmtree(settings.paths.emulator_tmp, ignore_errors=True)  # Lambda folders of earlier runs
    settings_module.apply(settings)
    installed = importlib.metadata.version("ministack")
    if installed != settings_module.MINISTACK:
        sys.stderr.write(
            f"MiniStack {installed} is installed. The plugins work with "
            f"{settings_module.MINISTACK} only. Run `{project().setup}`.\n"
        )
        return 2
    from localcloud.aws.launcher import launch  # imports MiniStack, which reads the environment at import

    asyncio.run(launch(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
