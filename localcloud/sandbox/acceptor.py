"""One thread that accepts connections for all listening sockets of all machines; each connection gets a
thread of its own.
"""

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable

Handler = Callable[[socket.socket], None]


class Acceptor:
    """Accepts until closed. Sockets can be added and removed from any thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._removed: list[socket.socket] = []
        self._closed = False
        threading.Thread(target=self._run, name="acceptor", daemon=True).start()

    def add(self, listener: socket.socket, handler: Handler) -> None:
        """Serve ``listener`` with ``handler``, which owns each connection and closes it."""
        listener.setblocking(False)
        with self._lock:
            self._selector.register(listener, selectors.EVENT_READ, handler)
        self._wake()

    def remove(self, listener: socket.socket) -> None:
        """Stop serving ``listener`` and close it."""
        with self._lock, contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(listener)
        listener.close()
        self._wake()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select():
                if key.data is None:
                    with contextlib.suppress(OSError):
                        os.read(self._wake_read, 4096)
                    continue
                with contextlib.suppress(OSError, ValueError):
                    connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                    connection.setblocking(True)
                    threading.Thread(target=self._serve, args=(key.data, connection), daemon=True).start()

    @staticmethod
    def _serve(handler: Handler, connection: socket.socket) -> None:
        try:
            handler(connection)
        except (OSError, ValueError):
            pass  # the other side went away, or the machine did
        finally:
            connection.close()
