"""What the server answers, asked over HTTP."""

import asyncio
import io
import json
import mimetypes
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pictures import png
from PIL import Image
from websockets.asyncio.client import connect

import mien
from mien.cli import main
from mien.errors import CheckpointError, MienError
from mien.server import browser, networks
from mien.server.answers import BatchPrediction, ErrorAnswer, ModelsAnswer, Prediction
from mien.server.app import create_app
from mien.server.settings import Settings
from mien.shipped import BOX, INT8


def test_a_photo_as_bytes_and_as_a_form_is_read_as_recognizer_reads_it(client: httpx.Client, picture: bytes) -> None:
    as_bytes = client.post("/v1/predict", content=picture, headers={"content-type": "image/jpeg"})
    as_form = client.post("/v1/predict", files={"file": ("photo.jpg", picture)})
    faces = [face.as_json() for face in mien.Recognizer()(picture)]
    for answer in (as_bytes, as_form):
        assert answer.status_code == 200
        told = Prediction.model_validate_json(answer.content)
        assert (told.model, told.device, told.width, told.height) == ("small:int8", "cpu", 512, 512)
        [face] = answer.json()["faces"]
        assert face["label"] == "happy"
        assert face["probabilities"] == pytest.approx(faces[0]["probabilities"], abs=1e-4)
        assert {key: face[key] for key in ("box", "landmarks")} == {key: faces[0][key] for key in ("box", "landmarks")}
        assert answer.headers["x-request-id"] == told.request_id
        assert told.timings_ms.total > told.timings_ms.detect > 0
    assert client.post("/v1/predict?detect=false", content=picture).json()["faces"][0]["box"] is None


def test_the_short_way_answers_as_the_framework_does(client: httpx.Client, picture: bytes) -> None:
    twice = "detect=false&detect=false"  # which only the framework judges
    short, long = (client.post(f"/v1/predict?{query}", content=picture) for query in ("detect=false", twice))
    assert (short.status_code, long.status_code) == (200, 200)
    assert short.json()["faces"] == long.json()["faces"]
    assert short.json().keys() == long.json().keys()
    assert short.headers.keys() == long.headers.keys()


def test_a_batch_answers_each_picture_or_says_why_not(client: httpx.Client, picture: bytes) -> None:
    sent = [("file", ("a.jpg", picture)), ("file", ("b.jpg", b"nothing")), ("file", ("c.jpg", picture))]
    answer = client.post("/v1/predict/batch", files=sent)
    assert answer.status_code == 200
    told = BatchPrediction.model_validate_json(answer.content)
    assert [(one.name, len(one.faces), one.error and one.error.code) for one in told.pictures] == [
        ("a.jpg", 1, None), ("b.jpg", 0, "bad_picture"), ("c.jpg", 1, None),
    ]  # fmt: skip
    many = client.post("/v1/predict/batch", files=[("file", ("a.png", picture))] * 33)
    assert (many.status_code, "32" in many.json()["error"]["message"]) == (400, True)


def test_each_picture_of_a_batch_has_the_limit_of_a_single_one(serve, picture: bytes) -> None:
    with serve("--max-bytes", str(len(picture)), "--queue", "4").client() as client:
        sent = [("file", ("a", picture)), ("file", ("b", picture + b"1")), ("file", ("c", b"nothing"))]
        told = BatchPrediction.model_validate_json(client.post("/v1/predict/batch", files=sent).content)
        assert [one.error and one.error.code for one in told.pictures] == [None, "too_large", "bad_picture"]
        many = client.post("/v1/predict/batch", files=[("file", ("a", b"nothing"))] * 5)
        assert (many.status_code, "4" in many.json()["error"]["message"]) == (400, True)
        assert client.get("/v1/models").json()["limits"]["pictures"] == 4


def test_a_name_that_cant_be_sent_back(client: httpx.Client, picture: bytes) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="\\ud800.jpg"\r\n\r\n' + picture
    kind = {"content-type": "multipart/form-data; boundary=b; charset=unicode_escape"}
    told = client.post("/v1/predict/batch", content=part + b"\r\n--b--\r\n", headers=kind)
    assert (told.status_code, told.json()["pictures"][0]["name"]) == (200, "?.jpg")


