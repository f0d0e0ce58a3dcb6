"""What the page says when something goes wrong, and how it goes on."""

import shutil
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page, expect

Files = dict[str, Path]


def test_a_file_that_is_no_picture(page: Page, files: Files) -> None:
    page.set_input_files("#file", files["letter"])
    expect(page.get_by_role("alert")).to_contain_text("letter.png: not an image (JPEG, PNG,")
    expect(page.locator("#stage")).to_have_attribute("data-mode", "empty")
    expect(page.locator("#json")).to_be_disabled()
    page.set_input_files("#file", files["photo"])
    expect(page.locator(".face")).to_have_count(1)
    expect(page.get_by_role("alert")).to_be_hidden()


SECOND_CAMERA = """() => {
  const at = navigator.mediaDevices;
  const [ask, list] = [at.getUserMedia.bind(at), at.enumerateDevices.bind(at)];
  window.asked = [];
  at.getUserMedia = async (what) => {
    asked.push(what.video.deviceId?.exact ?? null);
    if (asked.length > 2) throw new DOMException("", "NotReadableError");
    return ask(what);
  };
  at.enumerateDevices = async () => {
    const [{ kind, deviceId }] = (await list()).filter(({ kind }) => kind === "videoinput");
    return ["First", "Second"].map((label) => ({ kind, deviceId, label }));
  };
}"""


def test_the_server_goes_and_comes_back(serve: Callable[..., Any], visit: Any, files: Files) -> None:
    served = serve()
    page = visit(served.address)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    page.evaluate(SECOND_CAMERA)
    page.get_by_role("button", name="Stop the camera").click()
    page.get_by_role("button", name="Use the camera").click()
    cameras = page.get_by_label("Which camera")
    expect(cameras).to_be_visible()
    cameras.focus()
    cameras.select_option("Second")
    page.wait_for_function("() => asked.length === 2")
    expect(page.locator("#json")).to_be_enabled()
    expect(cameras).to_be_focused()
    lamp = "getComputedStyle(document.getElementById('where'), '::before').backgroundColor"
    lit = page.evaluate(lamp)
    served.end()
    expect(page.get_by_role("alert")).to_contain_text("The server doesn't answer.")
    assert page.evaluate(lamp) != lit
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_contain_text("Another program is using the camera.")
    first, chosen, again = page.evaluate("asked")
    assert first is None
    assert chosen == again != ""
    page.set_input_files("#file", files["photo"])
    expect(page.get_by_role("alert")).to_contain_text("The server doesn't answer.")
    expect(page.locator(".face")).to_have_count(0)
    serve("--port", str(urlsplit(served.address).port))
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".face h3")).to_have_text("happy")
    assert page.evaluate(lamp) == lit


def test_a_busy_server_is_asked_again_and_no_large_file_sent(
    serve: Callable[..., Any], visit: Any, files: Files
) -> None:
    served = serve("--queue", "32", "--max-bytes", "1000000")
    page = visit(served.address)
    host, port = urlsplit(served.address).hostname, urlsplit(served.address).port
    with ExitStack() as slow:  # their bodies don't come, and they hold every place
        for _ in range(32):
            client = slow.enter_context(socket.create_connection((host, port)))
            client.sendall(f"POST /v1/predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9\r\n\r\n".encode())
        while httpx.get(f"{served.address}/readyz").status_code == 200:  # what was sent may not have been read yet
            time.sleep(0.01)
        page.set_input_files("#file", files["photo"])
        expect(page.get_by_role("alert")).to_contain_text("The server is busy.")
        expect(page.get_by_role("alert")).to_contain_text("Trying again in 1 s.")
    expect(page.locator(".face h3")).to_have_text("happy")
    expect(page.get_by_role("alert")).to_be_hidden()
    sent = len(page.seen.requests)
    large = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": files["photo"].read_bytes() + bytes(1_000_000)}
    page.set_input_files("#file", large)
    expect(page.get_by_role("alert")).to_contain_text("the limit is 977 kB")
    assert len(page.seen.requests) == sent


def test_an_answer_that_breaks_off_and_a_file_that_is_gone(page: Page, files: Files, tmp_path: Path) -> None:
    file = Path(shutil.copy(files["photo"], tmp_path))
    page.route("**/v1/predict?*", lambda route: route.fulfill(body='{"faces": ['))
    page.set_input_files("#file", file)
    expect(page.get_by_role("alert")).to_contain_text("The server doesn't answer.")
    expect(page.get_by_role("status")).to_have_text("")
    page.unroute("**/v1/predict?*")
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator(".face h3")).to_have_text("happy")
    expect(page.locator("#results")).to_be_focused()
    file.unlink()
    page.select_option("#model", "small")
    expect(page.get_by_role("alert")).to_contain_text("This file can't be read")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.locator("#stage")).to_have_attribute("data-mode", "empty")


def test_a_page_that_couldnt_start_says_so(page: Page) -> None:
    expect(page.locator("#camera")).to_be_enabled()
    page.route("**/static/timeline.js", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The page couldn't be loaded whole.")
    for name in ("choose", "camera", "cropped"):
        expect(page.locator(f"#{name}")).to_be_disabled()


def test_what_cant_be_a_token_is_left_alone(visit: Any, server: Any) -> None:
    assert visit(f"{server.address}/#%").url.endswith("/#%")


def test_a_server_that_wants_a_token(serve: Callable[..., Any], visit: Any, files: Files, chromium: Any) -> None:
    token = "a-token-of-enough-letters"
    address = serve(environment={"MIEN_TOKEN": token}).address
    stranger = chromium.new_page()
    stranger.add_init_script("""Object.defineProperty(window, "sessionStorage", {
      get() { throw new DOMException("as in a browser that blocks what sites store", "SecurityError"); },
    });""")
    stranger.goto(address)
    expect(stranger.get_by_role("alert")).to_contain_text("wants its token")
    stranger.evaluate("document.querySelector('.skip').click()")  # another fragment
    stranger.goto(f"{address}/#{token}")
    stranger.wait_for_selector("html[data-ready]", state="attached")
    stranger.set_input_files("#file", files["photo"])
    expect(stranger.locator(".face h3")).to_have_text("happy")
    stranger.context.close()
    page = visit(f"{address}/#{token}")
    assert page.url == f"{address}/"
    page.set_input_files("#file", files["photo"])
    expect(page.locator(".face h3")).to_have_text("happy")
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_selector("#lanes canvas")
    assert token not in "".join(request.url for request in page.seen.requests)
