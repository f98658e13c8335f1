"""Tests of pages as files: numbers, escaping, size, what is missing."""

import copy
import html.parser
import re
import sys

import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.pages import gallery_cards
from keras_attn_defense.pages import report_page
from keras_attn_defense.pages.names import ClassNames
from tests.evaluation.helpers import evaluate
from tests.pages.helpers import IMAGES
from tests.pages.helpers import NAMES
from tests.pages.helpers import evaluated
from tests.pages.helpers import network

pytestmark = pytest.mark.once


class Reader(html.parser.HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag, attribute):
        return [
            a[attribute] for t, a in self.tags if t == tag and attribute in a
        ]


@pytest.fixture(scope="module")
def report():
    return evaluated(*network())


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.save(path, class_names=NAMES)
    return path.read_text(encoding="utf-8")


def test_numbers_are_those_of_the_card(report, page):
    card, read = report.to_dict(), Reader(page)
    found = [float(value) for value in read.all("td", "data-accuracy")]
    assert found == [row["accuracy"] for row in card["results"]]
    for row in card["results"]:
        low, high = (100 * bound for bound in row["interval"])
        assert f"{100 * row['accuracy']:.1f}\xa0%" in read.text
        assert f"{low:.1f} to {high:.1f}\xa0%" in read.text
    for text in (str(card["data_checksum"]), card["model_checksum"][:16]):
        assert text in read.text
    assert report.about["call"] in read.text


def test_classes_that_images_are_taken_for(report, page):
    epsilon = report.threat_model.epsilons[-1]
    counts, shown = report.confusion[epsilon], Reader(page).text
    label, wrong = np.unravel_index(
        (counts * (1 - np.eye(len(counts), dtype=int))).argmax(), counts.shape
    )
    assert counts[label, wrong] > 0
    assert f"{NAMES[wrong]}: {counts[label, wrong]}" in shown


def test_corruptions(report, page):
    assert 'id="corruptions"' not in page
    joined = copy.copy(report)
    joined.corruptions = kad.evaluation.CorruptionResult(
        200,
        180,
        [1, 5],
        {"<fog>": [150, 31]},
        {"model": report.about["name"], "confidence": 0.95},
    )
    text = report_page(joined)
    read = Reader(text)
    for share in ("90.0", "75.0", "15.5", "45.2", "54.8"):
        assert f"{share}\xa0%" in read.text
    assert "<fog>" in read.text and "&lt;fog&gt;" in text


def test_names_are_shown_and_not_run(page):
    read = Reader(page)
    assert page.count("<script") == 1
    for name in (*NAMES, "</title><img src=x onerror=alert(2)>"):
        assert name in read.text
    assert "<script>alert" not in page and "<img src=x" not in page


