"""`invoke portal`: the page, on this computer, with a session of the shell's person."""

import sys
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task


@task(
    help={
        "group": "The group to work for. Default: the profile's.",
        "port": "Port on 127.0.0.1; 0 for a free one.",
        "no-open": "Print the address, and open no browser.",
    }
)
def portal(c: Context, group: str = "", port: int = 8717, no_open: bool = False) -> None:
    """Serve the page for people without a terminal on 127.0.0.1, and open it.

    It is static files and the shell's person's own short-lived credentials of the group: it can do what that
    person may. The address that is opened works once; the page then renews its session by itself for as long
    as this command runs. Ctrl-C ends it.
    """
    import webbrowser

    from portal_host.build import built
    from portal_host.handover import session_of
    from portal_host.headers import headers
    from portal_host.serve import PortalServer

    held = session_of(group)
    site = built()
    with _listening(PortalServer, site, held, headers(held.connections), port) as server:
        address = server.address
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        sys.stderr.write(f"the page for {held.about['person']} of {held.about['group']}; Ctrl-C ends it\n")
        if not no_open:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stderr.write("\n")


def _listening(make: Any, site: Any, held: Any, sent: Any, port: int) -> Any:
    from console.errors import UserError

    try:
        return make(site, held.config, held.about, held.fetch, sent, port)
    except OSError as error:
        got, allowed = f"port {port}: {error.strerror}", "a port of 127.0.0.1 that is free"
        raise UserError(got, allowed, "type `invoke portal --port 0`") from error


collection = Collection(portal)
