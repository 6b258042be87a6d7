"""Asks all questions at once: each waits for AWS most of its time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, AccountCheck, Question, unknown
from console.account_checks.wanted import Wanted

AT_ONCE = 8
_DENIED = ("Denied", "Unauthorized", "NotAuthorized", "OptInRequired")
_NO_SUCH_CALL = (
    "InvalidAction",
    "UnknownOperation",
    "NotImplemented",
    "NotImplementedException",
    "InternalError",
)


def asked(questions: Iterable[Question], at: At, wanted: Wanted) -> list[AccountCheck]:
    """What is said to each question, in their order. One that cannot be asked is `unknown`."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(lambda question: _one(question, at, wanted), questions)
        return [check for checks in answers for check in checks]


def _one(question: Question, at: At, wanted: Wanted) -> list[AccountCheck]:
    try:
        return [question.answered(answer) for answer in question.ask(at, wanted)]
    except Exception as error:  # noqa: BLE001  (what went wrong is what is said)
        return [question.answered(not_asked(error, question.rights))]


def code(error: Exception) -> str:
    """AWS's code of a refusal, "" for another error."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def denied(error: Exception) -> bool:
    return any(word in code(error) for word in _DENIED)


def not_asked(error: Exception, rights: Iterable[str]) -> AccountAnswer:
    """Why there is no answer: no right, no such call, no network, or a defect of ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    said = code(error)
    if isinstance(error, ClientError) and denied(error):
        return unknown(f"not told: {said}", f"allow {', '.join(rights)} to who asks, or ask an administrator")
    if isinstance(error, ClientError) and said in _NO_SUCH_CALL:
        return unknown(
            f"{error.operation_name} is not offered by this cloud ({said})", "look it up in the console"
        )
    if isinstance(error, ClientError):
        return unknown(f"{error.operation_name} was refused: {said}", "look it up in the console")
    if isinstance(error, BotoCoreError):
        return unknown(f"no answer ({type(error).__name__})", "check the network, then ask again")
    words = " ".join(str(error).split()) or "no reason is given"
    return unknown(f"the check itself failed: {type(error).__name__}: {words}", "please report it")
