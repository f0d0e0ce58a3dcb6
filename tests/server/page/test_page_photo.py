"""Photos on the page: chosen, pasted, dropped; what is then shown, and taken away."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

import mien
from mien.labels import COLOURS, FER2013
from mien.recognition.write import RowWriter

Files = dict[str, Path]
Hold = Callable[[str], Callable[[], Route]]


def shares(page: Page, face: int = 0) -> list[float]:
    """How long a face's bars are, 0..1."""
    fills = page.locator(".face").nth(face).locator(".bar i")
    return [float(width.removesuffix("%")) / 100 for width in fills.evaluate_all("all => all.map(i => i.style.width)")]


def test_a_photo_is_chosen_and_its_face_charted(page: Page, server: Any, files: Files) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").press("Enter")
    chooser.value.set_files(files["photo"])
    expect(page.locator("#count")).to_have_text("1 face")
    answer = httpx.post(f"{server.address}/v1/predict", files={"file": files["photo"].read_bytes()}).json()
    [face] = answer["faces"]
    assert shares(page) == pytest.approx(list(face["probabilities"].values()), abs=1e-4)
    chart = page.get_by_role("list", name="How likely each is")
    assert re.findall(r"[a-z]+", chart.inner_text()) == list(FER2013)
    expect(page.locator(".face h3 bdi")).to_have_text("happy")  # a name from right to left turns nothing beside it
    expect(page.locator(".box bdi")).to_have_text("happy")
    expect(page.locator(".box span")).to_have_text(f"happy {face['confidence']:.0%}".replace("%", " %"))
    frame, box = page.locator("#frame").bounding_box(), page.locator(".box").bounding_box()
    found = [box["x"] - frame["x"], box["y"] - frame["y"], box["width"], box["height"]]
    assert np.array(found) * 512 / frame["width"] == pytest.approx(face["box"], abs=1)
    expect(page.get_by_role("status")).to_contain_text("1 face: happy")


def test_colours_are_those_of_python(page: Page, files: Files) -> None:
    page.set_input_files("#file", files["photo"])
    expect(page.locator(".face")).to_have_count(1)
    drawn = page.locator(".face .bar i").evaluate_all("all => all.map(i => getComputedStyle(i).backgroundColor)")
    wanted = [tuple(int(COLOURS[name][at : at + 2], 16) for at in (1, 3, 5)) for name in FER2013]
    assert [tuple(map(int, re.findall(r"\d+", text))) for text in drawn] == wanted


def test_the_faces_of_a_scene_and_the_card_that_goes_with_a_box(page: Page, files: Files) -> None:
    page.set_input_files("#file", files["scene"])
    expect(page.locator(".face")).to_have_count(3)
    expect(page.locator("#count")).to_have_text("3 faces")
    assert [text[0] for text in page.locator(".box").all_inner_texts()] == ["1", "2", "3"]  # as on the cards
    page.locator(".box").nth(2).hover()
    expect(page.locator(".face").nth(2)).to_have_class(re.compile("marked"))
    expect(page.locator(".face.marked")).to_have_count(1)


def test_a_doubtful_face_is_called_uncertain(page: Page, files: Files) -> None:
    page.check("#cropped")
    page.set_input_files("#file", files["doubtful"])
    expect(page.locator(".face h3")).to_have_text("uncertain")
    expect(page.locator(".face .more")).to_contain_text("most likely")
    line = page.locator(".face .chart").evaluate("chart => parseFloat(chart.style.getPropertyValue('--threshold'))")
    assert line / 100 == pytest.approx(mien.Net("small").card.uncertain)
    assert max(shares(page)) < line / 100


def test_no_face_and_the_whole_picture_as_one(page: Page, files: Files) -> None:
    page.set_input_files("#file", files["wall"])
    expect(page.locator("#count")).to_have_text("No face found")
    page.get_by_role("button", name="Take the whole picture as one face").click()
    expect(page.locator(".face")).to_have_count(1)
    expect(page.locator(".box")).to_be_hidden()
    expect(page.locator("#results")).to_be_focused()  # the button that was is gone
    expect(page.locator("#cropped")).not_to_be_checked()
    with page.expect_response("**/v1/predict?*") as other:
        page.set_input_files("#file", files["photo"])
    assert "detect=true" in other.value.url


def test_a_picture_is_pasted(page: Page, files: Files) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = """async (input) => {
      const [file] = input.files;
      await navigator.clipboard.write([new ClipboardItem({ "image/png": file })]);
    }"""
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input type=file id=other>')")
    page.set_input_files("#other", files["photo"])
    page.locator("#other").evaluate(copy)
    page.keyboard.press("Control+V")
    expect(page.locator(".face h3")).to_have_text("happy")


def test_a_picture_is_dropped(page: Page, files: Files) -> None:
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input type=file id=other>')")
    page.set_input_files("#other", files["photo"])
    drop = """(input) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(input.files[0]);
      for (const kind of ["dragover", "drop"]) {
        stage.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
        seen.push(stage.classList.contains("over"));
      }
    }"""
    page.evaluate("Object.assign(window, {seen: [], stage: document.getElementById('stage')})")
    page.locator("#other").evaluate(drop)
    assert page.evaluate("seen") == [True, False]
    expect(page.locator(".face h3")).to_have_text("happy")


