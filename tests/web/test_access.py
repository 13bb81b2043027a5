"""Access: on loopback only for the server's own pages, elsewhere only with the token or the code."""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import pairwise

import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError

from microgpt_tui.web import secret
from microgpt_tui.web.access import is_loopback
from microgpt_tui.web.secret import Guesses, ShortCode
from tests.support.wait import PATIENCE
from tests.support.web_clients import AUDIENCE, Kind, Serving, both_kinds, serving, stand_in

TOKEN = "A.TOKEN.OF.THE.TEST"  # also as a short code, which is compared in capitals


async def refusal(there: Serving, **headers: str) -> int:
    with pytest.raises(WSServerHandshakeError) as refused:
        await there.come(**headers)
    return refused.value.status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost:8000", 200), ("127.0.0.1", 200), ("127.1.2.3:80", 200), ("[::1]:8000", 200)),
        *(("evil.example:8000", 403), ("localhost.evil.example", 403), ("192.168.0.4:8000", 403), ("[", 403)),
    ],
)
@both_kinds
async def test_on_loopback_only_loopback_names_are_answered(host: str, status: int, kind: Kind) -> None:
    async with serving(kind=kind) as there, there.session.get(there.address, headers={"Host": host}) as answer:
        assert answer.status == status
        assert (kind.marker in await answer.text()) == (status == 200)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "http://localhost", "null", "", "file://", "http://["]
)
@both_kinds
async def test_pages_of_other_origins_do_not_get_a_websocket(origin: str, kind: Kind) -> None:
    async with serving(kind=kind) as there:
        assert await refusal(there, Origin=origin) == 403
        assert there.reports == []


@both_kinds
async def test_head_is_answered_as_get_without_a_body(kind: Kind) -> None:
    async with serving(kind=kind) as there, there.session.head(there.address) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 0


@both_kinds
async def test_a_websocket_without_an_origin_is_refused(kind: Kind) -> None:
    async with serving(kind=kind) as there:
        with pytest.raises(WSServerHandshakeError):
            await there.session.ws_connect(f"{there.address}/{kind.socket}")


@both_kinds
async def test_a_form_asks_for_the_secret_and_a_cookie_holds_it(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with (
        serving(kind=kind, token=TOKEN) as there,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as there.session,
    ):
        for path in ("/", f"/{kind.socket}", "/static/js/textual.js", f"/{kind.page_file}"):
            async with there.session.get(there.address + path) as answer:
                assert (answer.status, f'name="{kind.secret.FIELD}"' in await answer.text()) == (401, True)
        assert await refusal(there) == 401
        form = {"data": {kind.secret.FIELD: f" {TOKEN} "}, "headers": {"Origin": there.address}}
        async with there.session.post(there.address, **form) as answer:
            assert answer.status == 200
            assert "HttpOnly" in answer.headers["Set-Cookie"]
            assert "SameSite=Strict" in answer.headers["Set-Cookie"]
            assert 'url=./"' in await answer.text()
        async with there.session.get(there.address) as answer:
            assert kind.marker in await answer.text()
        assert await refusal(there, Origin="http://evil.example") == 403
        async with await there.come() as socket:
            assert (await socket.receive(PATIENCE)).type is WSMsgType.BINARY


@both_kinds
async def test_the_printed_address_gives_access(kind: Kind) -> None:
    async with (
        serving(kind=kind, token=TOKEN) as there,
        there.session.get(f"{there.address}/?{kind.secret.FIELD}={TOKEN}") as answer,
    ):
        assert TOKEN in answer.headers["Set-Cookie"]
        assert TOKEN not in await answer.text()
        assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.lower(), "가", "None"])
@both_kinds
async def test_the_answer_to_a_wrong_secret_is_delayed(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    if kind.secret.plain(wrong) == kind.secret.plain(TOKEN):
        return  # a code may be typed in small letters
    monkeypatch.setattr(secret, "PAUSE", 0.05)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.CRITICAL, "aiohttp.access")
    async with serving(kind=kind, token=TOKEN) as there:
        start = time.monotonic()
        async with there.session.get(there.address, params={kind.secret.FIELD: wrong}) as answer:
            assert answer.status == 403
            assert kind.secret(TOKEN).wrong.replace("'", "&#x27;") in await answer.text()
            assert "Set-Cookie" not in answer.headers
        assert time.monotonic() - start >= 0.05
        async with there.session.get(there.address, headers={"Cookie": "microgpt-tui-0=wrong"}) as answer:
            assert answer.status == 401
        async with there.session.get(f"{there.address}/?{kind.secret.FIELD}={TOKEN}"):
            pass
        assert TOKEN not in caplog.text + " ".join(there.all_reports)