def test_the_networks_may_be_chosen(client: httpx.Client, picture: bytes) -> None:
    told = ModelsAnswer.model_validate_json(client.get("/v1/models").content)
    assert told.default == "small:int8"
    assert {"small", "small:int8"} <= {one.name for one in told.models}
    by_name = {one.name: one for one in told.models}
    assert by_name["small"].accuracy == mien.Net("small").card.scores["after"]["val"]["accuracy"]
    assert by_name["small:int8"].accuracy == mien.Net("small").card.scores["int8"]["val"]["accuracy"]
    assert [by_name[name].kind for name in ("small", "small:int8")] == ["float32", "int8"]
    assert by_name["small"].trained_on == mien.Net("small").card.data.source
    assert by_name["small"].bytes > by_name["small:int8"].bytes
    answer = client.post("/v1/predict?model=small:int8", content=picture).json()
    assert (answer["model"], answer["faces"][0]["label"]) == ("small:int8", "happy")
    for name in ("nothing", "/etc/passwd", "../small"):
        refused = client.post("/v1/predict", params={"model": name}, content=picture)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_model")


def test_every_network_must_be_there_at_the_start_but_neednt_stay_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(CheckpointError, match=r"typo: no such file\. Name a \.onnx file, a run folder"):
        create_app(Settings(models=("small", str(tmp_path / "typo"))))
    run, damaged = tmp_path / "run", tmp_path / "damaged.onnx"
    shutil.copytree(BOX / "small", run)
    damaged.write_bytes(b"nothing")
    app = create_app(Settings(models=("small:int8", str(damaged), str(run))))

    async def told() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            refused = await client.post("/v1/predict", params={"model": str(damaged)}, content=b"a")
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_model")
            assert "damaged" in refused.json()["error"]["message"]
            return [one["name"] for one in (await client.get("/v1/models")).json()["models"]]

    assert asyncio.run(told()) == ["small:int8", str(run)]
    [left_out] = [one for one in caplog.records if one.message == "left out"]
    assert left_out.fields["model"] == str(damaged)
    shutil.rmtree(run)
    assert asyncio.run(told()) == ["small:int8", str(run)]
    app.state.reader.close()


def test_a_network_that_the_device_cant_run_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    app, own = create_app(Settings(models=("small", "small:int8"))), networks.Net

    def net(name: str, **options: Any) -> Any:
        if name == "small:int8":
            raise MienError("small:int8: can't be run on openvino.")
        return own(name, **options)

    monkeypatch.setattr(networks, "Net", net)
    assert [served.name for served in asyncio.run(app.state.reader.networks.all())] == ["small"]
    app.state.reader.close()


def test_an_int8_file_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    own = shutil.copy(BOX / "small" / INT8, tmp_path / "own.onnx")
    app = create_app(Settings(models=(str(own),)))
    assert asyncio.run(app.state.reader.networks.get(None)).as_json()["kind"] == "int8"
    app.state.reader.close()