def test_page_loads_nothing(page):
    read = Reader(page)
    sources = [a["src"] for _, a in read.tags if "src" in a]
    assert sources and all(s.startswith("data:image/webp;") for s in sources)
    targets = [a["href"] for _, a in read.tags if "href" in a]
    assert all(target.startswith(("#", "data:,")) for target in targets)
    assert not re.search(r"url\(|@import|https?://", page)
    (policy,) = [
        a["content"]
        for _, a in read.tags
        if "Security" in a.get("http-equiv", "")
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy


def test_each_picture_has_a_text(report, page):
    texts = Reader(page).all("img", "alt")
    assert len(texts) == page.count("<img") and all(texts)
    # Two of each image, and three of each different attacked one.
    variants = page.count('class="variant"')
    assert len(texts) == 2 * 8 + 3 * variants
    assert 8 < variants <= 8 * 4


def test_pictures_stop_where_the_file_would_be_too_large(report):
    names = ClassNames(None, 4)
    whole = gallery_cards.gallery_cards(report, names)
    few = gallery_cards.gallery_cards(report, names, budget=1)
    assert len(whole["cards"]) == 8 and len(few["cards"]) == 1
    assert few["drawn"] == 8
    sizes = [gallery_cards._size(card) for card in whole["cards"]]
    half = gallery_cards.gallery_cards(report, names, budget=sum(sizes[:4]))
    assert len(half["cards"]) == 4


def test_worst_case_is_the_attack_that_needs_least(report):
    cards = gallery_cards.gallery_cards(report, ClassNames(None, 4))["cards"]
    samples = report.per_sample
    for place, card in zip(report.gallery.rows, cards, strict=True):
        for number, label in enumerate(("0.01", "8/255")):
            (worst,) = [
                v for v in card["variants"] if f"we{number}" in v["shows"]
            ]
            robust = samples[f"robust@{label}"][place]
            assert worst["fell"] == (not robust)


def test_larger_images_are_scaled_down(report):
    from keras_attn_defense.pages.pictures import pictures

    noise = np.random.default_rng(0).random((1, 600, 300, 3))
    (large,) = pictures(noise, (0, 1))
    assert 4_000 < len(large) < 30_000
    assert pictures(IMAGES[:1, ..., :1], (0, 1))[0].startswith("data:image")


def test_page_without_images_says_how_to_get_them(tmp_path):
    evaluate().save(tmp_path / "report.HTML")
    text = (tmp_path / "report.HTML").read_text(encoding="utf-8")
    assert "gallery=24" in text and "<img" not in text
    assert "`checks` is off." in Reader(text).text


def test_too_few_names(report, tmp_path):
    with pytest.raises(ValueError, match="at least 4. Received: 2 names"):
        report.save(tmp_path / "report.html", class_names=NAMES[:2])


@pytest.mark.parametrize("library", ["jinja2", "PIL", "matplotlib"])
def test_says_what_to_install(report, tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r"keras-attn-defense\[page\]"):
        report.save(tmp_path / "report.html")
    report.save(tmp_path / "card.json")


def test_flags_come_with_what_to_do(report, tmp_path):
    flags = [
        kad.evaluation.RedFlag("masking", True, "Use <BPDA>."),
        kad.evaluation.RedFlag("chance", False, "Better than chance."),
        kad.evaluation.RedFlag("noise", None, "Not enough images."),
    ]
    for found, words in (
        (flags, "1 red flag raised"),
        (flags[1:2] * 2, "All 2 checks passed"),
        (flags[1:], "not everything was checked"),
    ):
        other = copy.copy(report)
        other.flags = found
        other.save(tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        text = " ".join(Reader(page).text.split())
        assert words in text
        for flag in found:
            assert f"{flag.name}. {flag.sentence}" in text


def test_comparison_shows_who_withstood_what(tmp_path):
    model, labels = network()
    first = evaluated(model, labels, name="<b>first</b>")
    second = evaluated(network(3)[0], labels, name="second")
    comparison = kad.evaluation.compare([second, first])
    comparison.save(tmp_path / "page.html", class_names=NAMES)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    read = Reader(page)
    assert "<b>first</b>" in read.text and "<b>first" not in page
    found = [float(value) for value in read.all("td", "data-accuracy")]
    assert found == [
        accuracy
        for row in comparison.rows
        for accuracy in (
            row["clean_accuracy"],
            *row["robust_accuracy"].values(),
        )
    ]
    masks = [each[8 / 255] for each in comparison.outcomes]
    table = page.split('class="shares"')[3].split("</table>")[0]
    table = table.replace("</td>", " ")
    rows = [" ".join(Reader(row).text.split()) for row in table.split("<tr>")]
    patterns, counts = np.unique(masks, axis=1, return_counts=True)
    assert len(counts) > 1
    for pattern, count in zip(patterns.T, counts, strict=True):
        words = " ".join("held" if held else "fell" for held in pattern)
        assert any(row.startswith(f"{words} {count} ") for row in rows)
    assert page.count('class="model"') == 16
    comparison.save(tmp_path / "table.json")
    kad.evaluation.compare([first.to_dict(), second.to_dict()]).save(
        tmp_path / "cards.html"
    )
    cards = (tmp_path / "cards.html").read_text(encoding="utf-8")
    assert "Compare reports, not cards" in cards and "<img" not in cards


def test_study_shows_its_tests(tmp_path):
    model, labels = network()
    boxes = np.tile([0.25, 0.25, 0.75, 0.75], (len(IMAGES), 1))
    study = kad.analysis.AttentionStudy(
        model, kad.attacks.BIM(epsilon=0.02, steps=3)
    )
    result = study.run(IMAGES, labels, boxes, verbose=0)
    result.save(tmp_path / "study.html")
    page = (tmp_path / "study.html").read_text(encoding="utf-8")
    text = " ".join(Reader(page).text.split())
    assert page.count("data-chart") >= 5
    for measure in result.statistics["measures"].values():
        assert f"{measure['chosen']['mean']:.3f}" in text
        assert measure["verdict"] in text
    success = result.statistics["success"]
    assert f"succeeds on {success['count']} of these" in text
    without = study.run(IMAGES, labels, verbose=0)
    without.save(tmp_path / "without.html")
    assert "Without boxes" in (tmp_path / "without.html").read_text()
    with pytest.raises(ValueError, match="or in .html for a page"):
        result.save(tmp_path / "study.txt")
