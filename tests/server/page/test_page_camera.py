"""The camera on the page: Chromium's own, which plays a film."""

import io
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect


def bars(page: Page) -> str:
    return page.locator(".face .bar i").evaluate_all("all => all.map(i => i.style.width).join()")


def test_a_camera_is_watched_until_it_is_stopped(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    first, where = bars(page), page.locator(".box").first.get_attribute("style")
    page.wait_for_function("before => document.querySelector('.box')?.getAttribute('style') !== before", arg=where)
    page.wait_for_function(
        "before => [...document.querySelectorAll('.face .bar i')].map(i => i.style.width).join() !== before", arg=first
    )
    assert [socket.url.split("?")[0].rpartition("/")[2] for socket in page.seen.sockets] == ["stream"]
    expect(page.locator("#timeline")).to_be_visible()
    lane = page.locator("#lanes canvas").first
    painted = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert lane.evaluate(painted)
    assert "happy" in lane.evaluate("canvas => canvas.ariaLabel")
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
    assert page.evaluate("document.getElementById('video').srcObject") is None
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    rows = json.loads(Path(download.value.path()).read_text())["rows"]
    assert [row["frame"] for row in rows] == sorted(row["frame"] for row in rows)
    assert {row["source"] for row in rows} == {"camera"}
    assert all(row["face"] is not None for row in rows if row["status"] == "face")
    times = [row["time"] for row in rows]
    assert times == sorted(times)
    assert len(set(times)) > 1


def test_the_picture_is_a_mirror_and_the_box_too(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    page.get_by_role("button", name="Stop the camera").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    last = json.loads(Path(download.value.path()).read_text())["rows"][-1]
    left = page.locator(".box").first.evaluate("box => parseFloat(box.style.left)")
    x, _, width, _ = last["box"]
    assert abs(left / 100 - (last["width"] - x - width) / last["width"]) < 1e-3
    assert "matrix(-1" in page.locator("#photo").evaluate("photo => getComputedStyle(photo).transform")


def test_a_camera_that_may_not_be_used(page: Page, hold: Any, files: dict[str, Path]) -> None:
    """Nothing of what was there before stays: the camera's last minute, a photo that the browser can't show."""
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    page.get_by_role("button", name="Stop the camera").click()
    page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("denied", "NotAllowedError"); };
    }""")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("wasn't allowed to use the camera")
    as_new(page)
    held = hold("**/v1/predict?*")
    page.set_input_files("#file", {"name": "photo.tif", "mimeType": "image/tiff", "buffer": tiff(files["photo"])})
    expect(page.get_by_role("status")).to_have_text("Reading…")
    expect(page.locator("#unseen-photo")).to_have_class(re.compile("waiting"))
    held().continue_()
    expect(page.get_by_role("status")).to_contain_text("1 face: happy")
    expect(page.locator("#unseen-photo")).not_to_have_class(re.compile("waiting"))
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("wasn't allowed to use the camera")
    as_new(page)


def as_new(page: Page) -> None:
    expect(page.locator("#stage")).to_have_attribute("data-mode", "empty")
    expect(page.locator("#words")).to_be_visible()
    expect(page.locator("#json")).to_be_disabled()
    expect(page.locator(".face")).to_have_count(0)
    for name in ("frame", "unseen-photo", "timeline"):
        expect(page.locator(f"#{name}")).to_be_hidden()


def tiff(photo: Path) -> bytes:
    buffer = io.BytesIO()
    Image.open(photo).save(buffer, "TIFF")
    return buffer.getvalue()


def test_a_camera_that_is_unplugged(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    page.evaluate("""() => {
      const [track] = document.getElementById("video").srcObject.getVideoTracks();
      track.stop();
      track.dispatchEvent(new Event("ended")); // as the browser does for a camera that is pulled out
    }""")
    expect(page.get_by_role("alert")).to_contain_text("The camera is gone")
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Stop the camera")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def rows_of(page: Page) -> dict[str, Any]:
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    told: dict[str, Any] = json.loads(Path(download.value.path()).read_text())
    return told


def test_another_network_loses_nothing_of_what_was_recorded(page: Page) -> None:
    """While the camera is on, and for its last frame after it was stopped."""
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    page.select_option("#model", "small")
    expect(page.locator("#timings")).to_contain_text("Read by small,")
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
    told = rows_of(page)
    assert [one["model"] for one in told["networks"]] == ["small:int8", "small"]
    rows = told["rows"]
    assert list(dict.fromkeys(row["model"] for row in rows)) == ["small:int8", "small"]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    faces = {model: {row["face"] for row in rows if row["model"] == model} for model in ("small:int8", "small")}
    assert not (faces["small:int8"] & faces["small"]) - {None}
    with page.expect_response("**/v1/predict?*") as again:
        page.select_option("#model", "small:int8")
    assert again.value.json()["model"] == "small:int8"
    expect(page.locator("#timings")).to_contain_text("Read by small:int8,")
    assert "matrix(-1" in page.locator("#photo").evaluate("photo => getComputedStyle(photo).transform")
    assert [row["time"] for row in rows_of(page)["rows"]][: len(rows)] == [row["time"] for row in rows]


def test_a_server_that_was_started_again_is_found_by_itself(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served.address)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    # it gives up after a while, before which a server on a busy machine may not have started anew
    page.evaluate("() => { const wait = setTimeout; window.setTimeout = (done, ms) => wait(done, 3 * ms); }")
    served.end()
    expect(page.get_by_role("alert")).to_contain_text("The server doesn't answer. Is mien serve still running? Trying")
    serve("--port", served.address.rpartition(":")[2])
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop the camera")).to_be_visible()
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Stop the camera").click()
    times = [row["time"] for row in rows_of(page)["rows"]]
    assert max(after - before for before, after in pairwise(times)) > 0.5  # the gap


def test_a_stream_that_is_closed_or_one_too_many(page: Page) -> None:
    """As the server closes one on which nothing came; and says that others have them all."""
    sockets: list[Any] = []
    closes = [(1000, ""), (1013, "16 streams are open; that is the limit."), (1013, "16 streams are open.")]

    def route(socket: Any) -> None:
        sockets.append(socket)
        if len(sockets) <= len(closes):
            code, reason = closes[len(sockets) - 1]
            socket.close(code=code, reason=reason)
        else:
            socket.connect_to_server()

    page.route_web_socket("**/v1/stream?*", route)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("The server is busy: 16 streams are open")
    expect(page.locator(".face").first).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()
    assert len(sockets) == 4


def test_a_stream_that_is_closing_is_waited_for_as_it_will_say_why(page: Page) -> None:
    page.evaluate("""() => {
      window.WebSocket = class {
        static OPEN = 1;
        readyState = 2;
        constructor() {
          setTimeout(() => this.onopen());
          setTimeout(() => this.onclose?.({ code: 1013, reason: "16 streams are open." }), 200);
        }
        close() {}
      };
    }""")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("16 streams are open. Trying again in 1 s.")


def test_while_the_browser_asks_the_page_says_so(page: Page) -> None:
    height = page.locator("#stage").bounding_box()["height"]
    page.evaluate(LATER, ["getUserMedia"])
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#unseen-photo")).to_have_text("Allow the camera in the browser…")
    expect(page.locator("#unseen-photo")).to_be_visible()
    assert page.locator("#stage").bounding_box()["height"] > 0.8 * height
    page.evaluate("answer()")
    expect(page.locator(".face").first).to_be_visible()
    expect(page.locator("#unseen-photo")).to_be_hidden()


def test_the_same_sentence_isnt_said_again(page: Page) -> None:
    page.evaluate("""() => {
      const now = performance.now.bind(performance);
      performance.now = () => 20 * now();
      window.told = [];
      const said = document.getElementById("said");
      new MutationObserver(() => told.push(said.textContent)).observe(said, { childList: true });
    }""")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("status")).to_contain_text("1 face: happy")
    page.wait_for_timeout(2000)
    said = [text.partition(",")[0] for text in page.evaluate("told") if text]
    assert all(one != after for one, after in pairwise(said))


LATER = """([what]) => {
  const at = navigator.mediaDevices, real = at[what].bind(at);
  window.asked = window.answered = 0;
  at[what] = async (...how) => {
    window.asked++;
    await new Promise((done) => (window.answer = done));
    try { return await real(...how); } finally { window.answered++; }
  };
}"""


@pytest.mark.parametrize("what", ["getUserMedia", "enumerateDevices"])
def test_a_camera_is_stopped_before_it_has_begun(page: Page, what: str) -> None:
    """While the browser asks whether it may be used, and while it says which others there are."""
    page.evaluate(LATER, [what])
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function("() => window.asked")
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
    page.evaluate("answer()")
    page.wait_for_function("() => window.answered")
    page.wait_for_timeout(300)
    assert page.evaluate("asked") == 1
    assert page.evaluate("document.getElementById('video').srcObject") is None
    assert page.seen.sockets == []
    expect(page.locator("#stage")).to_have_attribute("data-mode", "empty")
    expect(page.locator("#timeline")).to_be_hidden()
