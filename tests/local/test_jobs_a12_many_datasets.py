"""A12: many datasets, equal base names, and one that fails among others that do not. (120 and 500:
tests/unit, a fleet of 8 runs here.) A13: a failing analysis. A16: odd keys."""

import json
from functools import partial
from pathlib import Path

import pytest

from neurocaas import JobHandle
from neurocaas.local_names import key_of
from neurocaas.protocol.digest import DIGESTS
from neurocaas.protocol.names import DATASET_NAME_BYTES
from tests.local.deployed import ODD_NAMES, Deployed
from tests.local.job_helpers import PATIENCE, Inbox, Lab, Mailboxes, certificate_facts, ended, until

HARMFUL = "$(touch here)`touch there`'; touch pwned; '\".txt"
ADDRESSES = ("bob@lab10.example", "both@labs.example", "lea@lab1.example")
LONG = f"{'語' * 78}odd-results.txt"
"""249 bytes: too long for a status file that would have it in its name."""

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    return Lab(service)


@pytest.fixture(scope="module")
def inbox(service: Deployed) -> Inbox:
    return Inbox(service)


@pytest.fixture(scope="module")
def mailboxes(service: Deployed) -> Mailboxes:
    """Of the addresses in groups.yaml, who are asked, and confirm."""
    found = Mailboxes(service)
    found.confirm()
    return found


@pytest.fixture(scope="module")
def many(lab: Lab, inbox: Inbox, mailboxes: Mailboxes) -> JobHandle:
    return lab.submit("one/d.txt", "two/d.txt", "exit-3.txt", *(f"n{i}.txt" for i in range(7)))


@pytest.fixture(scope="module")
def odd(lab: Lab, many: JobHandle) -> JobHandle:
    """Submitted right behind `many`, so that both run at once."""
    return lab.submit("hej på dig & more+1%.txt", HARMFUL, LONG, submission="my sub+mission ö1_submit.json")


def test_a12_each_dataset_has_a_machine_and_a_status_of_its_own(
    lab: Lab, many: JobHandle, odd: JobHandle
) -> None:
    state = ended(many)
    outcomes = {one.name: one.state for one in state.datasets}
    assert len(outcomes) == 10
    assert {"one_d.txt", "two_d.txt"} <= set(outcomes), "equal base names stay apart"
    assert {name for name, outcome in outcomes.items() if outcome == "FAILED"} == {"exit-3.txt"}, (
        "one failure stops nobody else"
    )
    assert len({one.instance for one in state.datasets}) == 10
    reports = lab.reports(many)
    assert len(reports) == 10
    assert all(report["start"] and report["end"] for report in reports)


def test_a12_the_end_is_written_once_with_the_count(lab: Lab, many: JobHandle) -> None:
    ended(many)
    assert lab.text(many.keys.end).startswith("FAILED 9/10 ")
    versions = lab.s3.list_object_versions(Bucket=lab.bucket, Prefix=many.keys.end)["Versions"]
    assert len(versions) == 1


def test_a13_a_failing_script_is_told_with_its_exit_code_and_output(lab: Lab, many: JobHandle) -> None:
    state = ended(many)
    (failed,) = [one for one in state.datasets if one.state == "FAILED"]
    assert failed.exit_code == 3
    status = json.loads(lab.text(many.keys.status("exit-3.txt")))
    assert "this dataset fails" in status["stderr"].values()
    assert status["stdout"], "what it printed before is kept"
    assert "exit-3.txt | STATUS: FAILED" in many.certificate()
    assert (status["said"], status["reason"]) == ("this dataset fails", "this dataset fails (exit code 3)")
    assert "this dataset fails (exit code 3)" in many.certificate(), (
        "the script's own words are what people see first"
    )
    assert failed.reason == status["reason"]
    facts = certificate_facts(lab, many)
    for dataset in facts["datasets"]:
        (machine,) = dataset["machines"]
        assert 0 < machine["first_command_seconds"] <= machine["seconds"] + PATIENCE
    assert facts["exit_class"] == "analysis"
    from neurocaas.explain import explain

    said = explain(lab.analysis.evidence(many))
    assert said.sentence.startswith(
        f"Job {many.timestamp} has failed for 1 of 10 datasets: exit-3.txt: its script failed"
    )
    assert "neurocaas logs" in said.fix


