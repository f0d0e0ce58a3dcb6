"""The page for everyone: axe-core's checks, a phone's width, the keyboard, both colour schemes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

AXE = Path(__file__).parents[3] / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
Files = dict[str, Path]


def faults(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 15
    return [
        f"{rule['id']} ({rule['impact']}): {node['html']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Callable[..., Page], server: Any, files: Files, scheme: str) -> None:
    page = visit(server.address, color_scheme=scheme, reduced_motion="reduce")
    assert faults(page) == []
    page.set_input_files("#file", files["scene"])
    expect(page.locator(".face")).to_have_count(3)
    assert faults(page) == []
    page.check("#cropped")
    page.set_input_files("#file", files["doubtful"])
    expect(page.locator(".face.uncertain")).to_have_count(1)
    assert faults(page) == []
    page.set_input_files("#file", files["letter"])
    expect(page.get_by_role("alert")).to_be_visible()
    assert faults(page) == []
    page.uncheck("#cropped")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator(".face").first).to_be_visible()
    assert faults(page) == []


def test_axe_can_find_something(page: Page) -> None:
    page.evaluate("document.getElementById('choose').textContent = ''")
    page.evaluate("document.querySelector('.tagline').style.color = '#ddd'")
    assert {fault.split()[0] for fault in faults(page)} == {"button-name", "color-contrast"}


def test_a_phone_shows_all_of_it(visit: Callable[..., Page], server: Any, files: Files) -> None:
    page = visit(server.address, viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 320
    page.set_input_files("#file", files["scene"])
    expect(page.locator(".face")).to_have_count(3)
    assert page.evaluate(wide) == 320
    assert page.get_by_text("Network", exact=True).bounding_box()["width"] > 40  # also what 400 % of 1280 pixels shows
    for name in ("Choose a photo", "Use the camera"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert box["height"] >= 40  # a finger's
    assert page.locator("#stage").bounding_box()["y"] < page.locator("#results").bounding_box()["y"]


def test_everything_is_reached_by_keyboard_in_the_order_it_is_seen(page: Page, files: Files) -> None:
    page.set_input_files("#file", files["photo"])
    expect(page.locator(".face")).to_have_count(1)
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.className"
            )
        )
    assert reached == ["skip", "model", "theme", "choose", "camera", "cropped", "json", "csv"]
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_of_several_faces_the_keyboard_tells_which_card_is_whose(page: Page, files: Files) -> None:
    page.set_input_files("#file", files["scene"])
    expect(page.locator(".face")).to_have_count(3)
    page.locator("#csv").focus()
    for number in range(3):
        page.keyboard.press("Tab")
        expect(page.locator(".face").nth(number)).to_be_focused()
        expect(page.locator(".box.marked")).to_have_text(re.compile(f"^{number + 1}"))


@pytest.mark.parametrize("how", [{}, {"color_scheme": "dark"}, {"forced_colors": "active"}])
def test_which_colours_are_chosen_can_be_seen(visit: Callable[..., Page], server: Any, how: dict[str, str]) -> None:
    """3:1 between what is chosen and what isn't (WCAG 1.4.11)."""
    page = visit(server.address, **how)
    backgrounds = page.locator("#theme").evaluate(
        "theme => [theme, theme.querySelector(':checked + span')].map(one => getComputedStyle(one).backgroundColor)"
    )
    dim, bright = sorted(luminance(colour) for colour in backgrounds)
    assert (bright + 0.05) / (dim + 0.05) >= 3


def luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_light_and_dark_are_the_systems_unless_chosen(visit: Callable[..., Page], server: Any) -> None:
    page = visit(server.address, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_text("Light", exact=True).click()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.evaluate(paper) == light
    page.get_by_text("Auto", exact=True).click()
    assert page.evaluate(paper) == dark
    page.emulate_media(color_scheme="light")
    assert page.evaluate(paper) == light
