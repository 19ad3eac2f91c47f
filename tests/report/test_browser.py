"""The report page in a real browser: drawn, quiet, usable by keys, and safe with hostile names."""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from mapper.ir.crossbar import CrossbarMvm
from mapper.report import render_report
from tests.report.pages import (
    HOSTILE,
    comparison_page,
    crowded_page,
    demo_build,
    exploration_page,
    hostile_build,
    recorded_page,
    written,
)

api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")

PHONE, TABLET, DESKTOP = 390, 820, 1280
EDGE = {"x": 3, "y": 3}  # of a dot, beside its whisker


@dataclass
class Opened:
    """A page in the browser, and everything it should not have done."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def build() -> Any:
    return demo_build()


@pytest.fixture(scope="module")
def files(build: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    hostile = render_report(hostile_build().report())
    return {
        "demo": written(folder, "demo", recorded_page(build)),
        "hostile": written(folder, "hostile", hostile),
        "compared": written(folder, "compared", comparison_page(HOSTILE)),
        "crowded": written(folder, "crowded", crowded_page()),
        "explored": written(folder, "explored", exploration_page()),
    }


@pytest.fixture
def visit(browser: Any, files: dict[str, Path]) -> Iterator[Any]:
    pages = []

    def opened(name: str, width: int = DESKTOP, scheme: str = "light") -> Opened:
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        pages.append(page)
        found = Opened(page)
        page.on("console", lambda told: found.complaints.append(f"{told.type}: {told.text}"))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(files[name].as_uri())
        page.wait_for_selector("html[data-charts=drawn]", timeout=20_000)
        return found

    yield opened
    for page in pages:
        page.close()


@pytest.mark.campaign(4)
@pytest.mark.parametrize("name", ["demo", "hostile", "compared", "explored"])
@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")])
def test_a_page_is_quiet_fits_and_can_be_used_by_everyone(visit, files, name, width, scheme):
    found = visit(name, width, scheme)
    assert found.complaints == []
    assert found.requests == [files[name].as_uri()]  # the file itself and nothing else
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    for details in found.page.locator("details").all():
        details.evaluate("element => element.open = true")
    faults = axe.Axe().run(found.page).response["violations"]
    serious = [f"{f['id']}: {f['nodes'][0]['html'][:200]}" for f in faults if _serious(f)]
    assert serious == []


def _serious(fault: dict[str, Any]) -> bool:
    return fault["impact"] in ("serious", "critical")


def test_every_chart_is_drawn_and_says_what_it_is(visit):
    page = visit("demo").page
    charts = page.locator("[data-chart]")
    assert charts.count() == page.locator("[data-chart][role=graphics-document]").count() > 8
    assert charts.count() == page.locator("[data-chart] svg").count()
    label = page.locator("[data-chart=energy-by-layer]").get_attribute("aria-label")
    assert label.startswith("Energy by layer. ")
    page.locator("[data-chart=energy-by-layer] path[aria-roledescription=point]").first.hover(
        position=EDGE
    )
    tip = page.locator("#tip")
    tip.wait_for(state="visible")
    assert "name: /conv1/Conv" in tip.inner_text()


def test_layers_are_sorted_filtered_and_taken_as_csv(visit, build):
    page = visit("demo").page
    rows = page.locator("#layer-table tbody tr:visible th")
    assert rows.all_inner_texts() == ["/conv1/Conv", "/conv2/Conv", "/fc/Gemm"]
    crossbars = page.get_by_role("button", name="crossbars", exact=True)
    crossbars.click()
    assert rows.all_inner_texts() == ["/fc/Gemm", "/conv2/Conv", "/conv1/Conv"]
    crossbars.press("Enter")
    assert rows.all_inner_texts() == ["/conv1/Conv", "/conv2/Conv", "/fc/Gemm"]
    page.fill("#layer-find", "CONV")
    assert rows.all_inner_texts() == ["/conv1/Conv", "/conv2/Conv"]
    assert page.locator("#layer-count").inner_text() == "2 of 3 layers"

    with page.expect_download() as download:
        page.click("#layer-csv")
    table = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    cost = build.report().layers[0]
    assert [row["layer"] for row in table] == ["/conv1/Conv", "/conv2/Conv"]
    assert int(table[0]["crossbars"]) == cost.crossbars
    assert float(table[0]["energy_pj_low"]) < float(table[0]["energy_pj_high"])


def test_the_table_of_layers_scrolls_in_its_own_box_and_says_so(visit):
    page = visit("demo").page
    box = page.locator(".scroll:has(#layer-table)")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.get_by_text("The table scrolls sideways, to 24 columns.").is_visible()
    last = page.locator("#layer-table thead th").last
    last.scroll_into_view_if_needed()
    place = last.bounding_box()
    assert place["x"] + place["width"] <= DESKTOP
    page.emulate_media(media="print")
    assert not page.get_by_text("The table scrolls sideways").is_visible()


def test_a_name_like_a_formula_is_text_in_the_csv(visit):
    page = visit("hostile").page
    page.evaluate("document.querySelector('#layer-table th[data-value]').dataset.value = '=1+1'")
    with page.expect_download() as download:
        page.click("#layer-csv")
    assert "\n'=1+1," in download.value.path().read_text()


def test_the_floorplan_answers_to_keys_and_pointer(visit):
    found = visit("demo")
    page, plan = found.page, found.page.locator("#plan")
    plan.focus()
    page.keyboard.press("ArrowRight")
    assert found.text("#plan-told").startswith("/conv1/Conv: row block 0 of 1, column block 0 of 2")
    page.keyboard.press("ArrowRight")
    told = found.text("#plan-told")
    assert "column block 1 of 2; copy 1 of 4; slot 1, chip 0, tile 0" in told
    assert told.endswith("of its wordlines active")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "cells"
    assert page.locator("#cell-block option:checked").inner_text() == "0, 1"

    page.locator("#plan").scroll_into_view_if_needed()
    before = _pixels(page)
    page.select_option("#plan-colour", "cells")
    page.wait_for_timeout(100)  # a frame
    assert _pixels(page) != before
    page.click("#plan-all")
    page.hover("#plan", position={"x": 4, "y": 4})
    box = plan.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 5, box["y"] + box["height"] / 2 + 5)
    assert "slot" in found.text("#tip")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_used_part_of_the_floorplan_is_shown_without_half_a_row(visit, width):
    page = visit("demo", width).page
    page.locator("#plan").scroll_into_view_if_needed()
    page.wait_for_timeout(100)  # a frame
    drawn = page.evaluate(
        """() => {
          const plan = document.getElementById("plan"), pen = plan.getContext("2d");
          const painted = (y) => pen.getImageData(0, y, plan.width, 1).data
            .filter((value, i) => i % 4 === 3 && value > 0).length / plan.width;
          return [...Array(plan.height).keys()].map(painted);
        }"""
    )
    rows = [y for y, share in enumerate(drawn) if share > 0.3]
    assert rows[-1] < len(drawn) - 5
    assert max(b - a for a, b in pairwise(rows)) < 5  # one row of tiles, no part of the next


def _pixels(page: Any) -> str:
    return str(page.evaluate("document.getElementById('plan').toDataURL()"))


def test_the_inspector_shows_the_weights_that_are_stored(visit, build):
    found = visit("demo")
    page = found.page
    (op,) = [
        op
        for op in build.hardware.ops
        if isinstance(op, CrossbarMvm) and op.loc.endswith("/conv2/Conv")
    ]
    weight = build.hardware.constants[op.weight.name]
    page.select_option("#cell-layer", label="/conv2/Conv")
    page.select_option("#cell-block", label="1, 2")
    rows, columns = op.rows[1], op.columns[2]
    page.focus("#cells")
    for row in range(1, 6):
        page.keyboard.press("ArrowDown")
        held = int(weight[rows.start + row, columns.start])
        digit = int(op.encoding.digits(weight)[0, rows.start + row, columns.start])
        assert found.text("#cell-one") == (
            f"wordline {rows.start + row}, output {columns.start}: slice 0 holds {digit}; "
            f"the weight is {held}"
        )
    assert "threshold" in found.text("#cell-references")


def test_hostile_names_stay_text(visit):
    found = visit("hostile")
    page = found.page
    assert page.locator("img").count() == 0
    assert page.locator("script:not([type])").count() == 0
    shown = HOSTILE.replace("\x1b", "\\x1b")
    assert shown in found.text("h1")
    page.select_option("#cell-layer", index=1)
    page.focus("#plan")
    page.keyboard.press("ArrowRight")
    page.locator("[data-chart=energy-by-layer] path[aria-roledescription=point]").first.hover(
        position=EDGE
    )
    page.locator("#tip").wait_for(state="visible")
    assert "onerror" in found.text("#plan-told") or "..." in found.text("#plan-told")
    assert found.complaints == []


def test_print_is_light_whole_and_without_controls(visit):
    page = visit("demo", DESKTOP, "dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert not page.locator("#layer-csv").is_visible()
    assert page.pdf(format="A4")[:5] == b"%PDF-"


def test_print_keeps_the_names_of_layers_and_every_column(visit):
    page = visit("demo").page
    page.emulate_media(media="print")
    first = page.locator("#layer-table tbody th").first.bounding_box()
    assert first["width"] > 40
    assert first["height"] < 40  # one line


def test_the_three_answers_are_on_the_first_screen_and_lead_to_what_shows_them(visit):
    page = visit("demo").page
    answers = page.locator(".questions > div")
    assert answers.count() == 3
    for answer in answers.all():
        box = answer.locator(".verdict").bounding_box()
        assert box["y"] + box["height"] < 900
    link = answers.first.get_by_role("link", name="energy by layer and component")
    link.press("Enter")
    page.wait_for_function("location.hash === '#chart-energy-by-layer-and-component'")
    chart = page.locator("#chart-energy-by-layer-and-component").bounding_box()
    assert 0 <= chart["y"] < 900


def test_parts_of_a_bar_are_told_apart_without_colour(visit):
    page = visit("demo").page
    chart = page.locator("[data-chart=energy-by-layer-and-component]")
    fills = chart.locator("path[aria-roledescription=bar]").evaluate_all(
        "bars => bars.map((bar) => getComputedStyle(bar).fill)"
    )
    greys = [round(_grey(fill)) for fill in dict.fromkeys(fills)]
    *shades, _ = greys  # the rest comes last
    assert shades == sorted(shades)
    assert min(b - a for a, b in pairwise(shades)) >= 15
    written = chart.locator("svg text").all_text_contents()
    assert "1 membrane memory" in written  # the legend
    assert "1" in written  # and the part


def test_many_targets_of_a_waterfall_are_told_apart_without_colour(visit):
    page = visit("crowded").page
    chart = page.locator("[data-chart=waterfall-energy]")
    fills = chart.locator("path[aria-roledescription=bar]").evaluate_all(
        "bars => bars.map((bar) => getComputedStyle(bar).fill)"
    )
    greys = [_grey(fill) for fill in dict.fromkeys(fills)]
    assert len(greys) == 9
    assert min(b - a for a, b in pairwise(greys)) >= 10
    written = chart.locator("svg text").all_text_contents()
    assert "9 adcless-diff-6" in written  # the legend
    assert written.count("9") == len(fills) // 9  # and every bar


def _grey(fill: str) -> float:
    red, green, blue = (int(value) for value in re.findall(r"\d+", fill)[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["pareto", "pareto-accuracy"])
def test_names_of_targets_do_not_lie_on_each_other(visit, name, width):
    page = visit("crowded", width).page
    names = page.locator(f"[data-chart={name}] svg text").filter(has_text="adcless-")
    boxes = [text.bounding_box() for text in names.all()]
    assert len(boxes) == 7 + (name == "pareto")
    drawn = page.locator(f"[data-chart={name}] svg").bounding_box()
    for box in boxes:
        assert drawn["x"] <= box["x"]
        assert box["x"] + box["width"] <= drawn["x"] + drawn["width"]
    for a, b in combinations(boxes, 2):
        apart = a["y"] + a["height"] <= b["y"] + 2 or b["y"] + b["height"] <= a["y"] + 2
        beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        assert apart or beside


@pytest.mark.parametrize("width", [PHONE, TABLET, 1100])
def test_the_answer_of_a_comparison_fits_and_keeps_its_numbers(visit, width):
    page = visit("crowded", width).page
    table = page.locator("[aria-labelledby=answer] table").first
    assert table.locator("xpath=ancestor::div[contains(@class, 'scroll')]").count() == 0
    box = table.bounding_box()
    assert box["x"] + box["width"] <= width
    assert table.locator("thead").is_visible() == (width > PHONE)
    row = table.locator("tbody tr").nth(1).inner_text()
    assert len(re.findall(r"\(\S+ \.\. \S+\)", row)) == 6  # three costs, three ratios
    heads = table.locator("tbody tr").nth(1).locator(".head")
    assert heads.first.is_visible() == (width == PHONE)


def test_names_beside_an_axis_keep_what_tells_them_apart_on_a_phone(visit):
    page = visit("hostile", PHONE).page
    texts = page.locator("[data-chart=time-by-layer] svg .role-axis-label text")
    names = [name for name in texts.all_text_contents() if not re.fullmatch(r"[\d,.]+", name)]
    assert len(names) == 3
    assert len(set(names)) == 3
    assert not any(name.endswith("\u2026") for name in names)


def test_axes_of_an_exploration_have_room_for_their_names_on_a_phone(visit):
    page = visit("explored", PHONE).page
    plot = page.locator("[data-chart=parallel]")
    assert plot.evaluate("plot => plot.scrollWidth > plot.clientWidth")
    assert plot.get_attribute("tabindex") == "0"
    names = plot.locator(".role-axis-label text").all()
    boxes = sorted((name.bounding_box() for name in names), key=lambda box: box["x"])
    assert len(boxes) > 5
    assert all(a["x"] + a["width"] <= b["x"] for a, b in pairwise(boxes))


def test_points_of_an_exploration_are_chosen_and_followed(visit):
    opened = visit("explored")
    page = opened.page
    first = opened.text("#point-state")
    assert "on the front" in first
    assert opened.text("#point-command").startswith("spikeloom compile net.onnx")
    assert page.locator("#point-chip li").count() == 4
    page.select_option("#point-choice", "0")
    assert opened.text("#point-state").startswith("Point 0: ")
    page.locator("#point-moves button").first.click()
    assert not opened.text("#point-state").startswith("Point 0: ")

    plot = page.locator("#chart-front-latency svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    told = re.fullmatch(r"(\d+) of 252 points are followed\.", opened.text("#brush-told"))
    assert told is not None
    assert 0 < int(told[1]) < 252
    page.click("#brush-clear")
    assert opened.text("#brush-told") == ""
    assert not opened.complaints
