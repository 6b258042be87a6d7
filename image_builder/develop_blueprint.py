"""`NeuroCaaSAMI`: develop and test the machine image of a blueprint (guide, "Building a machine image").

>>> from develop_blueprint import NeuroCaaSAMI          # in the folder image_builder/, or with it on the path
>>> devami = NeuroCaaSAMI("../blueprints/my-analysis")
>>> devami.launch_devinstance(ami="ubuntu24", timeout=60)

Credentials and region are those of the shell (for the local cloud: `eval "$(invoke local.env)"`). The same as
tasks: `invoke dev.*`.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

# imported as the guide does: the project's folder is not on the path then
if __name__ == "develop_blueprint":
    sys.path.append(str(Path(__file__).resolve().parent.parent))

import blueprints
from image_builder.dev import amis, machine, record, testing
from image_builder.dev.console import NOTHING, Console, minutes, positive, text
from image_builder.dev.errors import DevelopmentError
from neurocaas.protocol import tags
from neurocaas.protocol.development import IDLE_MINUTES, TAG
from neurocaas.protocol.owner import expect_owner

BETTER = (
    "A snapshot records no steps: nobody can see what is in it, or make it again. To be preferred is a "
    "recording in provision/, "
    "baked with `invoke bake-ami`. This image is marked as unrecorded."
)
UNRECORDED = "neurocaas:recorded"
"""Tag (value `false`) on images that were made from a machine's disk."""


