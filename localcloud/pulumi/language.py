"""A Python language host for a Pulumi CLI that comes without one: `python -m localcloud.pulumi.language ...
ENGINE_ADDRESS`.

The engine starts it as `pulumi-language-python`, reads a port from the first line of its standard output, and
asks it over gRPC to run the program. The official release carries such a host (a Go program that starts a
Python process); the CLI built from its Go module does not. This one is the SDK's own host for inline
programs, `pulumi.automation`'s LanguageServer, taught to run a folder's program.

It must be started with the Python of the program's virtual environment. The engine starts one host for a
preview and another for the update, so a program runs in the host's own process and still finds fresh modules;
a second run in the same process is refused.
"""

from __future__ import annotations

import importlib.metadata
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
import pulumi
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from localcloud.project import project
from localcloud.pulumi import plugins

MAX_MESSAGE_BYTES = 400 << 20
"""The engine's own limit (sdk/go/common/util/rpcutil)."""
STOP_SECONDS = 1.0


class Host(LanguageServer):
    """The services of a language runtime that the engine calls for a program."""

    def __init__(self, engine_address: str, kit_root: Path) -> None:
        super().__init__(lambda: None)
        self._engine_address = engine_address
        self._kit_root = kit_root
        self._used = threading.Lock()

    def Handshake(self, request: Any, context: Any) -> Any:
        self._engine_address = request.engine_address or self._engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """What is installed in the program's environment (`pulumi about` shows it)."""
        found = sorted((dist.metadata["Name"], dist.version) for dist in importlib.metadata.distributions())
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in found]
        )

    def InstallDependencies(self, request: Any, context: Any) -> Any:
        """`pulumi install`: this environment is made by set-up, so there is one line to say and nothing to
        do.
        """
        text = (
            f"The environment of this program is {sys.prefix}; `{project().setup}` keeps it in step with "
            "requirements/.\n"
        )
        yield language_pb2.InstallDependenciesResponse(stdout=text.encode())

    def RunPlugin(self, request: Any, context: Any) -> Any:
        return plugins.run(request, context)

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program. Its mistakes have been reported to the engine when this returns, so the engine is
        told to add nothing.
        """
        if not request.args:
            request.args.append(self._engine_address)  # the SDK's host takes the engine's address from there
        if not self._used.acquire(blocking=False):
            return language_pb2.RunResponse(
                error="this language host runs one program, once; the engine must start another one"
            )
        self.program = _program(request, self._kit_root)
        response = super().Run(request, context)  # type: ignore[no-untyped-call]  # the SDK's host carries no types
        return language_pb2.RunResponse(bail=True) if response.error else response


def _program(request: Any, kit_root: Path) -> Callable[[], None]:
    """The program of a request as the function that the SDK's host calls on the event loop of the run."""
    folder = Path(request.info.program_directory or request.pwd)
    entry = folder / (request.info.entry_point or ".")
    main = entry / "__main__.py" if entry.is_dir() else entry

    def run() -> None:
        if not main.is_file():
            raise pulumi.RunError(
                f"got the entry point {main}, which does not exist; allowed is a Python file, or a folder "
                "with a __main__.py; "
                "correct `main` in Pulumi.yaml"
            )
        os.chdir(request.pwd or folder)
        # As `python <folder>` does it: the program's folder first, and nothing of this kit's own way in.
        sys.path[:] = [
            str(main.parent),
            *(path for path in sys.path if path not in ("", str(kit_root), str(main.parent))),
        ]
        sys.argv = [str(main)]
        try:
            runpy.run_path(str(main), run_name="__main__")
        except (pulumi.RunError, grpc.RpcError):
            raise
        except SystemExit as error:
            if error.code not in (None, 0):
                raise pulumi.RunError(f"the program ended itself with {error.code!r}") from error
        except Exception as error:
            raise pulumi.RunError(_trace(error, main)) from error

    return run


def _trace(error: Exception, main: Path) -> str:
    """The traceback from the program's first line on: the frames before it are ours and say nothing to its
    author.
    """
    frames = error.__traceback__
    while frames is not None and Path(frames.tb_frame.f_code.co_filename) != main:
        frames = frames.tb_next
    return "Program failed with an unhandled exception:\n" + "".join(
        traceback.format_exception(error.with_traceback(frames))
    )


def _kit_root() -> Path:
    """The folder that holds the `localcloud` package."""
    return Path(__file__).resolve().parent.parent.parent


def serve(engine_address: str) -> int:
    """Serve until SIGINT or SIGTERM, with which the engine ends its plugins. The port is the first line on
    standard output.
    """
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    limits = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(engine_address, _kit_root()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stopped.wait()
    server.stop(STOP_SECONDS).wait()
    return 0


def main(arguments: list[str]) -> int:
    """Entry point. The engine's address is the last argument that is not an option (`-root=…` and the like
    come before it).
    """
    positional = [argument for argument in arguments if not argument.startswith("-")]
    if not positional:
        sys.stderr.write(
            "got no engine address; this program is started by the Pulumi CLI as "
            "pulumi-language-python ENGINE_ADDRESS\n"
        )
        return 2
    return serve(positional[-1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
