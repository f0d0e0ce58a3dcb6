"""`mien serve --in-browser`: the page runs the networks, and answers as the server does."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mien.data.drawn import drawn_faces
from mien.recognition.detect import Detection
from mien.recognition.track import Tracker

SAME = ("width", "height", "classes", "uncertain_below", "model")

READ = """async ({ files, model, detect }) => {
  const [{ Browser }, { load }] = await Promise.all([import("/static/browser.js"), import("/static/server.js")]);
  const { page, models } = await load();
  window.reader ??= new Browser(page, models);
  const answers = [];
  for (const file of files) {
    const blob = new Blob([Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0))]);
    answers.push(await window.reader.read(blob, { model, detect }));
  }
  return answers;
}"""


@pytest.fixture(scope="module")
def page(chromium: Any, in_browser: Any) -> Any:
    """A bare document of the server's for all: it takes a while until the networks are ready."""
    with chromium.new_context() as context:
        context.set_default_timeout(90_000)
        page = context.new_page()
        page.goto(f"{in_browser.address}/page.json")
        yield page


def both(page: Page, served: Any, files: list[bytes], model: str, detect: bool) -> tuple[list[Any], list[Any]]:
    """What the page answers, and what the server does."""
    coded = [base64.b64encode(file).decode() for file in files]
    inside = page.evaluate(READ, {"files": coded, "model": model, "detect": detect})
    with served.client(params={"model": model, "detect": str(detect).lower()}) as client:
        outside = [client.post("/v1/predict", files={"file": file}).json() for file in files]
    return inside, outside


