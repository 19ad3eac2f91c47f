"""What the page says and carries, looked at without a browser."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mapper.cost import Range
from mapper.diagnostics import many
from mapper.report import Evidence, Report, render_report
from mapper.report.charts.breakdown import swing_charts
from mapper.report.figures import report_charts
from mapper.report.names import LONGEST, labels
from mapper.report.numbers import interval_text, number, percent, scaled, times_text
from mapper.report.page.frame import asset, embedded, policy
from mapper.report.page.render import SCRIPTS
from mapper.report.page.table import layer_table
from mapper.verify.evidence import gather_evidence
from mapper.verify.result import Place, Ring, Verification
from tests.report.pages import demo_build, demo_recording, hostile_build


@pytest.fixture(scope="module")
def build() -> Any:
    return demo_build()


@pytest.fixture(scope="module")
def page(build: Any) -> str:
    return render_report(build.report())


def element(page: str, name: str) -> Any:
    (text,) = re.findall(rf'<script type="application/json" id="data-{name}">(.*?)</script>', page)
    return json.loads(text)


# --- the file ------------------------------------------------------------------------------


def test_the_same_build_gives_the_same_page(build, page):
    assert render_report(build.report()) == page


def test_nothing_is_fetched_and_only_hashed_scripts_run(page):
    head = page.replace(asset("vega.js"), "")
    assert re.findall(r'(?:src|href|srcset|action)="(?!#|data:,)([^"]*)"', head) == []
    assert "@import" not in head
    assert "url(" not in head
    (told,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    told = told.replace("&#39;", "'")
    scripts = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert len(scripts) == 2 + len(SCRIPTS)
    for text in scripts:
        hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{hashed}'" in told
    assert "default-src 'none'" in told
    assert "unsafe-eval" not in told


def test_a_page_without_scripts_allows_none():
    assert "script-src 'none'" in policy([])


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "]]>", "&lt;"])
def test_embedded_data_cannot_leave_its_element(text):
    held = embedded({text: [text]})
    assert not set("<>&") & set(held)
    assert json.loads(held) == {text: [text]}


def test_our_scripts_write_text_only_and_evaluate_nothing():
    for name in ("charts.js", *SCRIPTS):
        forbidden = (
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|fetch\("
        )
        assert re.findall(forbidden, asset(name)) == []


def test_the_library_is_what_its_maker_bundles():
    vl_convert = pytest.importorskip("vl_convert", reason="needs vl-convert-python")
    if vl_convert.__version__ != "1.9.0":
        pytest.skip(f"assets/vega.js comes from vl-convert 1.9.0, here is {vl_convert.__version__}")
    assert asset("vega.js") == vl_convert.javascript_bundle(vl_version="6.4")


def test_every_name_of_a_hostile_model_is_text():
    page = render_report(hostile_build().report()).replace(asset("vega.js"), "")
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\x1b" not in page


# --- what it says --------------------------------------------------------------------------


def test_a_page_without_a_recording_says_that_nothing_was_verified(page):
    assert "not verified" in page
    assert "spikeloom report BUILD --input recordings.npz" in page
    assert "nothing recorded" in page


def test_a_page_of_a_recording_shows_every_ring(build):
    evidence = gather_evidence(build, recording=demo_recording(build))
    page = render_report(build.report(evidence))
    assert "bit-exact" in page
    assert all(ring.name in page for ring in evidence.verification.rings)
    assert 'data-chart="spikes"' in page


def test_a_mismatch_is_shown_where_it_is(build):
    place = Place(step=3, sample=0, layer="<b>", source="n", found=1, expected=0, position=(2, 5))
    ring = Ring(
        name="4-executor",
        status="mismatch",
        reason="10 layer results",
        max_abs_diff=float("inf"),
        first_mismatch=place,
    )
    found = Verification(rings=(ring,))
    page = render_report(build.report(Evidence(verification=found)))
    assert "not bit-exact" in page
    assert (
        "step 3, sample 0, layer &lt;b&gt;, source n, found 1, expected 0, position [2, 5]" in page
    )


@pytest.mark.parametrize(
    ("share", "told"),
    [(1, "100 %"), (0.9999, "99.99 %"), (0.5, "50 %"), (0.0123, "1.2 %"), (0, "0 %")],
)
def test_only_all_is_100_percent(share, told):
    assert percent(share) == told


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.5, "pJ", (1000.0, "fJ")),
        (999, "pJ", (1.0, "pJ")),
        (5e7, "pJ", (1e-6, "µJ")),
        (0, "ns", (1.0, "ns")),
        (2e6, "um2", (1e-6, "mm²")),
    ],
)
def test_values_are_shown_in_the_unit_that_suits_them(value, unit, told):
    assert scaled(value, unit) == pytest.approx(told[0]) or scaled(value, unit) == told


def test_large_numbers_keep_their_digits():
    assert (number(4623.7), number(0.01234), number(999)) == ("4,624", "0.0123", "999")
    assert interval_text(1, 1, 1, "pJ") == "1 pJ"


def test_ratios_and_counts_are_written_plainly():
    assert [times_text(ratio) for ratio in (2.49, 40, 264.4, 12345)] == [
        "2.5x",
        "40x",
        "264x",
        "12,345x",
    ]
    assert (number(999.7), number(9999.6, 4), number(121000, 4)) == ("1,000", "10,000", "121,000")
    assert (many(1, "round"), many(0, "round")) == ("1 round", "0 rounds")
    assert many(1024, "copy", "copies") == "1,024 copies"


def test_labels_are_told_apart_and_short():
    told = labels(["a", "a", "x" * 100, "", "\x1b"])
    assert told[:2] == ("a #1", "a #2")
    assert max(map(len, told)) <= LONGEST
    assert told[3:] == ("(no name)", "\\x1b")


def test_constants_of_the_page_move_the_totals_as_sensitivity_says(build):
    tornados = build.report().swings
    assert [tornado.total for tornado in tornados] == ["energy_pj", "latency_ns", "area_um2"]
    assert tornados[0].nominal == build.report().cost.total_pj.nominal


def test_shares_of_charts_and_of_the_table_are_of_the_same_whole(build):
    held = build.report()
    charts = {chart.name: chart for chart in report_charts(held)}
    shares = {row[0].shown: (row[3].shown, row[7].shown) for row in layer_table(held)}
    for place, name in enumerate(("energy-by-layer", "area-by-layer")):
        notes = charts[name].spec["layer"][-1]["data"]["values"]
        assert {row["label"]: row["note"] for row in notes} == {
            layer: both[place] for layer, both in shares.items()
        }


def test_a_constant_is_called_as_the_chart_by_component_calls_what_it_charges(build):
    charts = {chart.name: chart for chart in report_charts(build.report())}
    moved = {
        name: [row["label"] for row in charts[name].spec["layer"][0]["data"]["values"]]
        for name in ("energy-hangs-on", "area-hangs-on")
    }
    assert moved["energy-hangs-on"][:3] == [
        "buffer read (and membranes)",
        "membrane update",
        "buffer write (and membranes)",
    ]
    assert "wordline drive: latency" in moved["energy-hangs-on"]
    assert {"accumulate (adders)", "buffer read (memory)"} <= set(moved["area-hangs-on"])
    assert charts["energy-hangs-on"].table.rows[0][0] == "buffer read: energy (pJ)"
    free = replace(build.report().cost, energy_pj={"membrane_memory": Range(0.0, 0.0, 0.0)})
    energy, *_ = swing_charts(build.report().swings, free)
    assert energy.spec["layer"][0]["data"]["values"][0]["label"] == "buffer read"


def test_the_pace_of_a_preset_is_set_by_a_layer_as_it_is_called_elsewhere():
    page = render_report(hostile_build().report())
    presets = page[page.index('aria-label="Presets"') :]
    presets = presets[: presets.index("</table>")]
    assert presets.count("...") == 2  # the middle of a name that is longer than real ones
    assert "alert(1)" not in presets


def test_why_a_short_inference_is_longer_in_the_pipeline_is_said_where_it_is(page):
    build = demo_build("hpadc-sar5-64")
    why = "each layer waits for the slowest one while the pipeline fills"
    for preset in ("paper", "physical"):  # where nothing overlaps, or where a step does
        held = build.report(Evidence(steps=1), preset)
        latency = held.cost.latency_ns
        longer = latency["inference_pipelined"].nominal > latency["inference_sequential"].nominal
        told = (why in render_report(held), why in str(held.cost))
        assert told == (longer, longer)
        assert longer == (preset == "paper")
    assert why not in page


def test_presets_are_compared_on_the_inference_of_the_answer(build, page):
    assert "The same inference of 1 time step (<code>--steps N</code>" in page
    held = build.report(Evidence(steps=7))
    assert {cost.steps for cost in (held.cost, *held.presets)} == {7}
    assert replace(held.presets[-1], preset="physical") == held.cost


def test_nothing_is_called_measured_where_nothing_was(page):
    said = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    constants = said.index('aria-label="Constants and their sources"')  # of chips that were
    said = said[:constants] + said[said.index("</table>", constants) :]
    assert set(re.findall(r"[^.>]*measured[^.<]*", said)) == {
        "Not known: what it wins in accuracy was not measured",
        " No chip was measured: totals are exact action counts times published facts",
        "1 V; not one measured chip",
    }


def test_counts_of_a_target_are_written_with_their_words(page):
    assert "1 column a readout" in page
    told = "1,024 tiles of 16 crossbars; up to 16 chips, 1 round; 100 % of the leakage stays"
    assert told in page


def test_the_digest_is_of_the_graph_and_not_of_how_wide_its_arrays_are(build):
    held = build.report()
    constants = {name: array.astype(np.int64) for name, array in build.hardware.constants.items()}
    wide = replace(build, hardware=replace(build.hardware, constants=constants))
    assert wide.report().digest == held.digest
    name = next(iter(constants))
    constants[name] = constants[name] + 1
    other = replace(build, hardware=replace(build.hardware, constants=constants))
    assert other.report().digest != held.digest


def test_a_report_knows_whether_spikes_were_measured(build):
    assert isinstance(build.report(), Report)
    assert not build.report().measured