class NeuroCaaSAMI(Console):
    """The machine image of one blueprint, and the one development instance that a developer may have for it.

    `path` is the blueprint's folder. `stage`: of the stack that test jobs use. `session`, `outputs` (the
    outputs of a stack by its name) and `say` (where messages go) are for programs. What is known of the
    instance is kept in a file, so a console may be closed.
    """

    # --- the instance: launching and finding it
    # ------------------------------------------------------------------------------------

    def launch_devinstance(
        self,
        ami: str | None = None,
        volume_size: int | None = None,
        timeout: int = 60,
        DryRun: bool = False,  # noqa: N803  (the guide's name)
    ) -> str | None:
        """Start a development instance, print its address and return its id.

        `ami`: an id, a code (ubuntu22 ubuntu24 dlami22 dlami24), or None for the blueprint's image.
        `volume_size`: GiB of its disk.
        `timeout`: minutes after which it is stopped. Refused while there is another one of this developer and
        analysis.
        """
        positive(timeout, "timeout")
        if volume_size is not None and (
            isinstance(volume_size, bool) or not isinstance(volume_size, int) or not 8 <= volume_size <= 16384
        ):
            raise DevelopmentError(
                f"volume_size={volume_size!r}", "8 to 16384 (GiB)", "correct it, or leave it out"
            )
        if not self.check_clear():
            raise DevelopmentError(
                f"another development instance: {self.instance}",
                "one for each developer and analysis",
                "use it (start_devinstance), or end it first: terminate_devinstance()",
            )
        image_id, why = amis.resolve(ami, self.blueprint, self._account, self._region, self._client("ssm"))
        self._say("checking image is available...")
        image = amis.describe(image_id, self._ec2)
        utils = self._read_outputs("utils")
        wanted = machine.WantedMachine(
            blueprint=self.blueprint,
            image=image,
            volume_gib=volume_size or self.blueprint.instance.volume_gib,
            timeout_minutes=timeout,
            owner=self._owner,
            key_name=utils["key_pair_name"],
            instance_profile=utils["developer_instance_profile"],
            security_group=utils["developer_security_group_id"],
            subnets=tuple(subnet["id"] for subnet in utils.get("subnets") or ()),
        )
        instance = machine.launch(wanted, self._ec2, dry_run=DryRun)
        if instance is None:
            self._say(f"Dry run: {self.blueprint.instance.type} from {why} would be launched.")
            return None
        self._take(instance)
        self._say(f"image {why}")
        self._say("Instance starting up: please wait")
        machine.wait(instance, "running", self._ec2)
        self._say(f"Instance {instance} is running")
        self._reached()
        self._say(
            f"It is stopped after {timeout} minutes, or when nothing happens on it for {IDLE_MINUTES}. "
            f"A shell on it: `invoke ssh {self.analysis}`"
        )
        return instance

    def assign_instance(self, instance_id: str) -> None:
        """Work on an instance that exists: another console's, or one that this computer does not know."""
        found = machine.describe(text(instance_id, "instance_id", "the id (i-…) of an instance"), self._ec2)
        if found is None or found["State"]["Name"] in ("shutting-down", "terminated"):
            self._say(f"Instance with id {instance_id} can't be loaded")
            what = "does not exist" if found is None else "has ended"
            raise DevelopmentError(
                f"instance {instance_id!r}, which {what}",
                "the id (i-…) of an instance",
                "`invoke dev.state` shows yours",
            )
        owner, analysis = machine.tag(found, tags.OWNER), machine.tag(found, tags.ANALYSIS)
        if machine.tag(found, TAG) is None or analysis != self.analysis or owner != self._owner:
            raise DevelopmentError(
                f"instance {instance_id} of analysis {analysis!r}, owner {owner!r}",
                f"a development instance of {self.analysis!r} that is yours ({self._owner})",
                "choose your own, or let its owner hand it over: change_owner(ARN)",
            )
        if self.instance != instance_id:
            self._take(instance_id)

    # --- its life
    # --------------------------------------------------------------------------------------------------------

    def get_lifetime(self) -> str:
        """How long the instance has been on, and how long it will be."""
        found = self._found()
        if found is None:
            return self._nothing()
        state = found["State"]["Name"]
        if state != "running":
            over = state in ("shutting-down", "terminated")
            return self._told(
                f"Instance {self.instance} is "
                f"{state}{'' if over else ': its timeout begins when it is started'}."
            )
        times = machine.lifetime(found)
        if times is None:
            return self._told("Timeout not given; not a valid development instance.")
        on, left = times
        rest = (
            f"Will be stopped in {minutes(left)}"
            if left > timedelta()
            else "Will be stopped with the next sweep, its time is over"
        )
        return self._told(f"Instance has been on for {minutes(on)}. {rest} with the current timeout.")

    def extend_lifetime(self, additional_time: int, DryRun: bool = False) -> Any:  # noqa: N803
        """Add minutes to the timeout; EC2's answer."""
        positive(additional_time, "additional_time")
        found = self._found()
        if found is None:
            return self._nothing()
        given = machine.tag(found, tags.TIMEOUT)
        if given is None or not given.isdigit():
            return self._told("Timeout not given; not a valid development instance.")
        total = int(given) + additional_time
        answer = machine.set_tag(found, tags.TIMEOUT, str(total), self._ec2, dry_run=DryRun)
        self._told(("Dry run: " if DryRun else "") + f"The timeout is {total} minutes.")
        return answer

    def change_owner(self, owner: str, DryRun: bool = True) -> Any:  # noqa: N803
        """Hand the instance over to another ARN (tag OwnerArn); EC2's answer. A dry run unless
        `DryRun=False`.
        """
        found = self._found()
        if found is None:
            return self._nothing()
        if not isinstance(owner, str) or not owner.startswith("arn:"):
            raise DevelopmentError(f"owner={owner!r}", "the ARN of a user or role", "correct it")
        answer = machine.set_tag(found, tags.OWNER, owner, self._ec2, dry_run=DryRun)
        self._told(("Dry run: " if DryRun else "") + f"The owner of {self.instance} is {owner}.")
        return answer

    def start_devinstance(self, timeout: int = 60) -> str:
        """Start the stopped instance with a new timeout (minutes), set `ip`."""
        positive(timeout, "timeout")
        found = self._found()
        if found is None:
            return self._nothing()
        if found["State"]["Name"] != "stopped":
            return self._told(
                f"Instance {self.instance} is {found['State']['Name']}; only a stopped one "
                f"can be started. {NOTHING}"
            )
        machine.set_tag(found, tags.TIMEOUT, str(timeout), self._ec2)
        self._ec2.start_instances(InstanceIds=[self.instance])
        self._say(f"instance {self.instance} is starting")
        self._state.saved = False
        self._keep()
        self._say("Instance starting: please wait")
        machine.wait(str(self.instance), "running", self._ec2)
        self._reached()
        return self._told("Instance is now in state: running")

    def stop_devinstance(self) -> str:
        """Switch the instance off; its disk stays."""
        found = self._found()
        if found is None:
            return self._nothing()
        if found["State"]["Name"] not in ("pending", "running", "stopping"):
            return self._told(f"Instance {self.instance} is {found['State']['Name']}. {NOTHING}")
        self.close_ssh()
        self._ec2.stop_instances(InstanceIds=[self.instance])
        machine.wait(str(self.instance), "stopped", self._ec2)
        return self._told("Instance is now in state: stopped")

    def terminate_devinstance(self, force: bool = False) -> str:
        """End the instance and its disk. Work that no image has is asked for on a terminal, and otherwise not
        given up without `force`.
        """
        found = self._found()
        if found is None:
            return self._nothing()
        if found["State"]["Name"] == "terminated":
            return self._told(f"Instance {self.instance} is terminated. {NOTHING}")
        if not (force or self._state.saved or self._confirmed()):
            return self._told(
                f"dev history not saved as ami, will not delete (override with force = True)\n{NOTHING}"
            )
        if self._state.saved and self._state.ami_hist and not force:
            self._say("waiting for created image to become available...")
            amis.describe(self._state.ami_hist[-1]["ImageId"], self._ec2)
        self.close_ssh()
        self._ec2.terminate_instances(InstanceIds=[self.instance])
        machine.wait(str(self.instance), "terminated", self._ec2)
        self._state.instance_hist.append(str(self.instance))
        self._state.instance = None
        self._keep()
        return self._told("Instance is now in state: terminated")

    # --- its image
    # --------------------------------------------------------------------------------------------------------

    def create_devami(self, name: str) -> str:
        """Make an image of the instance's disk as it is (the instance restarts), and return its id. Says why
        baking is better.
        """
        found = self._found()
        if found is None:
            raise self._no_instance()
        allowed = "3 to 128 letters, digits and ()[] ./-'@_ (EC2 API reference, CreateImage)"
        if not amis.NAME.fullmatch(text(name, "name", allowed)):
            raise DevelopmentError(f"name={name!r}", allowed, "choose another name")
        self._say(BETTER)
        marks = {
            "Name": name,
            tags.ANALYSIS: self.analysis,
            tags.OWNER: self._owner,
            UNRECORDED: "false",
            "neurocaas:instance": str(self.instance),
        }
        image_id = amis.create(str(self.instance), name, marks, self._ec2)
        self._state.ami_hist.append({"ImageId": image_id, "Name": name, "instance": self.instance})
        self._state.saved = True
        self._keep()
        self._told(f"image {image_id} ({name}) is being made; into the blueprint with update_blueprint()")
        return image_id

    def update_blueprint(
        self, ami_id: str | None = None, message: str | None = None
    ) -> dict[str, str] | None:
        """Write an image (default: the last one made here) into the blueprint, between two git commits; their
        hashes.
        """
        if ami_id is None:
            if not self._state.ami_hist:
                raise DevelopmentError(
                    "no ami_id, and no image was made here",
                    "the id of an image",
                    "update_blueprint('ami-…'), or bake one: `invoke bake-ami`",
                )
            ami_id = str(self._state.ami_hist[-1]["ImageId"])
        amis.describe(text(ami_id, "ami_id", "the id of an image"), self._ec2)
        done = record.update(self.root, self.analysis, self._account, self._region, ami_id, message)
        if done is None:
            self._say("Blueprint already up to date, aborting new commit.")
            return None
        self.blueprint = blueprints.load(self.analysis, self.stage, self.root)
        self._say(f"blueprint before update: {done.before}\nblueprint after update:  {done.after}")
        return {"before": done.before, "after": done.after}

    # --- testing it
    # --------------------------------------------------------------------------------------------------------

    def submit_job(self, submitpath: str | Path) -> dict[str, Any]:
        """Run a submit file on the instance, with the command line that the manager would build; what is
        remembered of the job.
        """
        if not self.check_running():
            raise self._no_instance()
        outputs = self._read_outputs(f"{self.analysis}-{self.stage}")
        own = {str(outputs["bucket"]), str(outputs["settings_bucket"])}
        s3 = expect_owner(self._client("s3"), str(outputs["account"]), ours=own.__contains__)
        job = testing.submit(
            Path(str(submitpath)),
            str(self.instance),
            testing.settings_of(outputs, s3),
            s3,
            self._client("ssm"),
        )
        self._state.commands.append(job)
        self._state.saved = False
        self._keep()
        for command in job["commands"]:
            self._say(f"sending command: {command} to instance {self.instance}")
        self._say(f"job {len(self._state.commands) - 1}; results appear in {job['results']}")
        return job

    def job_status(self, index: int = -1) -> str:
        """SSM's status of a test job: Pending, InProgress, Success, Failed, TimedOut … Raises IndexError for
        a job that is not there.
        """
        entry = testing.entry_at(self._state.commands, index)
        return self._told(str(testing.invocation(entry, self._client("ssm")).get("Status", "Pending")))

    def job_output(self, index: int = -1) -> dict[str, str]:
        """The output of a test job so far as SSM has it (24,000 characters, when it has ended); the whole is
        in its logs folder.
        """
        entry = testing.entry_at(self._state.commands, index)
        found = testing.invocation(entry, self._client("ssm"))
        output = {
            "stdout": str(found.get("StandardOutputContent", "")),
            "stderr": str(found.get("StandardErrorContent", "")),
        }
        if not any(output.values()):
            self._say(f"{entry['results']}logs/ may not be updated yet.")
        self._say(f"stdout:\n{output['stdout']}\nstderr:\n{output['stderr']}")
        return output
