"""What every part of a developer's console needs: clients, outputs of stacks, the state file, and what is
there now.
"""

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

import blueprints
from blueprints.model import FILE
from image_builder.commands import stack_outputs
from image_builder.dev import access, machine
from image_builder.dev.errors import DevelopmentError
from image_builder.dev.state import DevelopmentState, state_file

NOTHING = "No state change."
NO_INSTANCE = "No instance declared"

Outputs = Callable[[str], Mapping[str, Any]]


class Console:
    """A developer at one blueprint. See `NeuroCaaSAMI` for the arguments."""

    def __init__(
        self,
        path: str | Path,
        stage: str = "webdev",
        *,
        session: Any = None,
        outputs: Outputs | None = None,
        say: Callable[[str], object] | None = None,
    ) -> None:
        folder = Path(path).expanduser().resolve()
        self.root, self.analysis, self.stage = folder.parent.parent, folder.name, stage
        if folder.parent.name != "blueprints" or not (folder / FILE).is_file():
            raise DevelopmentError(
                f"{path}, which is no blueprint",
                f"a folder blueprints/<name> with a {FILE}",
                "correct the path, or make one: `invoke configure NAME`",
            )
        self.blueprint = blueprints.load(self.analysis, stage, self.root)
        self._session: Any = session or boto3.Session()
        self._read_outputs = outputs or self._by_pulumi
        self._say = say or (lambda text: sys.stdout.write(text + "\n"))
        self._known_outputs: dict[str, Mapping[str, Any]] = {}

    @property
    def ip(self) -> str | None:
        """The address of the running instance, as EC2 knows it now; None when none runs. A new console needs
        no other call for it.
        """
        found = self._found()
        return machine.address(found) if found is not None and found["State"]["Name"] == "running" else None

    @property
    def instance(self) -> str | None:
        """Id of the current development instance."""
        return self._state.instance

    @property
    def instance_hist(self) -> list[str]:
        """Ids of the development instances before it, oldest first."""
        return list(self._state.instance_hist)

    @property
    def instance_saved(self) -> bool:
        """Whether an image has all of the work: nothing was done on the instance since the last one, as far
        as is known.
        """
        return self._state.saved

    @property
    def ami_hist(self) -> list[dict[str, Any]]:
        """The images made here, oldest first: `ami_hist[-1]["ImageId"]` is the last one."""
        return list(self._state.ami_hist)

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The test jobs submitted, oldest first."""
        return list(self._state.commands)

    def refresh(self) -> bool:
        """Whether there is an instance that has not ended, by asking EC2."""
        found = self._found()
        return found is not None and found["State"]["Name"] != "terminated"

    def touched(self) -> None:
        """Somebody works on the instance: what was saved of it before is not the whole any more."""
        self._state.saved = False
        self._keep()

    def get_instance_state(self) -> dict[str, Any]:
        """EC2's state of the instance ({"Code", "Name"}), its id and its address; an empty dictionary without
        one.
        """
        found = self._found()
        if found is None:
            self._say(f"{NO_INSTANCE}.")
            return {}
        return {"InstanceId": self.instance, "ip": machine.address(found), **found["State"]}

    def check_running(self) -> bool:
        """Whether the instance runs; prints which it is."""
        found = self._found()
        if found is None:
            self._say(f"{NO_INSTANCE}.")
            return False
        self._say(f"Instance {self.instance} is {found['State']['Name']}.")
        return bool(found["State"]["Name"] == "running")

    def check_clear(self) -> bool:
        """Whether another instance may be launched; prints why. A stopped one counts: its disk is work that
        could be lost.
        """
        found = self._found()
        if found is None:
            self._say(f"{NO_INSTANCE}, safe to deploy.")
            return True
        name = found["State"]["Name"]
        clear = name in ("terminated", "shutting-down")
        self._say(f"Instance {self.instance} is {name}, {'safe' if clear else 'not safe'} to deploy.")
        return clear

    def open_ssh(self, address: str | None = None) -> str:
        """Let this computer (or a range such as 192.0.2.7/32) reach port 22 of development instances until
        `close_ssh`, stop or terminate; the range. `invoke ssh` does this by itself."""
        chosen = address or access.own_address()
        access.open_port(self._read_outputs("utils")["developer_security_group_id"], chosen, self._ec2)
        if chosen not in self._state.opened:
            self._state.opened.append(chosen)
            self._keep()
        self._say(f"port 22 is open to {chosen}")
        return chosen

    def close_ssh(self) -> None:
        """Close what `open_ssh` has opened."""
        while self._state.opened:
            access.close_port(
                self._read_outputs("utils")["developer_security_group_id"], self._state.opened[-1], self._ec2
            )
            self._say(f"port 22 is closed to {self._state.opened.pop()}")
            self._keep()

    @cached_property
    def _identity(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._client("sts").get_caller_identity()
        return found

    @property
    def _owner(self) -> str:
        return self._identity["Arn"]

    @property
    def _account(self) -> str:
        return self._identity["Account"]

    @property
    def _region(self) -> str:
        return str(self._ec2.meta.region_name)

    @cached_property
    def _ec2(self) -> Any:
        return self._client("ec2")

    def _client(self, service: str) -> Any:
        return self._session.client(service)

    @cached_property
    def _path(self) -> Path:
        return state_file(
            self.analysis, self._account, self._region, self._owner, str(self._ec2.meta.endpoint_url)
        )

    @cached_property
    def _state(self) -> DevelopmentState:
        return DevelopmentState.load(self._path)

    def _keep(self) -> None:
        self._state.save(self._path)

    def _by_pulumi(self, stack: str) -> Mapping[str, Any]:
        if stack not in self._known_outputs:
            self._known_outputs[stack] = stack_outputs(self.root, stack)
        return self._known_outputs[stack]

    def _found(self) -> dict[str, Any] | None:
        """The current instance as EC2 describes it; one of this developer that the state file does not know
        is taken up.
        """
        found = machine.describe(self._state.instance, self._ec2) if self._state.instance else None
        if found is None:
            known = machine.find(self.analysis, self._owner, self._ec2)
            if known != self._state.instance:
                self._state.instance, self._state.saved, self._state.opened = known, False, []
                self._keep()
            found = machine.describe(known, self._ec2) if known else None
        return found

    def _take(self, instance_id: str) -> None:
        """Make an instance the current one."""
        if self._state.instance and self._state.instance != instance_id:
            self._state.instance_hist.append(self._state.instance)
        self._state.instance, self._state.saved = instance_id, False
        self._keep()

    def _reached(self) -> None:
        self._say(f"instance running at {self.ip}")

    def _told(self, text: str) -> str:
        self._say(text)
        return text

    def _nothing(self) -> str:
        return self._told(f"{NO_INSTANCE}. {NOTHING}")

    def _no_instance(self) -> DevelopmentError:
        return DevelopmentError(
            "no running development instance",
            "one that runs",
            f"launch_devinstance() or start_devinstance(); {NO_INSTANCE.lower()} or it is off",
        )

    def _confirmed(self) -> bool:
        if not sys.stdin.isatty():
            return False
        return (
            input(
                f"The work on {self.instance} was not saved as an image. Type 'yes' to end it all the same: "
            ).strip()
            == "yes"
        )


def positive(value: Any, name: str) -> None:
    """Raise DevelopmentError unless `value` is a whole number of minutes that a tag can mean."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 525_600:
        raise DevelopmentError(
            f"{name}={value!r}: {name} must be a positive integer.",
            "minutes, 1 to 525600 (a year)",
            f"for instance {name}=60",
        )


def text(value: Any, name: str, allowed: str) -> str:
    """Raise DevelopmentError unless `value` is a text."""
    if not isinstance(value, str):
        raise DevelopmentError(f"{name}={value!r}", allowed, "give it as a text, in quotes")
    return value


def minutes(span: timedelta) -> str:
    """`61 minutes and 5 seconds`."""
    whole = int(span.total_seconds())
    return f"{whole // 60} minutes and {whole % 60} seconds"