def test_of_two_photos_dropped_quickly_the_second_is_shown(page: Page, files: Files) -> None:
    """Though the first takes longer to decode."""
    page.evaluate("""() => {
      const decode = window.createImageBitmap;
      window.createImageBitmap = async (blob, ...how) => {
        const bitmap = await decode(blob, ...how);
        if (blob.name === "scene.png") await new Promise((done) => setTimeout(() => done(window.late = true), 1500));
        return bitmap;
      };
    }""")
    page.set_input_files("#file", files["scene"])
    page.set_input_files("#file", files["photo"])
    expect(page.locator(".face h3")).to_have_text("happy")
    page.wait_for_function("() => window.late")
    page.wait_for_timeout(300)
    expect(page.locator("#photo")).to_have_js_property("ariaLabel", "The photo photo.png")
    assert page.locator("#photo").evaluate("photo => photo.width") == 512
    assert len([one for one in page.seen.requests if "predict" in one.url]) == 1


def test_a_photo_chosen_before_the_server_has_answered_waits_for_it(page: Page, hold: Hold, files: Files) -> None:
    held = hold("**/v1/models")
    with page.expect_request("**/v1/models"):
        page.reload()
    page.set_input_files("#file", files["photo"])
    held().continue_()
    expect(page.locator(".face h3")).to_have_text("happy")


def test_that_it_works_can_be_seen(page: Page, hold: Hold, files: Files) -> None:
    """And the picture's place doesn't fold up meanwhile."""
    height = page.locator("#stage").bounding_box()["height"]
    page.evaluate("""() => {
      const decode = window.createImageBitmap;
      window.createImageBitmap = async (...how) => {
        await new Promise((done) => (window.decoded = done));
        return decode(...how);
      };
    }""")
    held = hold("**/v1/predict?*")
    page.set_input_files("#file", files["photo"])
    page.wait_for_function("() => window.decoded")
    expect(page.locator("#count")).to_have_text("Reading…")
    assert page.locator("#stage").bounding_box()["height"] > 0.8 * height
    page.evaluate("decoded()")
    asked = held()
    expect(page.locator("#count")).to_have_text("Reading…")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    asked.continue_()
    expect(page.locator("#count")).to_have_text("1 face")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")


def test_where_the_faces_are_is_told_and_seen_where_the_photo_cant_be_shown(page: Page, files: Files) -> None:
    held = io.BytesIO()
    Image.open(files["scene"]).save(held, "TIFF")
    page.set_input_files("#file", {"name": "scene.tif", "mimeType": "image/tiff", "buffer": held.getvalue()})
    expect(page.locator(".face")).to_have_count(3)
    told = page.locator(".face .more").all_text_contents()
    assert all(" of the picture" in one for one in told)
    assert len({one.partition(",")[2] for one in told}) > 1
    expect(page.locator(".face .more .unseen")).to_have_count(0)
    page.set_input_files("#file", files["scene"])
    expect(page.locator(".face .more .unseen")).to_have_count(3)
    assert page.locator(".face .more").all_text_contents() == told


def test_what_is_no_photo_isnt_sent_and_words_arent_dropped(page: Page, files: Files, tmp_path: Path) -> None:
    sent = len(page.seen.requests)
    (tmp_path / "film.mp4").write_bytes(bytes(20 << 20))
    page.set_input_files("#file", tmp_path / "film.mp4")
    expect(page.get_by_role("alert")).to_have_text("film.mp4: a video. From a terminal, mien predict reads it.")
    assert len(page.seen.requests) == sent
    drag = """() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.setData("text/plain", "words");
      document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true }));
      return document.getElementById("stage").classList.contains("over");
    }"""
    assert page.evaluate(drag) is False


def test_another_network_is_chosen(page: Page, files: Files) -> None:
    page.set_input_files("#file", files["photo"])
    expect(page.locator("#timings")).to_contain_text("Read by small:int8,")
    with page.expect_response(lambda response: "model=small" in response.url) as again:
        page.select_option("#model", "small")
    assert again.value.json()["model"] == "small"
    expect(page.locator("#timings")).to_contain_text("Read by small,")


def test_downloads_are_the_rows_that_the_command_line_writes(page: Page, files: Files, tmp_path: Path) -> None:
    page.set_input_files("#file", files["scene"])
    expect(page.locator(".face")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    taken = json.loads(Path(download.value.path()).read_text())
    reading = mien.Recognizer()(files["scene"])
    expected = [row | {"source": "scene.png"} for row in reading.rows()]
    assert [list(row) for row in taken["rows"]] == [list(row) for row in expected]
    for row, wanted in zip(taken["rows"], expected, strict=True):
        assert row.pop("probabilities") == pytest.approx(wanted.pop("probabilities"), abs=1e-4)
        assert row.pop("confidence") == pytest.approx(wanted.pop("confidence"), abs=1e-4)
        assert row == wanted
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    with RowWriter(tmp_path / "own.csv", classes=reading.faces[0].probabilities) as writer:
        writer.write(reading)
    paths = (tmp_path / "own.csv", Path(download.value.path()))
    own, theirs = (list(csv.reader(path.read_text().splitlines())) for path in paths)
    assert theirs[0] == own[0]
    assert len(theirs) == len(own) == 4
    for mine, other in zip(theirs[1:], own[1:], strict=True):
        for name, cell, wanted in zip(own[0], mine, other, strict=True):
            if re.fullmatch(r"-?\d+\.\d+", wanted):
                assert float(cell) == pytest.approx(float(wanted), abs=1e-4), name
            elif name != "source":
                assert cell == wanted, name


def test_its_words_are_plain(page: Page, server: Any) -> None:
    host = server.address.removeprefix("http://")
    expect(page.locator("#where")).to_have_text(
        f"Pictures go to the mien server on this computer ({host}), which keeps none."
    )
    expect(page.locator("footer")).to_contain_text("An expression is not an emotion.")
