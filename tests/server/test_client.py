"""`mien.Client` and `mien.AsyncClient` against a real server."""

import asyncio
import inspect
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

import mien
from mien.client.calls import Calls
from mien.client.files import File, as_file
from mien.recognition.records import Face


@pytest.fixture
def asked(server):
    with mien.Client(server.address) as client:
        yield client


def test_it_reads_as_recognizer_does(asked: mien.Client, photo: Path, astronaut: np.ndarray) -> None:
    recognizer = mien.Recognizer()
    for picture in (photo, photo.read_bytes(), astronaut, astronaut[..., 0]):
        told, expected = asked(picture), recognizer(picture)
        assert (told.source, told.width, told.height) == (expected.source, expected.width, expected.height)
        [face], [same] = told, expected
        assert (face.label, face.uncertain, face.id) == (same.label, same.uncertain, same.id)
        assert face.probabilities == pytest.approx(same.probabilities, abs=1e-4)
        assert face.box == pytest.approx(same.box, abs=0.06)
        assert face.landmarks[0] == pytest.approx(same.landmarks[0], abs=0.06)
    assert asked(photo, detect=False).faces[0].box is None
    assert asked(np.zeros((48, 48), np.uint8)).faces == ()


def test_many_pictures_go_several_in_a_request(asked: mien.Client, server, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(photo.read_bytes()[:3000])
    pictures = [photo] * 17 + [tmp_path / "torn.jpg"] + [photo] * 3
    before = len([one for one in server.log() if one["path"] == "/v1/predict/batch"])
    readings = list(asked.predict_many(pictures))
    assert [reading.source for reading in readings] == [str(one) for one in pictures]
    assert [len(reading) for reading in readings] == [1] * 17 + [0] + [1] * 3
    assert "damaged" in readings[17].error
    assert len([one for one in server.log() if one["path"] == "/v1/predict/batch"]) <= before + 2


def test_all_ways_to_ask_are_alike(asked: mien.Client, server, photo: Path) -> None:
    async def others(how: dict[str, object]) -> list[mien.Reading]:
        async with mien.AsyncClient(server.address) as client:
            many = [one async for one in client.predict_many([photo], **how)]
            return [await client(photo, **how), await client.predict(photo, **how), *many]

    readings = []
    for how in ({"model": "small", "detect": False}, {"detect": False}, {"model": "small"}, {}):
        readings.append(asked(photo, **how))
        alike = [asked.predict(photo, **how), *asked.predict_many([photo], **how), *asyncio.run(others(how))]
        assert alike == readings[-1:] * 5
    assert len({(one.faces[0].box, *one.faces[0].probabilities.values()) for one in readings}) == 4


def test_a_token_opens_the_server(serve, photo: Path) -> None:
    token = "a-token-of-some-length"
    address = serve("--token", token).address
    with mien.Client(address, token=token) as client:
        assert client(photo).faces[0].label == "happy"
    for other in ("", token[::-1]):
        with mien.Client(address, token=other) as client, pytest.raises(mien.ServerError) as refused:
            client(photo)
        assert refused.value.code == "no_token"


def test_neither_photos_nor_the_token_go_to_a_proxy(server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async def ask() -> tuple[object, ...]:
        async with mien.AsyncClient(server.address) as client:
            return await client.networks()

    with mien.Client(server.address) as client:
        assert client.networks() == asyncio.run(ask()) != ()


def test_one_picture_of_many_that_cant_be_read_has_its_error(asked: mien.Client, photo: Path, tmp_path: Path) -> None:
    data = photo.read_bytes()
    odd = tmp_path / os.fsdecode(b"\xff.jpg") if sys.platform == "linux" else photo
    odd.write_bytes(data)
    large, larger = (data + bytes(size << 20) for size in (17, 65))  # than a picture may be, and than a request
    pictures = [photo, tmp_path / "none.jpg", "a\0b", np.zeros((4, 4)), odd, large, larger, photo]
    readings = list(asked.predict_many(pictures))
    assert [len(one) for one in readings] == [1, 0, 0, 0, 1, 0, 0, 1]
    said = (
        "",
        "none.jpg: can't be read",
        "null",
        "float64",
        "",
        "limit of 16,777,216 bytes",
        "limit of 67,108,864",
        "",
    )
    for reading, words in zip(readings, said, strict=True):
        assert words in reading.error
        assert bool(words) == bool(reading.error)
    assert readings[1].source == str(tmp_path / "none.jpg")
    assert [one.error != "" for one in asked.predict_many([tmp_path / "none.jpg"])] == [True]


def test_many_pictures_for_a_server_that_takes_few_at_once(serve, photo: Path) -> None:
    with mien.Client(serve("--queue", "3").address) as client:
        assert [len(one) for one in client.predict_many([photo] * 7)] == [1] * 7


def test_many_pictures_past_a_proxy_that_takes_small_requests() -> None:
    """As nginx does by default; one alone that is too large for it has its error, which says what to raise."""

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"]))
            pictures = [{"width": 9, "height": 8, "faces": []}] * sent.count(b"filename=")
            large = len(sent) > 1 << 20
            body = b"<html>" if large else json.dumps({"pictures": pictures}).encode()
            self.send_response(413 if large else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        with mien.Client(f"http://127.0.0.1:{proxy.server_port}") as client:
            readings = list(client.predict_many([bytes(300_000), bytes(2 << 20), *[bytes(300_000)] * 6]))
            assert [one.width for one in readings] == [9, 0, *[9] * 6]
            assert "HTTP 413: a proxy before it takes less; raise its limit (nginx: client_max" in readings[1].error
            with pytest.raises(mien.ServerError, match="client_max_body_size 65m"):
                client(bytes(2 << 20))
        proxy.shutdown()


@pytest.fixture
def answering() -> Iterator[Callable[[bytes, dict[str, str]], str]]:
    """Starts servers that say the same to everyone; gives the address, and `asked`: what was sent."""
    with ExitStack() as stack:

        def begin(body: bytes, headers: dict[str, str], status: int = 200) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    begin.asked.append(self.rfile.read(int(self.headers.get("content-length", 0))))
                    self.send_response(status)
                    for name, value in ({"content-length": str(len(body))} | headers).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

                do_POST = do_GET

                def log_message(self, *words: object) -> None: ...

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        begin.asked = []
        yield begin


def mistyped() -> Iterator[dict[str, object]]:
    """Answers to every call in which one value is of a wrong type."""
    face = {
        "face": None, "label": "sad", "confidence": 0.9, "uncertain": False, "probabilities": {"sad": 0.9},
        "box": None, "landmarks": None, "detection": None,
    }  # fmt: skip
    network = {
        "name": "small", "kind": "int8", "classes": ["sad"], "uncertain_below": 0.3, "parameters": 9,
        "accuracy": None, "balanced_accuracy": None,
    }  # fmt: skip
    models: list[dict[str, object]] = [network | {"classes": "sad"}, network | {"accuracy": "high"}]
    pictures: list[dict[str, object]] = [
        {"error": {"code": "bad_picture", "message": None}}, {"width": 9, "height": 9, "faces": {}},
        {"width": "a", "height": 9, "faces": []}, {"width": 9, "height": 9, "faces": [face | {"confidence": "high"}]},
        {"width": 9, "height": 9, "faces": [face | {"box": [1, 2]}]},
    ]  # fmt: skip
    for picture in pictures:
        yield picture | {"pictures": [picture], "models": models[:1]}
    yield pictures[0] | {"pictures": [], "models": models[1:]}


def test_an_answer_with_more_in_it_is_taken(answering, photo: Path) -> None:
    face = Face("sad", 1, False, {"sad": 1}, (1, 2, 3, 4), ((1, 2),) * 5, 0.9)
    picture = {"width": 9, "height": 8, "faces": [face.as_json() | {"age": 7}], "timings": {}}
    body = picture | {"pictures": [picture, {"error": {"code": "bad_picture", "message": "torn"}}], "more": 1}
    with mien.Client(answering(json.dumps(body).encode(), {})) as client:
        expected = mien.Reading(str(photo), width=9, height=8, faces=(face,))
        assert client(photo) == expected
        assert list(client.predict_many([photo, b""])) == [expected, mien.Reading("bytes", error="torn")]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("wait", "least", "most"), [("0", 3, 5), ("9", 1, 1)])
def test_a_busy_server_is_asked_again_when_it_says_and_not_all_the_time(
    answering, photo: Path, wait: str, least: int, most: int, status: int
) -> None:
    """Where it says 0, after 0, 0.1, 0.3, 0.7 and 1.5 seconds; not at all where that is beyond one's patience."""
    body = b'{"error": {"code": "busy", "message": "full"}}'
    with (
        mien.Client(answering(body, {"retry-after": wait}, status), patience=1.5) as client,
        pytest.raises(mien.ServerError, match="full"),
    ):
        client(photo)
    assert least <= len(answering.asked) <= most


@pytest.mark.parametrize(("calls", "timeout", "said"), [(8, 2, "()"), (1, 0.2, "fell silent, or is slow")])
def test_waiting_for_a_connection_is_no_silence(
    calls: int, timeout: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two calls at a time go to a server that takes 0.7 s; the last of 8 is longer under way than it may be silent."""
    limits = httpx.Limits
    monkeypatch.setattr(httpx, "Limits", lambda **how: limits(**how | {"max_connections": 2}))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.7)
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{"models": []}')
        finally:
            writer.close()

    async def many() -> list[object]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with mien.AsyncClient(address, timeout=timeout) as client:
                return await asyncio.gather(*(client.networks() for _ in range(calls)), return_exceptions=True)

    assert all(said in str(one) for one in asyncio.run(many()))


def test_a_servers_odd_answer_is_told_so(answering, photo: Path) -> None:
    date, before = {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0
    for body, headers, status in (
        (b"<html>", {}, 200), (b"{}", {}, 200), (b"[]", {}, 200), (b"7", {}, 200), (b'{"faces": [1]}', {}, 200),
        (b'{"pictures": [], "models": [{}], "faces": {}}', {}, 200), (b"", date, 503), (b"[]", {}, 500),
        (b'{"error": []}', {}, 500), (b"", {"location": "/x"}, 302),
        (b"[" * 200_000, {}, 200), (b"[" * 200_000, {}, 500),
        (b'{"error": {"code": "busy", "message": null}}', {}, 500),
        *((json.dumps(told).encode(), {}, 200) for told in mistyped()),
    ):  # fmt: skip
        with mien.Client(answering(body, headers, status)) as client:
            for ask in (client.networks, lambda: client(photo), lambda: list(client.predict_many([photo]))):
                with pytest.raises(mien.ServerError, match=f"HTTP {status}") as told:
                    ask()
                assert (told.value.status, told.value.code) == (status, "")
                assert len(answering.asked) == (before := before + 1)  # no second time
    assert not any(photo.name.encode() in sent for sent in answering.asked)
    assert any(photo.read_bytes() in sent for sent in answering.asked)


def test_what_a_server_says_doesnt_steer_the_terminal(answering, photo: Path) -> None:
    steering = "\x1b]52;c;Y3VybA==\x07"
    refused = json.dumps({"error": {"code": "bad_request", "message": steering}}).encode()
    with mien.Client(answering(refused, {}, 400)) as client, pytest.raises(mien.ServerError) as error:
        client(photo)
    assert steering not in str(error.value)
    face = {"label": steering, "confidence": 0.9, "uncertain": False, "probabilities": {steering: 1.0}, "box": None}
    face |= {"landmarks": None, "detection": None, "face": None}
    read = json.dumps({"width": 9, "height": 9, "faces": [face], "pictures": []}).encode()
    with mien.Client(answering(read, {})) as client:
        [face] = client(photo)
    assert face.label == "\N{REPLACEMENT CHARACTER}]52;c;Y3VybA==\N{REPLACEMENT CHARACTER}"
    assert list(face.probabilities) == [face.label]


def test_what_is_no_address_and_no_token() -> None:
    for make in (mien.Client, mien.AsyncClient):
        with pytest.raises(mien.MienError, match=r"not an address, .* Do you mean http://localhost:8000\?"):
            make("localhost:8000")
        for address in ("", "http://", "HTTPS:///", "ftp://a", "//a", "http://[::", "http://a..b"):
            with pytest.raises(
                mien.MienError, match=rf"{re.escape(repr(address))}: not an address.*, which is http://"
            ):
                make(address)
        assert "HTTP://localhost:8000" in repr(make("HTTP://localhost:8000"))
        for token in ("é", "a\nb"):
            with pytest.raises(mien.MienError, match="token"):
                make(token=token)
        for timeout in (-1, 0, float("nan"), float("inf"), None):
            with pytest.raises(mien.MienError, match="timeout"):
                make(timeout=timeout)


def test_it_lets_go_of_an_idle_connection_before_the_server_does() -> None:
    limits = Calls("http://127.0.0.1", "", 60, 30).options["limits"]
    assert limits.keepalive_expiry < uvicorn.Config(app="").timeout_keep_alive
    default = inspect.signature(httpx.Client).parameters["limits"].default
    assert (limits.max_connections, limits.max_keepalive_connections) == (
        default.max_connections, default.max_keepalive_connections,
    )  # fmt: skip


def test_what_is_there_and_what_goes_wrong(asked: mien.Client, photo: Path, tmp_path: Path) -> None:
    first, *others = asked.networks()
    assert (first.name, first.kind, len(first.classes)) == ("small:int8", "int8", 7)
    assert "small" in [one.name for one in others]
    assert asked(photo, model="small").faces[0].label == "happy"
    with pytest.raises(mien.ServerError, match="no network") as refused:
        asked(photo, model="nothing")
    assert (refused.value.code, refused.value.status) == ("unknown_model", 404)
    with pytest.raises(mien.MediaError, match="not an image"):
        asked(b"hello")
    with pytest.raises(mien.MediaError, match="can't be read"):
        asked(tmp_path / "none.jpg")
    with pytest.raises(mien.MediaError, match="float64"):
        asked(np.zeros((48, 48)))
    with pytest.raises(mien.ServerError, match="mien serve"):
        mien.Client("http://127.0.0.1:9")(photo)


def test_it_waits_while_the_server_is_busy(serve, crop_files: list[bytes]) -> None:
    served = serve("--queue", "32")

    async def many(patience: float) -> list[object]:
        async with mien.AsyncClient(served.address, patience=patience) as client:
            asked = (client.predict(one, detect=False) for one in crop_files[:100])
            return await asyncio.gather(*asked, return_exceptions=True)

    patient = asyncio.run(many(30))
    assert all(isinstance(one, mien.Reading) and len(one) == 1 for one in patient)
    errors = [one for one in asyncio.run(many(0)) if not isinstance(one, mien.Reading)]
    assert errors
    assert {(one.code, one.status) for one in errors} == {("busy", 429)}


def test_the_async_client_does_the_same(server, photo: Path) -> None:
    async def ask() -> None:
        async with mien.AsyncClient(server.address) as client:
            assert (await client(photo)).faces[0].label == "happy"
            assert [len(one) async for one in client.predict_many([photo, b"nothing"])] == [1, 0]
            assert (await client.networks())[0].name == "small:int8"
            with pytest.raises(mien.MediaError):
                await client(b"hello")

    asyncio.run(ask())


def test_what_is_no_picture_is_told_so_and_doesnt_stop_the_others(asked: mien.Client, photo: Path) -> None:
    image = Image.new("RGB", (4, 4))
    with pytest.raises(mien.MediaError, match=r"numpy\.asarray"):
        asked(image)
    readings = list(asked.predict_many([photo, image, 7]))
    assert [len(one) for one in readings] == [1, 0, 0]
    assert [one.error.partition(", not ")[2].partition(".")[0] for one in readings[1:]] == ["Image", "int"]
    for one in (str(photo), photo, photo.read_bytes(), np.zeros((9, 9, 3), np.uint8), 7, None):
        with pytest.raises(mien.MediaError, match="a list of them"):
            next(asked.predict_many(one))


def test_a_closed_client_says_so(server, photo: Path) -> None:
    client, later = mien.Client(server.address), mien.AsyncClient(server.address)
    client.close()
    asyncio.run(later.close())
    for ask in (lambda: client(photo), lambda: asyncio.run(later(photo))):
        with pytest.raises(mien.ServerError, match="is closed"):
            ask()


def test_an_async_client_of_another_event_loop_says_so() -> None:
    client = mien.AsyncClient("http://127.0.0.1:9")
    for said in ("no answer", r"make a client in each asyncio\.run"):
        with pytest.raises(mien.ServerError, match=said):
            asyncio.run(client.networks())


def test_the_async_client_holds_one_request_s_pictures_at_a_time(
    server, monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    """Each of these pictures fills a request, so none is read before the one before it was asked about."""
    monkeypatch.setattr("mien.client.files.TOGETHER_BYTES", 1)
    read, answered = 0, 0

    def counted(picture: object) -> File:
        nonlocal read
        read += 1
        assert read <= answered + 2  # the one that is asked about, and the one that told that it is alone
        return as_file(picture)

    monkeypatch.setattr("mien.client.files.as_file", counted)

    async def ask() -> None:
        nonlocal answered
        async with mien.AsyncClient(server.address) as client:
            async for reading in client.predict_many([photo] * 4):
                assert len(reading) == 1
                answered += 1

    asyncio.run(ask())
    assert (read, answered) == (4, 4)


def test_a_server_that_hangs_up_while_a_picture_is_sent(server) -> None:
    large = bytes(64 << 20)

    async def ask() -> None:
        async with mien.AsyncClient(server.address) as client:
            await client(large)

    with pytest.raises(mien.ServerError, match="larger than"):  # in the server's own words, or the client's guess
        asyncio.run(ask())


def test_while_an_array_is_packed_the_event_loop_goes_on(server, monkeypatch: pytest.MonkeyPatch) -> None:
    packing, seen = threading.Event(), threading.Event()

    def pack(picture: object) -> File:
        packing.set()
        assert seen.wait(10)  # the loop, which goes on meanwhile, sets it
        return as_file(picture)

    monkeypatch.setattr("mien.client.clients.as_file", pack)
    monkeypatch.setattr("mien.client.files.as_file", pack)

    async def look() -> None:
        while not packing.is_set():
            await asyncio.sleep(0.01)
        seen.set()

    async def ask() -> None:
        face = np.zeros((48, 48), np.uint8)
        async with mien.AsyncClient(server.address) as client:
            for call in (client.predict(face, detect=False), anext(client.predict_many([face], detect=False))):
                packing.clear()
                seen.clear()
                reading, _ = await asyncio.gather(call, look())
                assert len(reading) == 1

    asyncio.run(ask())


def test_a_server_with_its_own_certificate(serve, certificate: tuple[Path, Path], photo: Path, tmp_path: Path) -> None:
    own, key = certificate
    address = serve("--certificate", str(own), "--key", str(key)).address
    with mien.Client(address, certificate=own) as client:
        assert client(photo).faces[0].label == "happy"
    with mien.Client(address) as client, pytest.raises(mien.ServerError, match=r"isn't trusted .*certificate="):
        client(photo)
    for wrong, said in ((key, "not a certificate"), (tmp_path / "none.pem", "can't be read")):
        with pytest.raises(mien.MienError, match=said):
            mien.AsyncClient(address, certificate=wrong)