def test_the_golden_set_is_answered_as_by_the_server(page: Page, in_browser: Any, tmp_path: Path) -> None:
    faces = drawn_faces(70).val.images
    faces = np.concatenate([faces, faces[:1] // 24])  # so dark that it can't be told
    files = []
    for face in faces:
        Image.fromarray(face).save(tmp_path / "face.png")
        files.append((tmp_path / "face.png").read_bytes())
    for model in ("small", "small:int8"):
        inside, outside = both(page, in_browser, files, model, detect=False)
        chances = [[list(one["faces"][0]["probabilities"].values()) for one in some] for some in (inside, outside)]
        apart = np.abs(np.subtract(*chances)).max()
        print(f"\n{len(faces)} drawn faces, {model}: probabilities differ by up to {apart:.5f}")
        assert apart < 1e-3
        assert [one["faces"][0]["label"] for one in inside] == [one["faces"][0]["label"] for one in outside]
        assert {one["device"] for one in inside} == {"browser"}
        doubtful = [[one["faces"][0]["uncertain"] for one in some] for some in (inside, outside)]
        assert doubtful[0] == doubtful[1]
        assert doubtful[0][-1]


@pytest.mark.parametrize("model", ["small", "small:int8"])
def test_photos_are_answered_as_by_the_server(
    page: Page, in_browser: Any, files: dict[str, Path], photo: Path, model: str
) -> None:
    """A PNG, a JPEG, three faces, and a photo that is looked at in tiles: boxes within a pixel, shares within 0.005."""
    scene = cv2.imread(str(files["scene"]))
    large = np.full((1280, 1400, 3), 90, np.uint8)
    large[660:1260, 300:1300] = scene
    sent = [files["photo"].read_bytes(), photo.read_bytes(), files["scene"].read_bytes()]
    sent.append(cv2.imencode(".png", large)[1].tobytes())
    inside, outside = both(page, in_browser, sent, model, detect=True)
    assert [len(one["faces"]) for one in outside] == [1, 1, 3, 3]
    apart = {"box": 0.0, "landmarks": 0.0, "detection": 0.0, "probabilities": 0.0}
    for one, other in zip(inside, outside, strict=True):
        assert set(one) | {"request_id"} == set(other)
        assert [one[name] for name in SAME] == [other[name] for name in SAME]
        assert len(one["faces"]) == len(other["faces"])
        for here, there in zip(one["faces"], other["faces"], strict=True):
            assert set(here) == set(there)
            for name in apart:
                numbers = [
                    np.array(list(f[name].values()) if name == "probabilities" else f[name]) for f in (here, there)
                ]
                apart[name] = max(apart[name], float(np.abs(np.subtract(*numbers)).max()))
    times = [[round(one["timings_ms"]["total"]) for one in some] for some in (inside, outside)]
    print(f"\nphotos, {model}: largest differences {apart}; ms in the page {times[0]}, on the server {times[1]}")
    assert apart["box"] < 1
    assert apart["landmarks"] < 1
    assert apart["detection"] < 0.005
    assert apart["probabilities"] < 0.005


def test_crops_are_fitted_as_by_the_server(page: Page, in_browser: Any, astronaut: np.ndarray) -> None:
    head = astronaut[60:175, 180:270, ::-1]
    crops = [head, cv2.resize(head, (31, 30)), cv2.resize(head, (48, 100))]
    clear = np.dstack([head, np.full(head.shape[:2], 255, np.uint8)])
    clear[:40, :, 3] = 0  # seen through: white
    sent = [cv2.imencode(".png", crop)[1].tobytes() for crop in (*crops, clear)]
    inside, outside = both(page, in_browser, sent, "small", detect=False)
    for one, other in zip(inside, outside, strict=True):
        assert one["faces"][0]["box"] is None
        assert one["faces"][0]["probabilities"] == pytest.approx(other["faces"][0]["probabilities"], abs=0.005)


FRESH = """async () => {
  const [{ Browser }, { load }] = await Promise.all([import("/static/browser.js"), import("/static/server.js")]);
  const { page, models } = await load();
  window.fresh = new Browser(page, models);
}"""
ASK = """([file, pixels]) => {
  fresh.limits = { pixels };
  const blob = new Blob([Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0))]);
  const how = { model: "small", detect: false };
  return fresh.read(blob, how).then(({ faces }) => faces.length, ({ message }) => message);
}"""


def test_what_could_not_be_loaded_once_is_loaded_for_the_next_picture(page: Page, photo: Path) -> None:
    """The worker's own file, then the runtime; no question waits for ever, no bitmap is left open."""
    asked = [base64.b64encode(photo.read_bytes()).decode(), 1e7]
    with page.context.new_page() as other:
        other.goto(page.url)
        for missing, said in (("worker.js", "can't be fetched"), ("ort-wasm-simd-threaded.wasm", "backend")):
            other.route(f"**/{missing}", lambda route: route.abort())
            if missing == "worker.js":
                other.evaluate(FRESH)
            for _ in range(2):
                assert said in other.evaluate(ASK, asked)
            other.unroute(f"**/{missing}")
        assert other.evaluate(ASK, asked) == 1
        other.evaluate("() => { ImageBitmap.prototype.close = () => { window.let_go = true; }; }")
        assert "the limit is 0.1 million" in other.evaluate(ASK, [asked[0], 1e5])
        assert other.evaluate("let_go")


def test_faces_are_followed_as_in_python(page: Page, in_browser: Any) -> None:
    """Faces that cross, leave for a moment or longer, and come back: the same numbers, the same smoothed shares."""
    rng = np.random.default_rng(5)
    spread = np.array([[-10, -10], [10, -10], [0, 0], [-8, 10], [8, 10]])
    films, tracker, expected = [], Tracker(), []
    for step in range(60):
        at = [(100 + 4 * step, 100), (340 - 4 * step, 108)] + ([(200, 220)] if step < 20 or step > 45 else [])
        at += [(30 + 14 * step, 330)] if step < 10 or 20 <= step < 30 else []  # it goes farther meanwhile than expected
        faces = [(np.add(middle, spread + rng.normal(0, 1, (5, 2)))).tolist() for middle in at]
        boxes = [[x - 20, y - 25, 40 + place - step % 7, 50] for place, (x, y) in enumerate(at)]
        chances = rng.dirichlet(np.ones(7), len(at))
        time = 0.07 * step
        films.append({"time": time, "faces": faces, "boxes": boxes, "chances": chances.tolist()})
        found = [Detection(tuple(box), tuple(map(tuple, face)), 0.9) for box, face in zip(boxes, faces, strict=True)]
        ids, smooth = tracker.update(time, found, chances)
        expected.append((ids, smooth.tolist()))
    answered = page.evaluate(
        """async (films) => {
          const [{ Tracker }, { track }] = await Promise.all([
            import("/static/track.js"), fetch("/page.json").then((response) => response.json()),
          ]);
          const tracker = new Tracker(track);
          return films.map(({ time, faces, boxes, chances }) =>
            tracker.update(time, faces.map((landmarks, at) => ({ landmarks, box: boxes[at] })), chances));
        }""",
        films,
    )
    assert len({number for ids, _ in expected for number in ids}) == 6  # two of four come back as others
    for some, (ids, smooth) in zip(answered, expected, strict=True):
        assert [one["id"] for one in some] == ids
        np.testing.assert_allclose([one["probabilities"] for one in some], smooth, atol=1e-9)


def test_nothing_leaves_the_browser(serve: Callable[..., Any], visit: Any, files: dict[str, Path]) -> None:
    """No request has a body, no socket opens; and with the server gone photos are read all the same."""
    served = serve("--in-browser")
    page = visit(served.address)
    page.set_default_timeout(120_000)
    expect(page.locator("#where")).to_have_text("Pictures never leave this browser: the networks run in this page.")
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_selector("#lanes canvas")
    expect(page.locator("#timings")).to_contain_text("in this browser")
    page.get_by_role("button", name="Stop the camera").click()
    served.end()
    before = len(page.seen.requests)
    page.set_input_files("#file", files["scene"])
    expect(page.locator(".face")).to_have_count(3, timeout=60_000)
    page.set_input_files("#file", files["letter"])
    expect(page.get_by_role("alert")).to_contain_text("isn't a picture that this browser can read")
    assert page.seen.sockets == []
    assert not [request for request in page.seen.requests if request.method != "GET" or request.post_data]
    assert [request.url for request in page.seen.requests[before:] if not request.url.startswith("blob:")] == []


def test_without_the_runtime_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.errors import MienError
    from mien.server import browser
    from mien.server.app import create_app
    from mien.server.settings import Settings

    monkeypatch.setattr(browser, "BUILD", Path("nowhere"))
    with pytest.raises(MienError, match="`make browser` puts it there"):
        create_app(Settings(in_browser=True))


def test_networks_are_handed_out_only_to_be_run_in_the_page(
    client: httpx.Client, in_browser: Any, serve: Callable[..., Any]
) -> None:
    assert client.get("/v1/networks/detector").status_code == 404
    with in_browser.client() as other:
        for wanted in ({"model": "/etc/passwd", "name": "passwd"}, {"model": "small", "name": "card.json"}):
            assert other.get("/v1/networks/file", params=wanted).status_code == 404
        [small] = [one for one in other.get("/v1/models").json()["models"] if one["name"] == "small"]
        sizes = [
            len(other.get("/v1/networks/file", params={"model": "small", "name": n}).content) for n in small["files"]
        ]
        assert small["files"] == ["model.onnx", "weights.safetensors"]
        assert sum(sizes) == small["bytes"]
        assert other.get("/browser/../../../../README.md").status_code == 404
        policy = other.get("/").headers["content-security-policy"]
    assert "'wasm-unsafe-eval'" in policy
    assert "unsafe" not in client.get("/").headers["content-security-policy"]
    token = "a-token-of-enough-letters"
    with serve("--in-browser", environment={"MIEN_TOKEN": token}).client() as guarded:
        assert guarded.get("/v1/networks/detector").status_code == 401
        allowed = guarded.get("/v1/networks/detector", headers={"authorization": f"Bearer {token}"})
        assert allowed.status_code == 200
    assert json.loads(client.get("/page.json").text)["landmarks"]
