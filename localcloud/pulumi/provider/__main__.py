"""Start as the Pulumi engine starts a provider: print the port on the first line, serve until SIGINT or
SIGTERM.

Arguments: options of the engine (`--logtostderr`, `-v=N`, `--tracing URL`) and the engine's address,
which is not needed here. Exit codes: 0 stopped, 1 refused to start (the reason is on stderr).
"""

from __future__ import annotations

import signal
import sys
import threading
from importlib.metadata import PackageNotFoundError, version

from localcloud.project import project
from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.errors import ProviderError


def main() -> int:
    """Run the provider."""
    # the engine reads the port from stdout: no stray line may come before it
    channel, sys.stdout = sys.stdout, sys.stderr
    try:
        session = Session()
        sdk_version = _sdk_version()
    except ProviderError as error:
        sys.stderr.write(f"pulumi-resource-aws (local): {error}\n")
        # the engine shows what came instead of a port, if no line end follows, and drops stderr
        if not channel.isatty():
            channel.write(" ".join(str(error).split()))
            channel.flush()
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    from localcloud.pulumi.provider.server import serve  # after the checks: a refusal should be instant

    def announce(port: int) -> None:
        channel.write(f"{port}\n")
        channel.flush()

    serve(session, sdk_version, stop, announce)
    return 0


def _sdk_version() -> str:
    try:
        return version("pulumi_aws")
    except PackageNotFoundError as error:
        raise ProviderError(
            "the package pulumi-aws is not installed in this Python.\n"
            "The local AWS provider answers with its version and knows its arguments.\n"
            f"Start it from the project's virtual environment ({project().setup})."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
