"""Networks of one's own on the page, and pictures with faces of all sizes: answers are made up here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from mien.labels import COLOURS

OWN = (
    "delightfully cheerful, as after a very good meal",
    "Verwunderungsbereitschaftserklaerung" * 2,
    "happy",
    "d",
    "e",
)
Answer = Callable[..., None]


@pytest.fixture
def own(visit: Callable[..., Page], server: Any) -> Page:
    """A page with a second network, `mine`, whose classes are `OWN` and whose threshold is 0."""
    page = visit(server.address)
    told = httpx.get(f"{server.address}/v1/models").json()
    told["models"] = [
        told["models"][0],
        told["models"][1] | {"name": "mine", "classes": OWN, "trained_on": "my_folder", "accuracy": 0.11},
    ]
    page.route("**/v1/models", lambda route: route.fulfill(json=told))
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


@pytest.fixture
def answer(own: Page) -> Answer:
    """Has every photo answered with faces at these boxes, each of the class that stands longest."""

    def begin(*boxes: tuple[float, ...], size: tuple[int, int] = (400, 300)) -> None:
        shares = dict.fromkeys(OWN, 0.02) | {OWN[1]: 0.92}
        face = {"face": None, "label": OWN[1], "confidence": 0.92, "uncertain": False, "probabilities": shares}
        faces = [face | {"box": box, "landmarks": [[0, 0]] * 5, "detection": 0.9} for box in boxes]
        timings = {"decode": 1, "detect": 1, "network": 1, "total": 3}
        head = {"model": "mine", "device": "cpu", "classes": OWN, "uncertain_below": 0}
        told = head | {"width": size[0], "height": size[1], "faces": faces, "timings_ms": timings}
        own.route("**/v1/predict?*", lambda route: route.fulfill(body=json.dumps(told)))

    return begin


def test_its_words_its_data_and_no_threshold(own: Page, answer: Answer, files: dict[str, Path]) -> None:
    expect(own.locator("#words li").first).to_have_text("angry")
    own.select_option("#model", "mine")
    assert own.locator("#words li").all_inner_texts() == list(OWN)
    colours = own.locator("#words li").evaluate_all("all => all.map(li => li.style.getPropertyValue('--colour'))")
    assert colours[2] == COLOURS["happy"]
    assert len(set(colours)) == len(OWN)
    answer((100, 60, 120, 140))
    own.set_input_files("#file", files["wall"])
    expect(own.locator("#timings")).to_contain_text("right for 11 in 100 of its own validation faces")
    expect(own.locator("#threshold")).to_be_hidden()
    line = "bar => getComputedStyle(bar, '::after').content"
    assert own.locator(".bar").first.evaluate(line) == "none"


@pytest.mark.parametrize("width", [320, 1280])
def test_long_names_stay_in_their_place(own: Page, answer: Answer, files: dict[str, Path], width: int) -> None:
    own.set_viewport_size({"width": width, "height": 800})
    answer((100, 60, 120, 140))
    own.set_input_files("#file", files["wall"])
    expect(own.locator(".face")).to_have_count(1)
    assert own.evaluate("document.documentElement.scrollWidth") == width
    card = own.locator(".face").bounding_box()
    for row in own.locator(".chart li").all():
        name, bar = row.locator("span").first, row.locator(".bar").bounding_box()
        assert name.evaluate("name => name.scrollWidth <= name.clientWidth + 1 || !name.clientWidth")
        box = name.bounding_box()
        assert box["x"] + box["width"] <= bar["x"]
        assert bar["width"] >= 40
    title = own.locator(".face h3").bounding_box()
    assert title["x"] + title["width"] <= card["x"] + card["width"]


def test_labels_are_seen_whole_and_cover_no_small_face(own: Page, answer: Answer, files: dict[str, Path]) -> None:
    """At each edge, also after the window has become smaller; tiny faces have theirs when they are pointed at."""
    answer((2, 2, 120, 120), (300, 25, 98, 90), (4, 200, 40, 40), (200, 200, 10, 12), (330, 255, 40, 43))
    own.set_input_files("#file", files["wall"])
    expect(own.locator(".face")).to_have_count(5)
    for width in (1280, 700, 360):
        own.set_viewport_size({"width": width, "height": 800})
        own.wait_for_timeout(100)
        frame = own.locator("#frame").bounding_box()
        for label in own.locator(".box span").all():
            box = label.bounding_box()
            for at, size in (("x", "width"), ("y", "height")):
                assert box[at] >= frame[at] - 0.5
                assert box[at] + box[size] <= frame[at] + frame[size] + 0.5
    small, low = own.locator(".box").nth(2), own.locator(".box").nth(4)
    assert small.locator("span").bounding_box()["y"] > small.bounding_box()["y"] + small.bounding_box()["height"]
    assert low.locator("span").bounding_box()["y"] < low.bounding_box()["y"]
    tiny = own.locator(".box").nth(3)
    expect(tiny.locator("span")).not_to_be_visible()
    own.locator(".face").nth(3).hover()
    expect(tiny.locator("span")).to_be_visible()
