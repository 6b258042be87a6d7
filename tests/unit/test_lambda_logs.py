"""Lines of the functions' logs, as a person or a program gets them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.exceptions import Exit

from console import lambda_logs
from console.lambda_logs import told
from neurocaas.protocol import logline
from neurocaas.protocol.keys import JobId
from runtime.manager import refusal_log
from runtime.manager.port import LaunchError, LaunchRequest

JOB = JobId("dti", "lab", "t1")


def line(service: str = "monitor", **more: Any) -> str:
    return logline.line(service, "active report written", **{"job": JOB, **more})


def test_a_person_gets_the_facts_in_one_line() -> None:
    text = told(line(instance="i-1", detail="x"), "monitor", None, "", as_json=False)
    assert text is not None
    assert "INFO  dti/lab/t1  active report written  x  instance=i-1" in text
    assert "_aws" not in (told(line(metrics={logline.FAILED: 1}), "monitor", None, "", as_json=False) or "")


def test_what_ec2_says_of_a_launch_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    tags = {"bucket": "dti", "group": "lab", "job": "t1"}
    request = LaunchRequest("lt-1", "1", "m5.large", 3, "", "token", tags, None)
    said = "You are not authorized. Encoded authorization failure message: abc"
    decode = SimpleNamespace(
        decode_authorization_message=lambda **_: {"DecodedMessage": "no ec2:RunInstances"}
    )
    refusal_log.write(lambda: decode, request, LaunchError("UnauthorizedOperation", said))
    text = told(capsys.readouterr().out.rstrip(), "manager", "dti", "t1", as_json=False)
    assert text is not None
    assert "ERROR  dti/lab/t1  RunInstances was refused  You are not authorized." in text
    assert "code=UnauthorizedOperation instance_type=m5.large market=on-demand machines=3" in text
    assert text.endswith("decoded=no ec2:RunInstances")


def test_a_traceback_keeps_its_lines() -> None:
    text = told(line(level="ERROR", traceback="Traceback\n  File x\n"), "monitor", None, "", as_json=False)
    assert text is not None
    assert text.endswith("\nTraceback\n  File x")


@pytest.mark.parametrize("as_json", [False, True])
def test_users_words_in_a_log_are_not_obeyed(as_json: bool) -> None:
    words = "\x1b]0;x\x07\x9b2J\u202e\nINFO  dti/other/t9  job ended: SUCCESS 9/9"
    for message in (
        line(detail=words, submission=words, level="ERROR", traceback="one\ntwo\x1b[2J"),
        json.dumps({"level": "ERROR", "message": words}, ensure_ascii=False),
    ):
        text = told(message, "monitor", None, "", as_json=as_json)
        assert text is not None
        assert not set(text) & set("\x1b\x07\x9b\u202e")
        assert not [one for one in text.splitlines() if one.startswith("INFO")]
        assert not as_json or json.loads(text) == json.loads(message)


def test_only_what_is_asked_for_is_shown() -> None:
    assert told(line(), "sweep", None, "", as_json=False) is None
    assert told(line(), "monitor", None, "t", as_json=False) is None
    assert told(line(), "monitor", "dti-prod", "", as_json=False) is None
    whole = line()
    assert told(whole, "monitor", "dti", "t1", as_json=True) == whole


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("START RequestId: 1 Version: $LATEST", False),
        ("END RequestId: 1", False),
        ("REPORT RequestId: 1\tDuration: 1 ms", False),
        ("INIT_START Runtime Version: python:3.12", False),
        ('{"time": "x", "type": "platform.start", "record": {}}', False),
        ('{"level": "ERROR", "errorMessage": "no module", "errorType": "ImportError"}', True),
        ("[ERROR] Runtime.ImportModuleError", True),
        ("", False),
    ],
)
def test_what_the_runtime_writes_is_shown_when_it_is_an_error(message: str, shown: bool) -> None:
    assert bool(told(message, "manager", None, "", as_json=False)) is shown
    assert told(message, "manager", None, "t1", as_json=False) is None
    as_json = told(message, "manager", None, "", as_json=True)
    assert bool(as_json) is shown
    assert not shown or json.loads(as_json or "")


class Logs:
    """CloudWatch Logs with one more event at each look, and then Ctrl-C."""

    def __init__(self) -> None:
        self.looks: list[dict[str, Any]] = []
        self.lines = [line(number=number) + "\n" for number in range(3)]  # each has the time of its making

    def get_paginator(self, name: str) -> Logs:
        assert name == "filter_log_events"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.looks.append(request)
        if len(self.looks) > 3:
            raise KeyboardInterrupt
        events = [
            {"logStreamName": "s", "timestamp": look, "message": text}
            for look, text in enumerate(self.lines[: len(self.looks)])
        ]
        yield {"events": events}


def test_following_shows_each_line_once_until_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = Logs()
    monkeypatch.setattr(lambda_logs, "_place", lambda *_: ("group", None))
    monkeypatch.setattr(lambda_logs, "_client", lambda: logs)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(Exit) as ended:
        lambda_logs.show("monitor", "", "t1", 5, follow=True, as_json=True)
    assert ended.value.code == 130
    assert [json.loads(text)["number"] for text in capsys.readouterr().out.splitlines()] == [0, 1, 2]
    assert {look["filterPattern"] for look in logs.looks} == {'"t1"'}
    assert logs.looks[0]["startTime"] < logs.looks[1]["startTime"]
