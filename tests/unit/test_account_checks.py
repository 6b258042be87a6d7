"""`invoke doctor --account`: each property of an account that a deploy or a job would meet is said before,
and what could not be asked is never called well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from account.quotas import quota_name, vcpu_quota
from console.account_checks import gate, report
from console.account_checks.list import QUESTIONS
from console.account_checks.model import AccountCheck, CheckVerdict
from tests.unit.account_answers import ACCOUNT, IDENTITY, Said, ask, project
from tests.unit.account_cases import CASES, KEY

ROOT = Path(__file__).resolve().parents[2]


def one(checks: list[AccountCheck]) -> AccountCheck:
    assert len(checks) == 1, checks
    return checks[0]


@pytest.mark.parametrize(
    ("name", "blueprint", "answers", "verdict", "words"),
    CASES,
    ids=[f"{name}-{verdict}-{words[:20]}" for name, _, _, verdict, words in CASES],
)
def test_a_property_of_the_account_is_said(
    tmp_path: Path,
    name: str,
    blueprint: dict[str, Any],
    answers: dict[str, list[Said]],
    verdict: CheckVerdict,
    words: str,
) -> None:
    said = one(ask(name, project(tmp_path, **blueprint), answers))
    assert said.verdict is verdict, said
    assert words in f"{said.got} {said.do}"
    assert (verdict is CheckVerdict.OK) == (said.do == "" and said.allowed == "")


def test_a_customer_key_must_leave_rights_to_the_account(tmp_path: Path) -> None:
    wanted = project(tmp_path)
    for principal, verdict in (
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, CheckVerdict.OK),
        ({"AWS": [f"arn:aws:iam::{ACCOUNT}:role/Admins"]}, CheckVerdict.WARN),
    ):
        statement = {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        about = {"KeyId": "k", "Arn": KEY, "KeyState": "Enabled", "KeyManager": "CUSTOMER"}
        kms = [Said("describe_key", {"KeyMetadata": about})]
        kms.append(Said("get_key_policy", {"Policy": json.dumps({"Statement": [statement]})}))
        ec2 = [Said("get_ebs_default_kms_key_id", {"KmsKeyId": KEY})]
        assert one(ask("disk key", wanted, {"ec2": ec2, "kms": kms})).verdict is verdict


@pytest.mark.parametrize(
    ("used", "ours", "verdict"),
    [(0, 0, CheckVerdict.OK), (999, 999, CheckVerdict.OK), (999, 0, CheckVerdict.FAIL)],
)
def test_roles_that_are_ours_already_are_no_fault(
    tmp_path: Path, used: int, ours: int, verdict: CheckVerdict
) -> None:
    wanted = project(tmp_path)
    assert (wanted.roles, wanted.profiles, wanted.groups) == (3, 2, 2)
    iam = [Said("get_account_summary", {"SummaryMap": {"Roles": used, "RolesQuota": 1000}})]
    if used:
        role = {"Path": "/", "RoleId": "AROA" * 4, "Arn": f"arn:aws:iam::{ACCOUNT}:role/x",
                "CreateDate": datetime.now(UTC)}  # fmt: skip
        names = [f"neurocaas-{n}" if n < ours else f"other-{n}" for n in range(used)]
        iam.append(Said("list_roles", {"Roles": [{**role, "RoleName": name} for name in names]}))
    assert one(ask("IAM", wanted, {"iam": iam})).verdict is verdict


def simulated(decide: Mapping[str, str], organization: bool = True) -> Said:
    results = [
        {"EvalActionName": action, "EvalDecision": decision,
         "OrganizationsDecisionDetail": {"AllowedByOrganizations": organization}}
        for action, decision in decide.items()
    ]  # fmt: skip
    return Said("simulate_principal_policy", {"EvaluationResults": results})


def allowed(service: str) -> dict[str, str]:
    from console.account_checks.rights import ACTIONS

    return {f"{service}:{name}": "allowed" for name in ACTIONS[service]}


def role_and(answers: list[Said]) -> dict[str, list[Said]]:
    role = {"Path": "/x/", "RoleName": "Deployer", "RoleId": "AROA" * 4,
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/x/Deployer", "CreateDate": datetime.now(UTC)}  # fmt: skip
    return {"iam": [Said("get_role", {"Role": role}), *answers]}


def rights_with(service: str, first: Said, *then: Said) -> list[Said]:
    from console.account_checks.rights import ACTIONS

    said: list[Said] = []
    for name in ACTIONS:
        said += [first, *then] if name == service else [simulated(allowed(name))]
    return said


def test_rights_are_simulated_for_the_sessions_role(tmp_path: Path) -> None:
    wanted = project(tmp_path)
    everything = rights_with("s3", simulated(allowed("s3")))
    assert one(ask("rights", wanted, role_and(everything))).verdict is CheckVerdict.OK
    denied = simulated({**allowed("s3"), "s3:CreateBucket": "explicitDeny"})
    said = one(ask("rights", wanted, role_and(rights_with("s3", denied))))
    assert (said.verdict, said.got) == (CheckVerdict.FAIL, "denied: s3:CreateBucket")
    forbidden = simulated(allowed("kms"), organization=False)
    said = one(ask("rights", wanted, role_and(rights_with("kms", forbidden))))
    assert said.got == "denied: kms:CreateAlias, kms:CreateKey"


def test_a_right_for_the_programs_own_names_is_enough(tmp_path: Path) -> None:
    wanted = project(tmp_path)
    nowhere = simulated({**allowed("iam"), "iam:CreateRole": "implicitDeny"})
    here = simulated({"iam:CreateRole": "allowed"})
    said = one(ask("rights", wanted, role_and(rights_with("iam", nowhere, here))))
    assert said.verdict is CheckVerdict.OK
    assert "1 for some resources" in said.got
    still = simulated({"iam:CreateRole": "implicitDeny"})
    said = one(ask("rights", wanted, role_and(rights_with("iam", nowhere, still))))
    assert said.got == "denied: iam:CreateRole"


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, CheckVerdict.OK), (60, CheckVerdict.WARN), (600, CheckVerdict.FAIL), (-600, CheckVerdict.FAIL)],
)
def test_a_wrong_clock_is_told(tmp_path: Path, seconds: int, verdict: CheckVerdict) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    identity = {**IDENTITY, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}
    assert one(ask("clock", project(tmp_path), {}, identity)).verdict is verdict


def test_a_check_that_breaks_is_unknown_and_the_others_are_told(tmp_path: Path) -> None:
    said = one(ask("clock", project(tmp_path), {}))  # an identity without a date
    assert said.verdict is CheckVerdict.UNKNOWN
    assert "KeyError" in said.got


def test_the_report_has_its_schema_and_names_no_account(tmp_path: Path) -> None:
    wanted = project(tmp_path)
    found = [*ask("caller", wanted, {}), *ask("lambda runtime", wanted, {})]
    found += ask(
        "bucket names",
        wanted,
        {"s3": [Said("head_bucket", refused="403", status=403), Said("list_buckets", {"Buckets": []})]},
    )
    made = report.document(f"as {IDENTITY['Arn']}", "us-east-1", found)
    schema = json.loads((ROOT / "docs" / "schema" / "account.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(made, schema)
    assert made["ok"] is False
    text = report.text(found)
    for shown in (json.dumps(made), text):
        assert ACCOUNT not in shown
        assert "arn:aws" not in shown
    assert "1 ok, 1 fail, 1 unknown" in text


def test_every_question_says_what_it_looks_at_and_what_it_needs() -> None:
    assert len({one.name for one in QUESTIONS}) == len(QUESTIONS)
    assert all(one.looks_at for one in QUESTIONS)
    page = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
    assert [one.name for one in QUESTIONS if f"| {one.name} |" not in page] == []
    rights = {right for one in QUESTIONS for right in one.rights}
    assert [right for right in sorted(rights) if f"`{right}`" not in page] == []


def test_a_deploy_refuses_what_would_fail_and_only_tells_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from neurocaas.protocol.problems import InvalidInput

    project(tmp_path)

    def found(*verdicts: CheckVerdict) -> None:
        said = [AccountCheck(f"check{n}", "x", one, "got", "allowed", "do") for n, one in enumerate(verdicts)]
        monkeypatch.setattr("console.account_checks.list.before_deploy", lambda *_: said)

    found(CheckVerdict.OK, CheckVerdict.WARN, CheckVerdict.UNKNOWN)
    gate.require("spikes-webdev", tmp_path)
    told = capsys.readouterr().err
    assert "check1: got" in told
    assert "not checked: check2 (got)" in told
    found(CheckVerdict.FAIL, CheckVerdict.OK, CheckVerdict.FAIL)
    with pytest.raises(InvalidInput) as refused:
        gate.require("spikes-webdev", tmp_path)
    assert [one.field for one in refused.value.problems] == ["account: check0", "account: check2"]
    assert gate.SKIP in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "spot", "code", "name"),
    [
        ("m5.large", False, "L-1216C47A", "On-Demand Standard"),
        ("t3.micro", True, "L-34B43A08", "Spot Standard"),
        ("g4dn.xlarge", False, "L-DB2E81BA", "On-Demand G and VT"),
        ("p3.2xlarge", True, "L-7212CCBC", "Spot P"),
        ("trn1.2xlarge", False, "L-2C3B7624", "On-Demand Trn"),
        ("inf2.xlarge", True, "L-B5D1601B", "Spot Inf"),
    ],
)
def test_quotas_of_families(kind: str, spot: bool, code: str, name: str) -> None:
    assert (vcpu_quota(kind, spot=spot), quota_name(kind, spot=spot)) == (code, name)
