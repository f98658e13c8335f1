"""Tests of pages in a browser: what one sees, and what the switches do."""

import pytest

from tests.pages.helpers import NAMES
from tests.pages.helpers import chromium
from tests.pages.helpers import evaluated
from tests.pages.helpers import network

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def browser():
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report():
    return evaluated(*network())


@pytest.fixture(scope="module")
def address(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.save(path, class_names=NAMES)
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    """The page of a report; what it asks for or complains of is an error."""
    with browser.new_page() as opened:
        troubles = []
        opened.on("console", lambda message: troubles.append(message.text))
        opened.on("pageerror", lambda error: troubles.append(str(error)))
        opened.on("dialog", lambda dialog: troubles.append(dialog.message))
        opened.on("request", lambda request: troubles.append(request.url))
        opened.goto(address)
        yield opened
        assert [t for t in troubles if not t.startswith("data:")] == [address]


def shown(page):
    return page.locator(".card:visible").count()


@pytest.mark.everywhere
def test_verdict_and_table_show_the_card(page, report):
    card = report.to_dict()
    results = card["results"]
    for name, row in (("clean", results[0]), ("reported", results[-1])):
        text = page.inner_text(f"[data-number={name}]")
        assert text == f"{100 * row['accuracy']:.1f}\xa0%"
    assert float(card["reported"]) == round(100 * results[-1]["accuracy"], 2)
    cells = page.locator("#results [data-accuracy]").all_inner_texts()
    assert cells == [f"{100 * row['accuracy']:.1f}\xa0%" for row in results]
    assert page.inner_text("h1") == f"Robustness of {card['name']}"
    assert NAMES[0] in page.inner_text("#classes")
    sizes = page.eval_on_selector_all(
        "img", "all => all.map(each => each.naturalWidth)"
    )
    assert sizes and set(sizes) == {8}


def test_switches_of_the_chart(page):
    curve = page.locator("g[data-curve='1']")
    assert curve.is_visible()
    page.locator("[data-switch='1']").uncheck()
    assert curve.is_hidden()
    reading = page.locator(".reading output")
    assert "fgsm" not in reading.inner_text() and "pgd" in reading.inner_text()
    page.locator("[data-switch='1']").check()
    assert curve.is_visible() and "fgsm" in reading.inner_text()


def test_chart_is_read_by_keyboard_and_pointer(page, report):
    slider, reading = (
        page.locator("[type=range]"),
        page.locator(".reading output"),
    )
    worst = [row for row in report.rows if row.attack == "worst case"]
    for row, label in zip(reversed(worst), ("8/255", "0.01"), strict=True):
        text = reading.inner_text()
        assert text.startswith(label)
        assert f"worst case: {100 * row.accuracy:.1f}\xa0%" in text
        slider.press("ArrowLeft")
    assert f"{100 * report.clean_accuracy:.1f}" in reading.inner_text()
    chart = page.locator(".chart > svg")
    width = chart.bounding_box()["width"]
    chart.hover(position={"x": 0.9 * width, "y": 50})
    assert reading.inner_text().startswith("8/255")


def test_filters_choose_images(page, report):
    samples, rows = report.per_sample, report.gallery.rows
    assert shown(page) == len(rows) == 8
    page.select_option("#filter-epsilon", label="0.01")
    page.select_option("#filter-attack", label="fgsm")
    page.select_option("#filter-outcome", "fell")
    fell = samples["fgsm_success@0.01"][rows]
    assert 0 < fell.sum() < 8
    assert shown(page) == fell.sum()
    assert page.inner_text("#filters output") == f"{fell.sum()} of 8 shown"
    page.select_option("#filter-outcome", "held")
    assert shown(page) == 8 - fell.sum()
    page.select_option("#filter-outcome", "")
    page.select_option("#filter-attack", label="worst case")
    page.select_option("#filter-epsilon", label="8/255")
    page.select_option("#filter-outcome", "held")
    assert shown(page) == samples["robust@8/255"][rows].sum()
    page.select_option("#filter-outcome", "")
    label = samples["label"][rows[0]]
    page.select_option("#filter-class", label=NAMES[label])
    assert shown(page) == (samples["label"][rows] == label).sum()


def test_sorting(page, report):
    attacked = report.gallery.attacked["pgd@8/255"]
    index = report.per_sample["index"][report.gallery.rows]
    page.select_option("#filter-attack", label="pgd")
    for name, values in (
        ("margin", attacked.margins),
        ("moved", attacked.overlaps),
        ("clean", report.gallery.clean.margins),
        ("index", index),
    ):
        page.select_option("#filter-sort", name)
        found = page.eval_on_selector_all(
            ".card", "all => all.map(each => Number(each.dataset.index))"
        )
        places = dict(zip(index.tolist(), values.round(2), strict=True))
        ordered = [places[each] for each in found]
        assert ordered == sorted(ordered) and len(set(ordered)) > 2


def test_tables_of_classes_follow_the_epsilon(page):
    tables = page.locator("[data-panel=classes]")
    assert [each.is_visible() for each in tables.all()] == [False, True]
    page.select_option("#classes-epsilon", label="0.01")
    assert [each.is_visible() for each in tables.all()] == [True, False]


def test_large_view_by_keyboard(page):
    first, second = (
        page.locator(".card h3").nth(place).inner_text() for place in (0, 1)
    )
    page.locator(".enlarge").first.focus()
    page.keyboard.press("Enter")
    title = page.locator("#large-title")
    assert title.inner_text() == first
    small = page.locator(".card img").first.bounding_box()["width"]
    assert (
        page.locator("dialog img").first.bounding_box()["width"] > 1.5 * small
    )
    page.keyboard.press("ArrowRight")
    assert title.inner_text() == second
    page.keyboard.press("Escape")
    assert page.locator("dialog").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme)
    page.eval_on_selector_all(
        "details", "all => all.map(each => each.open = true)"
    )
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    rules = {rule["id"] for rule in found.response["passes"]}
    assert {"color-contrast", "image-alt", "label", "select-name"} <= rules


def test_fits_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_works_without_scripts_and_in_print(browser, address, report):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator("#results tbody tr").count() == len(report.rows)
        assert page.locator("[data-panel=classes]:visible").count() == 2
        assert shown(page) == page.locator(".variant:visible").count() == 8
        assert page.locator("#filters").is_hidden()
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator("nav").is_hidden()
        assert page.locator("#results").is_visible()
