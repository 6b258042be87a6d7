"""Machine images that outlive their stack: which there are, what they cost, who still needs one, and how they
end.

An image is no resource of a stack, and the lifecycle policy that would retire old ones goes with it. They are
found by the tag `neurocaas:stack`, so also after the stack is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from neurocaas.protocol.problems import InvalidInput


class ImagesLeft:
    """Those of `stack`, in the account and region of the clients that `make(service)` gives."""

    def __init__(self, engine: Any, stack: str, make: Callable[[str], Any]) -> None:
        self.engine, self.stack, self.make = engine, stack, make

    @cached_property
    def all(self) -> list[Any]:
        from account.images import kept

        return kept(self.stack, self.make("ec2"))

    @cached_property
    def used(self) -> Mapping[str, str]:
        """Image id -> another stack whose machines start from it, as after `invoke promote`."""
        others = [
            str(one["name"])
            for one in self.engine.stacks()
            if one["name"] != self.stack and one.get("resourceCount")
        ]
        return (
            {str(self.engine.outputs_if_any(name).get("image_id")): name for name in others}
            if self.all
            else {}
        )

    @property
    def retirable(self) -> list[Any]:
        return [image for image in self.all if image.image_id not in self.used]

    def told(self) -> str:
        """Every image, a line each, with what it costs; "" when there is none."""
        if not self.all:
            return ""
        lines = [f"  {image.text()}{self._user(image.image_id)}" for image in self.all]
        return "\n".join(
            [
                f"images of {self.stack}, which are not part of it and stay, in all at most "
                f"${_cost(self.all)} a month:",
                *lines,
            ]
        )

    def _user(self, image_id: str) -> str:
        return f", used by {self.used[image_id]}" if image_id in self.used else ""

    def remain(self) -> str:
        """What goes on costing money, and how to end it."""
        count = len(self.retirable)
        images = (
            "1 image and its snapshots remain" if count == 1 else f"{count} images and their snapshots remain"
        )
        return (
            f"{images}, at most ${_cost(self.retirable)} a month. To retire them: invoke destroy "
            f"{self.stack} --retire-images"
        )

    def retire(self, say: Callable[[str], None]) -> None:
        """Deregister those that no other stack needs, delete their snapshots, and take them out of
        blueprints.
        """
        import blueprints
        from account.images import remove

        account = self.make("sts").get_caller_identity()["Account"] if self.retirable else ""
        region = str(self.make("ec2").meta.region_name)
        for image in self.retirable:
            for line in remove(image.image_id, image.build_arn, self.make):
                say(line)
            # the analysis may have another name by now
            for name in (blueprints.BASE, *blueprints.names(self.engine.root)):
                with suppress(InvalidInput):  # one that cannot be read: its own commands say so
                    if blueprints.forget_image(self.engine.root, name, account, region, image.image_id):
                        say(f"{image.image_id} is taken out of blueprints/{name}/; commit that")
        for image_id, stack in self.used.items():
            if any(image.image_id == image_id for image in self.all):
                say(f"{image_id} stays: {stack} starts machines from it")


def _cost(images: list[Any]) -> str:
    return f"{sum(image.usd_per_month for image in images):.2f}"