@pytest.mark.parametrize("typed", ["abc234", "ABC 234", "abc-234 ", "a b c 2-3–4"])
async def test_a_code_is_taken_in_any_case_with_blanks_and_dashes(typed: str) -> None:
    async with serving(kind=AUDIENCE, token="ABC234") as there:
        headers = {"Origin": there.address}
        async with there.session.post(there.address, data={"code": typed}, headers=headers) as answer:
            assert answer.status == 200


async def test_guesses_are_judged_one_after_the_other_however_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many connections at once, by address, by form and by cookie, a stranger learns no more in the same time."""
    monkeypatch.setattr(secret, "PAUSE", 0.02)
    judged: list[float] = []
    plain = ShortCode.matches

    def matches(self: ShortCode, offered: str) -> bool:
        judged.append(time.monotonic())
        return plain(self, offered)

    monkeypatch.setattr(ShortCode, "matches", matches)
    async with serving(kind=AUDIENCE, token="ABC234") as there:
        headers = {"Origin": there.address}
        guesses = [there.session.get(f"{there.address}/?code=AAAA{n:02}") for n in range(5)]
        guesses += [there.session.post(there.address, data={"code": f"BBBB{n:02}"}, headers=headers) for n in range(5)]
        cookies = [{"Cookie": f"microgpt-tui-0=CCCC{n:02}.pass"} for n in range(5)]
        guesses += [there.session.get(there.address, headers=cookie) for cookie in cookies]
        answers = await asyncio.gather(*guesses)
        assert sorted(answer.status for answer in answers) == [401] * 5 + [403] * 10
        assert len(judged) == 15
        assert min(later - sooner for sooner, later in pairwise(judged)) >= 0.02


async def test_networks_take_turns_and_a_right_code_takes_no_time() -> None:
    """One network floods; the one who knows the code waits for at most one of its guesses."""
    guesses = Guesses(lambda offered: offered == "right")
    order: list[str] = []

    async def guess(offered: str, network: str) -> None:
        await guesses.right(offered, network, lambda: False)
        order.append(f"{offered} {network}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret, "PAUSE", 0.001)
        flood = [asyncio.create_task(guess("wrong", "flood")) for _ in range(20)]
        await asyncio.sleep(0)
        class_room = [asyncio.create_task(guess("right", f"student {n}")) for n in range(5)]
        await asyncio.gather(*flood, *class_room)
    assert max(order.index(f"right student {n}") for n in range(5)) <= 7


async def test_too_many_guesses_of_one_network_are_not_judged() -> None:
    guesses = Guesses(lambda offered: False)
    waiting = [asyncio.create_task(guesses.right("x", "flood", lambda: False)) for _ in range(secret.MOST_WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(secret.TooManyError):
        await guesses.right("x", "flood", lambda: False)
    waiting.append(asyncio.create_task(guesses.right("x", "another", lambda: False)))
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret, "PAUSE", 0)
        assert not await guesses.right("x", "flood", lambda: False)  # those who have gone keep nobody waiting


async def test_a_guess_whose_maker_has_gone_is_not_judged() -> None:
    judged: list[str] = []
    guesses = Guesses(lambda offered: bool(judged.append(offered)))
    assert not await guesses.right("x", "gone", lambda: True)
    assert judged == []


@both_kinds
async def test_the_cookie_of_an_earlier_process_with_the_same_secret_is_good(kind: Kind) -> None:
    """A server that was stopped and started again lets those in who were in, and nobody else."""
    async with (
        serving(kind=kind, token=TOKEN) as before,
        before.session.get(f"{before.address}/?{kind.secret.FIELD}={TOKEN}") as answer,
    ):
        cookie = answer.cookies["microgpt-tui-0"].value
    async with serving(kind=kind, token=TOKEN) as after:
        headers = {"Cookie": f"microgpt-tui-0={cookie}"}
        async with after.session.get(after.address, headers=headers) as answer:
            assert kind.marker in await answer.text()
            assert answer.cookies["microgpt-tui-0"].value not in ("", cookie)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret, "PAUSE", 0)
        async with (
            serving(kind=kind, token=f"{TOKEN}2") as other,
            other.session.get(other.address, headers=headers) as answer,
        ):
            assert answer.status == 401
            assert answer.cookies["microgpt-tui-0"].value == ""  # which removes it


@both_kinds
async def test_forms_of_other_origins_are_refused(kind: Kind) -> None:
    async with serving(kind=kind, token=TOKEN) as there:
        for headers in ({}, {"Origin": "http://evil.example"}):
            form = {kind.secret.FIELD: TOKEN}
            async with there.session.post(there.address, data=form, headers=headers) as answer:
                assert answer.status == 403


@pytest.mark.parametrize(
    ("host", "is_one"), [("localhost", True), ("::1", True), ("127.0.0.9", True), ("0.0.0.0", False), ("::", False)]
)
def test_loopback(host: str, is_one: bool) -> None:
    assert is_loopback(host) == is_one