def test_a13_the_notice_tells_outcome_time_cost_and_why(lab: Lab, many: JobHandle, inbox: Inbox) -> None:
    ended(many)
    (notice,) = until("the notice", lambda: inbox.about(many))
    assert notice["Subject"] == f"NeuroCAAS analysis: job {many.timestamp} of lab1: FAILED 9/10"
    for words in (
        "Time: 0:",
        "Cost: $0.",
        "First failure: exit-3.txt: ",
        "this dataset fails",
        f"s3://{lab.bucket}/{many.keys.prefix}",
    ):
        assert words in notice["Message"]


def test_a13_addresses_of_the_group_are_told_once_they_have_confirmed_and_no_other_groups(
    service: Deployed, lab: Lab, mailboxes: Mailboxes, many: JobHandle
) -> None:
    ended(many)
    subject = f"NeuroCAAS analysis: job {many.timestamp} of lab1: FAILED 9/10"
    for address in ("lea@lab1.example", "both@labs.example"):
        until("the mail", partial(mailboxes.got, address, subject))
    assert not [one for one in mailboxes.subjects("bob@lab10.example") if "of lab1" in one]
    found = json.loads(service.ground.invoke("notify", "--json", "--local").stdout)["addresses"]
    assert {one["address"]: one["state"] for one in found} == dict.fromkeys(ADDRESSES, "confirmed")


def test_a13_the_sweep_tells_the_digest_of_a_day_that_is_over_once_to_who_wants_it(
    service: Deployed, mailboxes: Mailboxes
) -> None:
    table = service.client("dynamodb")
    for group in ("lab1", "lab10"):
        table.put_item(
            TableName=service.utils["ledger_table"],
            Item={
                "pk": {"S": DIGESTS},
                "sk": {"S": f"2001-02-03/{group}"},
                "jobs": {"SS": [json.dumps(["t9", "analysis", "SUCCESS 1/1", "bob", 0.5])]},
            },
        )
    for _ in range(2):
        service.client("lambda").invoke(FunctionName=service.utils["sweep_function"], Payload=b"{}")
    subject = "NeuroCAAS: 1 job of lab10 ended on 2001-02-03, 0 failed"
    until("the digest", partial(mailboxes.got, "bob@lab10.example", subject))
    assert mailboxes.subjects("bob@lab10.example").count(subject) == 1
    told = [one for address in ADDRESSES[1:] for one in mailboxes.subjects(address)]
    assert not [one for one in told if "2001-02-03" in one]
    for group in ("lab1", "lab10"):
        key = {"pk": {"S": DIGESTS}, "sk": {"S": f"2001-02-03/{group}"}}
        assert "Item" not in table.get_item(TableName=service.utils["ledger_table"], Key=key)


def test_a16_odd_names_are_processed_and_told_as_they_are(lab: Lab, odd: JobHandle) -> None:
    state = ended(odd)
    assert state.succeeded, odd.certificate()
    *names, long = [one.name for one in state.datasets]
    assert names == ["hej på dig & more+1%.txt", HARMFUL]
    assert long.startswith("語" * 70)
    assert len(long.encode()) <= DATASET_NAME_BYTES
    assert "lab1/inputs/hej på dig & more+1%.txt" in odd.certificate()
    results = {
        f"{odd.keys.process_prefix}{name}/summary.json" for name in ("hej på dig & more+1%.txt", HARMFUL)
    }
    assert results <= lab.keys_below(odd.keys.process_prefix)
    files = {key.rpartition("/")[2] for key in lab.keys_below(odd.keys.prefix)}
    assert not files & {"here", "there", "pwned"}, "a name is data, never shell text"


def test_a16_results_of_any_name_are_fetched_and_certified(lab: Lab, odd: JobHandle, tmp_path: Path) -> None:
    ended(odd)
    files = {one.key: one for one in odd.fetch(tmp_path)}
    for name in ODD_NAMES:
        one = files[f"{odd.keys.process_prefix}odd/{name}"]
        assert (tmp_path / one.path).read_text() == name
        assert (one.checked, key_of(one.path)) == ("certificate", f"process_results/odd/{name}")
    assert f"{odd.keys.logs_prefix}DATASET_NAME:{ended(odd).datasets[2].name}_STATUS.txt" in files