def test_a_picture_with_the_offer_of_another_protocol_is_read(server, crop_files: list[bytes]) -> None:
    """As Java's HttpClient sends it; alone, two at once, in pieces, and where the connection ends with it."""
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"

    def sent(more: str = "", version: str = "1.1") -> bytes:
        line = f"POST /v1/predict?detect=false HTTP/{version}\r\nHost: 127.0.0.1\r\n"
        return f"{line}{offer}{more}Content-Length: {len(crop_files[0])}\r\n\r\n".encode() + crop_files[0]

    last = sent("Connection: close\r\n")
    host, _, port = server.address.removeprefix("http://").partition(":")
    for pieces in ([last], [sent() + last], [last[:50], last[50:250], last[250:]], [sent(version="1.0")]):
        with socket.create_connection((host, int(port)), 10) as line:
            for piece in pieces:
                line.sendall(piece)
                time.sleep(0.05)
            told = b"".join(iter(lambda line=line: line.recv(10_000), b""))
        count = b"".join(pieces).count(b"POST")
        assert (told.count(b" 200 OK"), told.count(b'"label":')) == (count, count), told


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG"])
def test_a_picture_is_one_under_the_kind_that_curl_says(client: httpx.Client, form: str) -> None:
    held = io.BytesIO()
    Image.new("RGB", (48, 48)).save(held, form)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/v1/predict?detect=false", content=held.getvalue(), headers=kind).status_code == 200


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"files": {"file": b"a"}, "data": {"model": "small"}}, "'model' in this form; write ?model= into the address"),
        ({"files": {"image": b"a"}}, "'image' in this form; the pictures are in 'file'"),
        ({"files": {"file": (None, b"photo.jpg")}}, "'file' is text, not a file; with curl: -F file=@photo.jpg"),
        ({"files": {"file": (None, bytes(2 << 20))}}, "'file' is text, not a file"),
    ],
)
def test_a_form_that_is_wrong_is_told_how_it_is_right(client: httpx.Client, sent: dict, said: str) -> None:
    answer = client.post("/v1/predict", **sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "sent", "status", "code"),
    [
        ("/v1/predict", {"content": b""}, 400, "bad_picture"),
        ("/v1/predict", {"content": b"hello"}, 400, "bad_picture"),
        ("/v1/predict", {"content": b"\xff\xd8\xff\xe0" + bytes(90)}, 400, "bad_picture"),
        ("/v1/predict", {"files": {"picture": b"a"}}, 400, "bad_request"),
        ("/v1/predict", {"files": [("file", b"a"), ("file", b"b")]}, 400, "bad_request"),
        ("/v1/predict", {"data": {"file": "a"}}, 415, "wrong_media"),
        ("/v1/predict", {"content": b"x", "headers": {"content-encoding": "gzip"}}, 415, "wrong_media"),
        ("/v1/predict", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "bad_request"),
        ("/v1/predict?detct=false", {"content": b"x"}, 422, "bad_parameter"),
        ("/v1/predict?detect=perhaps", {"content": b"x"}, 422, "bad_parameter"),
        ("/v1/nothing", {"content": b"x"}, 404, "not_found"),
        (
            "/v1/predict/",
            {"content": b"x"},
            404,
            "not_found",
        ),  # a proxy may have another path for it
        ("/v1/models", {"content": b"x"}, 405, "wrong_method"),
    ],
)
def test_what_cant_be_answered_is_told_in_one_way(
    client: httpx.Client, path: str, sent: dict, status: int, code: str
) -> None:
    answer = client.post(path, **sent)
    told = ErrorAnswer.model_validate_json(answer.content)
    assert (answer.status_code, told.error.code) == (status, code)
    assert told.error.message
    assert told.request_id == answer.headers["x-request-id"]


def test_the_page_and_how_it_is(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert client.get("/static/index.html").content == page.content
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    for path in ("/", "/healthz", "/v1/models", "/static/main.js"):
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(client.get(path).content))
    assert client.head("/v1/predict").status_code == 405


def test_the_metrics_count(client: httpx.Client, picture: bytes) -> None:
    def told() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    before = told()
    client.post("/v1/predict", content=picture)
    client.post("/v1/predict", content=b"nothing")
    client.get("/a-client-s-own-words")
    after = told()
    assert not any("own-words" in name for name in after)  # else their number had no end
    for name in ("mien_faces_total", "mien_pictures_total", 'mien_refused_total{code="bad_picture"}'):
        assert after[name] == before.get(name, 0) + 1
    assert after["mien_queue_limit"] == 128


def test_the_metrics_count_pictures_of_batches_and_streams(client: httpx.Client, picture: bytes) -> None:
    def counted() -> list[float]:
        names = 'mien_refused_total{code="bad_picture"}', "mien_pictures_total", "mien_faces_total"
        told = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines())
        return [float(told.get(name, 0)) for name in names]

    async def stream() -> None:
        async with connect(str(client.base_url.copy_with(scheme="ws", path="/v1/stream"))) as socket:
            for sent in (b"nothing", picture):
                await socket.send(sent)
                await socket.recv()

    before = counted()
    client.post("/v1/predict/batch", files=[("file", ("a.jpg", sent)) for sent in (b"nothing", picture)] * 2)
    assert counted() == [count + 2 for count in before]
    asyncio.run(stream())
    assert counted() == [count + 3 for count in before]


