"""groups.yaml: what it says, and that every mistake in it is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints import groups
from neurocaas.protocol.names import GROUP_NAME
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.roles import session_role

BLUEPRINT = """\
schema_version: 1
name: {name}
title: T
script: run.sh
instance: {{type: m5.large}}
image: {{required: false}}
groups: [debuggers]
stages:
  prod: {{bucket: {name}-prod}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("spikes", "waves"):
        folder = tmp_path / "blueprints" / name
        folder.mkdir(parents=True)
        (folder / "blueprint.yaml").write_text(BLUEPRINT.format(name=name))
        (folder / "run.sh").write_text("#!/bin/bash\n")
    return tmp_path


def write(project: Path, text: str) -> Path:
    (project / "groups.yaml").write_text("schema_version: 1\n" + text)
    return project


def problems(project: Path, text: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        groups.load(write(project, text))
    return [problem.text() for problem in caught.value.problems]


def test_without_a_file_there_is_nobody(project: Path) -> None:
    assert groups.load(project) == groups.Directory()


def test_a_file_with_nearly_the_right_name_is_not_nobody(project: Path) -> None:
    (project / "groups.yml").write_text("schema_version: 1\n")
    with pytest.raises(InvalidInput, match=r"Rename groups.yml"):
        groups.load(project)


def test_groups_users_budgets_and_buckets(project: Path) -> None:
    directory = groups.load(
        write(
            project,
            "users: {ann: {access_key: true}, bob: , old: {existing: true}}\n"
            "groups:\n  lab1: {members: [ann], leads: [bob], analyses: {spikes: {budget_usd: 12.5}, waves: "
            "}}\n"
            "  lab10: {members: [ann, old], analyses: {waves: {}}}\n",
        )
    )
    assert (
        directory.users["ann"].access_key,
        directory.users["bob"].access_key,
        directory.users["old"].existing,
    ) == (True, False, True)
    assert directory.groups["lab1"].analyses == {"spikes": 12.5, "waves": None}
    assert directory.using("waves") == ("lab1", "lab10")
    assert directory.using("spikes") == ("lab1",)
    assert directory.memberships("ann") == [("lab1", False), ("lab10", False)]
    assert directory.memberships("bob") == [("lab1", True)]
    assert groups.said_buckets(directory, project) == {
        "spikes": {"", "spikes-prod"},
        "waves": {"", "waves-prod"},
    }


def test_members_may_have_budgets_of_their_own(project: Path) -> None:
    use = "{budget_usd: 50, member_budget_usd: 20, members: {ann: 30}}"
    people = "users: {ann: , bob: , eve: }\n"
    directory = groups.load(
        write(
            project,
            f"{people}groups: {{lab1: {{members: [ann], leads: [bob], analyses: {{spikes: {use}}}}}}}\n",
        )
    )
    assert directory.groups["lab1"].member_budgets == {
        "spikes": groups.MemberBudgets(each=20.0, named={"ann": 30.0})
    }
    said = problems(project, f"{people}groups: {{lab1: {{members: [bob], analyses: {{spikes: {use}}}}}}}\n")
    (line,) = [line for line in said if "members.ann" in line]
    assert "got 'ann'. Allowed: members and leads of the group: bob" in line


def test_every_mistake_is_told_at_once_with_its_line(project: Path) -> None:
    said = problems(
        project,
        "users: {ann: }\n"
        "groups:\n"
        "  lab1: {members: [ann, bbo], leads: [ann], analyses: {spikes: }}\n"
        "  LAB1: {analyses: {spiks: }}\n"
        "  debuggers: {analyses: {waves: }}\n"
        "  logs: {analyses: {waves: }}\n",
    )
    for start in (
        "groups.yaml:4: groups.lab1.members[1]: got 'bbo'. Allowed: the users of this file: ann.",
        "groups.yaml:4: groups.lab1.leads[0]: got ann as lead and as member.",
        "groups.yaml:4: groups.lab1: got lab1, and another that differs in case only.",
        "groups.yaml:5: groups.LAB1.analyses.spiks: got 'spiks'. Allowed: the blueprints there are: spikes, "
        "waves.",
        "groups.yaml:7: groups.logs: got 'logs'.",
    ):
        assert any(line.startswith(start) for line in said), (start, said)
    assert len(said) == 6


def test_a_group_of_a_blueprint_may_stand_here_too(project: Path) -> None:
    groups.load(write(project, "groups:\n  debuggers: {analyses: {waves: }}\n"))
    assert groups.using("waves", project) == ("debuggers",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("users: {'a b': }\n", "groups.yaml:2: users.a b: got 'a b'"),
        ("groups: {lab1: {}}\n", "groups.yaml:2: groups.lab1.analyses: got nothing"),
        ("groups: {lab1: {analyses: {spikes: {budget_usd: -1}}}}\n", "got -1. Allowed: 0 to 1000000000"),
        ("groups: {lab1: {analyses: {spikes: {budget: 1}}}}\n", "the unknown key 'budget'"),
        ("group: {}\n", "the unknown key 'group'"),
        ("federation: {}\n", "federation.provider: got nothing"),
        ("federation: {provider: university}\n", "Allowed: ARN of an IAM identity provider of the account"),
        (
            "federation: {provider: 'arn:aws:iam::111122223333:user/ann'}\n",
            "Allowed: ARN of an IAM identity provider of the account",
        ),
        (
            "federation: {provider: 'arn:aws:iam::111122223333:oidc-provider/login.example.org'}\n",
            "federation.audience: got nothing",
        ),
        (
            "federation: {provider: 'arn:aws:iam::111122223333:saml-provider/u', tag: lead}\n",
            "federation.lead_tag: got 'lead'",
        ),
    ],
)
def test_what_the_schema_refuses(project: Path, text: str, said: str) -> None:
    assert any(said in line for line in problems(project, text)), problems(project, text)


def test_a_user_is_in_no_more_groups_than_iam_allows(project: Path) -> None:
    def text(count: int) -> str:
        return "users: {ann: }\ngroups:\n" + "".join(
            f"  g{i}: {{leads: [ann], analyses: {{spikes: }}}}\n" for i in range(count)
        )

    groups.load(write(project, text(5)))
    assert problems(project, text(6)) == [
        "groups.yaml:2: users.ann: got 12 IAM groups. Allowed: at most 10, IAM's limit. "
        "Take the user out of some groups; leading a group counts twice."
    ]


@given(st.lists(st.from_regex(GROUP_NAME, fullmatch=True), min_size=2, max_size=2, unique_by=str.lower))
def test_session_roles_of_two_groups_differ_and_fit(names: list[str]) -> None:
    one, two = (session_role("ap-northeast-1", name) for name in names)
    assert one.lower() != two.lower()
    assert max(len(one), len(two)) <= 64


def test_mistakes_are_told_in_the_order_of_the_file_and_with_the_nearest_name(project: Path) -> None:
    told = problems(
        project,
        "users:\n  ann:\n  Ann:\ngroups:\n  lab1: {members: [anm], analyses: {wavs: }}\n  logs: {analyses: "
        "{waves: }}\n",
    )
    lines = [int(text.split(":")[1]) for text in told]
    assert lines == sorted(lines)
    assert [text.split(": ")[1] for text in told[:2]] == ["users.ann", "users.Ann"]
    assert any("Did you mean 'ann'?" in text for text in told)
    assert any("Did you mean 'waves'?" in text for text in told)


def test_a_message_names_a_few_of_many_users(project: Path) -> None:
    (told,) = problems(
        project,
        "users:\n" + "".join(f"  u{n}:\n" for n in range(400)) + "groups:\n  lab1: {members: "
        "[zoe], analyses: {waves: }}\n",
    )
    assert "and 388 others" in told
    assert len(told) < 300
