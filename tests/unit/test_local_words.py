"""The local cloud's messages name commands of this project, and its cache is the one that machines have."""

from __future__ import annotations

import tasks
from localcloud.commands import collection
from localcloud.project import Project, project

WORDS = Project(
    cache="neurocaas",
    command="invoke local.",
    setup="make setup",
    bake="invoke bake-ami",
    parent="image.parent of the blueprint",
)


def test_they_are_the_words_of_this_project() -> None:
    assert project() == WORDS


def test_the_commands_are_there() -> None:
    known = set(tasks.namespace.task_names)
    own = set(collection(list).task_names)
    assert own
    assert {WORDS.says(name).removeprefix("invoke ") for name in own} <= known
    assert WORDS.bake.removeprefix("invoke ") in known