def test_the_examples_of_the_openapi_document_are_what_it_says(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/predict", "/v1/predict/batch", "/v1/models", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    [example] = document["components"]["schemas"]["Prediction"]["examples"]
    assert Prediction.model_validate(example)
    assert json.dumps(document).count('"examples"') > 5
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, ways in document["paths"].items():
        [way] = ways.values()
        guarded = path.startswith("/v1/") or path == "/metrics"
        assert way.get("security") == ([{"token": []}] if guarded else None)
        assert {"403", "500", "503"} | ({"401", "429"} if guarded else set()) <= way["responses"].keys()


def test_the_golden_set_is_answered_as_by_the_network(client: httpx.Client) -> None:
    """The same drawn faces as in tests/recognition, one by one and in a batch."""
    faces = mien.drawn_faces(70).val.images
    expected = mien.Net("small:int8")(faces)
    files = [png(face) for face in faces]
    one_by_one = [client.post("/v1/predict?detect=false", content=file).json() for file in files]
    form = [("file", ("face.png", file)) for file in files]
    batch = client.post("/v1/predict/batch?detect=false", files=form).json()["pictures"]
    for told in (one_by_one, batch):
        probabilities = [list(one["faces"][0]["probabilities"].values()) for one in told]
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    other = client.post("/v1/predict/batch?detect=false&model=small", files=form).json()["pictures"]
    probabilities = [list(one["faces"][0]["probabilities"].values()) for one in other]
    np.testing.assert_allclose(probabilities, mien.Net("small")(faces), atol=1e-4)
    assert np.abs(np.array(probabilities) - expected).max() > 1e-3  # it is another network


def test_a_browser_takes_the_pages_files_where_the_system_knows_other_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as Windows, where an editor may have made a script a text."""
    kinds = {
        "/": "text/html",
        "/static/main.js": "text/javascript",
        "/static/style.css": "text/css",
        "/static/mark.svg": "image/svg+xml",
        "/browser/a.mjs": "text/javascript",
        "/browser/a.wasm": "application/wasm",
    }
    mimetypes.guess_type("")  # reads what the system has
    for name in ("x.html", *kinds):
        monkeypatch.setitem(mimetypes.types_map, Path(name).suffix, "text/plain")
    monkeypatch.setattr("mien.server.browser._runtime", lambda: tmp_path)
    for name in ("a.mjs", "a.wasm"):
        (tmp_path / name).touch()
    app = create_app(Settings(in_browser=True))

    async def ask() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return [(await client.get(path)).headers["content-type"].partition(";")[0] for path in kinds]

    assert asyncio.run(ask()) == list(kinds.values())
    app.state.reader.close()


def test_the_page_runs_no_program_from_the_folder_that_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in browser.RUNTIME:
        (tmp_path / "here" / browser.BUILD).mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / browser.BUILD / name).touch()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(browser, "__file__", str(tmp_path / "there" / "src" / "mien" / "server" / "browser.py"))
    with pytest.raises(MienError, match=r"--prefix \".*there.build.browser\", and"):
        browser._runtime()


def test_by_default_it_reads_as_many_side_by_side_as_it_may_use_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an affinity, or in a container with a cpuset, those are fewer than the machine has."""
    asked: list[Settings] = []
    monkeypatch.setattr("mien.session.cores", lambda: 3)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("mien.server.run.serve", lambda settings, **how: asked.append(settings))
    assert main(["serve"]) == 0
    assert asked[0].workers == 3


def test_every_option_of_the_command_line_is_a_setting_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Settings, dict[str, Any]]] = []
    monkeypatch.setattr("mien.server.run.serve", lambda settings, **how: asked.append((settings, how)))
    files = {"certificate": Path("a.pem"), "key": Path("b.pem")}
    numbers: dict[str, float] = {
        "port": 1, "queue": 20, "workers": 3, "batch": 4, "timeout": 5.0, "drain": 6.0, "max_bytes": 7000,
        "max_pixels": 8, "rate": 9.0, "certain": 0.1,
    }  # fmt: skip
    texts = {"host": "::1", "token": 16 * "t", "device": "cuda"}
    lists = {"models": ("small", "flagship"), "origins": ("http://a", "http://b")}
    line = [f"--{name.replace('_', '-')}={value}" for name, value in (files | numbers | texts).items()]
    line += ["--model=small", "--model=flagship", "--cors=http://a", "--cors=http://b", "--log=error"]
    assert main(["serve", *line, "--no-auth", "--in-browser"]) == 0
    [(settings, how)] = asked
    given = {**files, **numbers, **texts, **lists, "max_pictures": 20, "open_to_all": True, "in_browser": True}
    assert settings == Settings(**given)
    assert how["level"] == "error"
