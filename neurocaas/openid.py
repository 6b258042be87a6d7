"""An OpenID Connect provider: a person signs in on its page, with the code flow and PKCE on a loopback port
(RFC 8252, RFC 7636) or by device authorization (RFC 8628), and AWS gives a session of the group's role for
the provider's token (AssumeRoleWithWebIdentity). The provider's client is a public one: it has no secret.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from neurocaas.configuration import Profile
from neurocaas.errors import AnalysisError, UnreachableError, aws_errors, code_of
from neurocaas.protocol.members import session_of_subject
from neurocaas.sign_in import Show, SignedOut, open_page, show
from neurocaas.tokens import Kept, renewable

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
DISCOVERY = "/.well-known/openid-configuration"
EARLY = 60.0
"""Seconds before its end from which a token counts as expired."""
LONGEST, SHORT = 12 * 3600, 3600
"""Seconds of a session: what the groups' roles allow, and what every role does."""
PATIENCE = 300.0
"""Seconds in which somebody has to sign in."""
_ANSWER_BYTES = 2**20

Clock = Callable[[], float]


def kept(profile: Profile) -> Kept:
    """Where the sign-in is: tokens of the provider, and the sessions that were taken with them."""
    return Kept("openid", profile.issuer, profile.client_id)


def sign_in(
    profile: Profile,
    *,
    browser: bool = True,
    device: bool = False,
    say: Show = show,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send the person to the provider's page, and keep what it gives. `device`: the page may be opened on
    another computer."""
    about = _discovered(profile)
    given = _by_device(profile, about, say, sleep) if device else _by_code(profile, about, browser, say)
    kept(profile).write(_tokens(given, {}, time.time()))


def session(profile: Profile, role: str, now: Clock = time.time, *, seconds: int = LONGEST) -> dict[str, Any]:
    """A session of the role, as botocore takes it: the one that there is, or another. Raises SignedOut."""
    place = kept(profile)
    found = place.read()
    there = found.get("sessions", {}).get(role)
    # one that was called otherwise, by an earlier version, has no rights
    ours = there and there.get("called") == _called(str(found.get("id_token", "")))
    if ours and _end(there["expiry_time"]) - now() > min(900, seconds / 2):
        return {name: value for name, value in there.items() if name != "called"}
    token = _identity(profile, found, now)
    made = _assumed(profile, role, token, seconds)
    found = place.read() or found
    others = {
        name: one for name, one in found.get("sessions", {}).items() if _end(one["expiry_time"]) > now()
    }
    place.write({**found, "sessions": {**others, role: {**made, "called": _called(token)}}})
    return made


def claims(token: str) -> dict[str, Any]:
    """What a token says, unchecked: it came from the provider over TLS, and AWS checks it."""
    try:
        part = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def person(profile: Profile) -> str:
    """Who has signed in, as the provider says it; "" when nobody has."""
    return _name(claims(str(kept(profile).read().get("id_token", ""))))


def _name(said: Mapping[str, Any]) -> str:
    return str(said.get("email") or said.get("preferred_username") or said.get("sub") or "")


def _identity(profile: Profile, found: Mapping[str, Any], now: Clock) -> str:
    """The provider's token of the person, renewed when it has expired."""
    if not found:
        raise SignedOut(profile.name, f"you have not signed in at {profile.issuer}")
    if found["expires"] - EARLY > now():
        return str(found["id_token"])
    if found.get("refresh_token"):
        wanted = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
        given = _post(profile, _discovered(profile)["token_endpoint"], wanted)
        if given.get("id_token"):
            renewed = _tokens(given, found, now())
            kept(profile).write(renewed)
            return str(renewed["id_token"])
        again = kept(profile).read()  # another command may have renewed it meanwhile, which ends the old one
        if again.get("id_token", found["id_token"]) != found["id_token"]:
            return str(again["id_token"])
    raise SignedOut(profile.name, f"your sign-in at {profile.issuer} has expired")


def _called(token: str) -> str:
    """The only name of a session that the role's trust policy admits for a token."""
    return session_of_subject(str(claims(token).get("sub") or ""))


def _assumed(profile: Profile, role: str, token: str, seconds: int) -> dict[str, Any]:
    import botocore.exceptions
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config

    core = botocore.session.Session()
    core.set_config_variable("profile", None)
    client: Any = core.create_client(
        "sts",
        region_name=profile.region,
        endpoint_url=profile.endpoint_url or None,
        config=Config(signature_version=UNSIGNED),
    )
    asked = {"RoleArn": role, "RoleSessionName": _called(token), "WebIdentityToken": token}
    try:
        with aws_errors("AWS STS"):
            try:
                given = client.assume_role_with_web_identity(**asked, DurationSeconds=seconds)
            except botocore.exceptions.ClientError as error:
                if code_of(error) != "ValidationError" or "DurationSeconds" not in str(error):
                    raise
                given = client.assume_role_with_web_identity(**asked, DurationSeconds=SHORT)
    except botocore.exceptions.ClientError as error:
        said = str(error.response["Error"].get("Message") or code_of(error))
        raise AnalysisError(
            f"AWS does not let {_called(token)} take the role {role}: {said}",
            f"a person whom {profile.issuer} and groups.yaml have in the group",
            "ask your administrator to compare both (`invoke people` says what is expected)",
        ) from None
    return renewable(given)


def _end(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _tokens(given: Mapping[str, Any], before: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What is kept. A provider that sends no new token for renewal means the old one."""
    said = claims(str(given["id_token"]))
    end = said.get("exp")
    found = {
        "id_token": given["id_token"],
        "expires": float(end if isinstance(end, (int, float)) else now + float(given.get("expires_in", 300))),
        "refresh_token": given.get("refresh_token") or before.get("refresh_token"),
        # a new sign-in may be another person's
        "sessions": before.get("sessions", {}) if before else {},
    }
    return {key: value for key, value in found.items() if value is not None}


def _by_code(profile: Profile, about: Mapping[str, Any], browser: bool, say: Show) -> dict[str, Any]:
    given = urllib.parse.urlsplit(profile.redirect_uri or "http://127.0.0.1/callback")
    verifier, state, nonce = (secrets.token_urlsafe(48) for _ in range(3))
    with _Door(given.port or 0, given.path or "/", state) as door:
        back = given._replace(netloc=f"{given.hostname}:{door.port}").geturl()
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": profile.client_id,
            "redirect_uri": back,
            "scope": " ".join(profile.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        joint = "&" if urllib.parse.urlsplit(about["authorization_endpoint"]).query else "?"
        page = f"{about['authorization_endpoint']}{joint}{urllib.parse.urlencode(query)}"
        say(f"Sign in with your browser (on another computer: `neurocaas login --device`):\n  {page}")
        if browser:
            open_page(page)
        came = door.wait(PATIENCE)
    if came is None:
        raise AnalysisError("nobody has signed in in time", "a sign-in within some minutes", "try again")
    if "code" not in came:
        said = came.get("error_description") or came.get("error") or "no code"
        raise AnalysisError(f"{profile.issuer} refuses the sign-in: {said}", "", _ASK)
    answer = _post(
        profile,
        about["token_endpoint"],
        {
            "grant_type": "authorization_code",
            "code": came["code"],
            "redirect_uri": back,
            "code_verifier": verifier,
        },
    )
    _check(profile, answer)
    if claims(answer["id_token"]).get("nonce") != nonce:
        raise AnalysisError(
            f"{profile.issuer} answers with the token of another sign-in", "this one's", "try again"
        )
    return answer


def _by_device(
    profile: Profile, about: Mapping[str, Any], say: Show, sleep: Callable[[float], None]
) -> dict[str, Any]:
    if "device_authorization_endpoint" not in about:
        raise AnalysisError(
            f"{profile.issuer} has no sign-in for other devices",
            "a browser on this computer",
            "leave --device out; over ssh, forward the port that is shown",
        )
    asked = {"scope": " ".join(profile.scopes)}
    begun = _post(profile, about["device_authorization_endpoint"], asked)
    if "device_code" not in begun:
        raise AnalysisError(f"{profile.issuer} refuses the sign-in: {_reason(begun)}", "", _ASK)
    page = begun.get("verification_uri_complete") or begun["verification_uri"]
    say(f"Sign in with any browser, and compare the code {begun['user_code']}:\n  {page}")
    wait, end = float(begun.get("interval", 5)), time.monotonic() + float(begun.get("expires_in", PATIENCE))
    while time.monotonic() < end:
        answer = _post(
            profile,
            about["token_endpoint"],
            {"grant_type": DEVICE, "device_code": begun["device_code"]},
        )
        if answer.get("error") not in ("authorization_pending", "slow_down"):
            _check(profile, answer)
            return answer
        wait += 5 if answer["error"] == "slow_down" else 0
        sleep(wait)
    raise AnalysisError("nobody has signed in in time", "a sign-in within some minutes", "try again")


_ASK = "try again; when it stays, show this to your administrator"


def _check(profile: Profile, answer: Mapping[str, Any]) -> None:
    if answer.get("error"):
        raise AnalysisError(f"{profile.issuer} refuses the sign-in: {_reason(answer)}", "", _ASK)
    said = claims(str(answer.get("id_token", "")))
    audience = said.get("aud")
    if profile.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise AnalysisError(
            f"{profile.issuer} gives a token for {audience!r}",
            f"one for {profile.client_id}, with the scope openid",
            "check client_id and scopes in the settings",
        )


def _reason(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_description") or answer.get("error") or "an answer without a token")


def _discovered(profile: Profile) -> dict[str, Any]:
    """What the provider says of itself. It must be the one that was meant."""
    address = profile.issuer.rstrip("/") + DISCOVERY
    found = _fetched(urllib.request.Request(address, headers={"Accept": "application/json"}), profile.issuer)
    if str(found.get("issuer", "")).rstrip("/") != profile.issuer.rstrip("/"):
        raise AnalysisError(
            f"{address} describes {found.get('issuer')!r}",
            f"the issuer {profile.issuer}",
            "correct `issuer` in the settings",
        )
    wanted = ("authorization_endpoint", "token_endpoint")
    if missing := [name for name in wanted if not isinstance(found.get(name), str)]:
        raise AnalysisError(f"{address} has no {' and no '.join(missing)}", "OpenID Connect", _ASK)
    return found


def _post(profile: Profile, address: str, values: Mapping[str, str]) -> dict[str, Any]:
    body = urllib.parse.urlencode({"client_id": profile.client_id, **values}).encode()
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    return _fetched(urllib.request.Request(address, data=body, headers=headers), profile.issuer)


def _fetched(request: urllib.request.Request, issuer: str) -> dict[str, Any]:
    """The JSON of an answer, also of one that refuses (RFC 6749, section 5.2)."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise UnreachableError(
                f"{issuer} cannot answer now ({error.code})", "a provider that works", "try again in a moment"
            ) from None
        content = error.read(_ANSWER_BYTES)
    except OSError as error:
        raise UnreachableError(
            f"no answer from {issuer}: {getattr(error, 'reason', error)}",
            "a provider that answers",
            "check the network and HTTPS_PROXY",
        ) from None
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise AnalysisError(
            f"{request.full_url.partition('?')[0]} answers with no JSON",
            "a provider of OpenID Connect",
            "correct `issuer` in the settings",
        )
    return found


class _Door:
    """Where the browser comes back to: one answer on a loopback port, with the state that was given out."""

    def __init__(self, port: int, path: str, state: str) -> None:
        came: list[dict[str, str]] = []
        self._came, self._done = came, threading.Event()
        done = self._done

        class Answer(BaseHTTPRequestHandler):
            timeout = 30

            def do_GET(self) -> None:
                asked = urllib.parse.urlsplit(self.path)
                values = dict(urllib.parse.parse_qsl(asked.query))
                ours = asked.path == path and secrets.compare_digest(values.get("state", ""), state)
                if ours and not came:
                    came.append(values)
                said = "This is no answer to a sign-in that is under way."
                if ours:
                    said = "You may close this page." if "code" in values else values.get("error", "")
                body = f"<!doctype html><title>neurocaas</title><p>{html.escape(said)}</p>".encode()
                self.send_response(200 if ours else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                if ours:
                    done.set()

            def log_message(self, *words: Any) -> None:
                """Nothing: an address has the code in it."""

        try:
            self._server = HTTPServer(("127.0.0.1", port), Answer)
        except OSError as error:
            raise AnalysisError(
                f"port {port} of this computer cannot be had: {error.strerror}",
                "the port of redirect_uri, free",
                "end what uses it, or sign in with --device",
            ) from None
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> _Door:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, seconds: float) -> dict[str, str] | None:
        """What the browser brought, None when it has not come."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:  # in small steps, so that Ctrl-C ends it on Windows as well
            if self._done.wait(0.2):
                return self._came[0]
        return None
