"""The report's page of coverage: how far models came, in words, as a picture, and by cause."""

import re
import shutil
from html import unescape

import pytest
from pages import broken_links, read, report_pages

from driftgate.core.coverage import Reach, reach
from driftgate.core.errors import UsageError
from driftgate.core.records import Cell, Failure
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore
from driftgate.steps.report import build_report
from driftgate.steps.report.coverage import coverage_of
from driftgate.testing.runs import REASON, Story, synthetic_run


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Every story once, those of one kind expected, with its report."""
    store = synthetic_run(tmp_path_factory.mktemp("run"), models=20, stories=tuple(Story), expected=(Story.DRIFT,))
    build_report(store)
    return store


def source(store, name="coverage.html"):
    return (store.root / "report" / name).read_text("utf-8")


def words(markup):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def text(store):
    return words(source(store))


def lines(store):
    """The rows of the board: slug → class, words."""
    found = re.findall(r'<tr class="([^"]*)"><th scope="row"><a href="models/([^"]*)\.html">.*?</tr>', source(store))
    rows = re.findall(r'<tr class="[^"]*"><th scope="row">.*?</tr>', source(store))
    return {slug: (classes, words(row)) for (classes, slug), row in zip(found, rows, strict=True)}


def test_the_page_says_how_many_came_all_the_way_and_where_the_others_stopped(fleet):
    said = text(fleet)
    assert "6 of 20 models all the way to torch-inductor-cpu, ort-cpu" in said
    for word in ("drifts", "no export", "not explained", "not tested", "differs from itself", "exports, does not run"):
        assert word in said


def test_shares_are_of_what_came_so_far(fleet):
    assert "run eagerly 90 % 18 of 20" in text(fleet)


def test_the_picture_has_a_bar_for_each_total_and_says_the_whole_aloud(fleet):
    page = read(fleet.root / "report" / "coverage.html")
    first = page.all("img")[0]
    assert first["alt"].startswith("6 all the way, 2 differs from itself")
    drawn = source(fleet, "coverage.svg")
    views = set(re.findall(r'<view id="(r\d+)"', drawn))
    assert {image["src"].partition("#")[2] for image in page.all("img")} == views
    assert not re.search(r"style|<script|<text|\bon\w+=", drawn)


def test_the_further_a_model_came_the_higher_its_part_of_the_bar(fleet):
    whole = source(fleet, "coverage.svg").split("<view ")
    number = int(read(fleet.root / "report" / "coverage.html").all("img")[0]["src"].partition("#r")[2])
    bars = re.findall(r'height="(\d+)" fill="[^"]*" fill-opacity="1"', whole[number + 1])
    heights = [int(height) for height in bars]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == len(heights) > 4


def test_every_model_has_its_line_with_symbols_and_words_those_that_stopped_first_before_the_others(fleet):
    board = lines(fleet)
    assert set(board) == {entry.slug for entry in fleet.lock().models}
    reached = [classes.split()[0] for classes, _ in board.values()]
    order = ["unknown", "unfit", "unexplained", "unexported", "unrun", "drifts", "random", "through"]
    assert reached == sorted(reached, key=order.index)
    stories = {entry.slug: story for entry, story in zip(fleet.lock().models, tuple(Story) * 2, strict=True)}
    told = {stories[slug]: line for slug, (_, line) in board.items()}
    assert "✓ no breaks ✓ dynamo" in told[Story.CLEAN]
    assert "✓ transformers" in told[Story.SECOND_EXPORTER]
    assert "✗ unsupported op" in told[Story.UNSUPPORTED]
    assert "✗ network" in told[Story.NETWORK], "why it never ran, and not only that it did not"
    assert re.search(r"○ 0?\.\d+|○ \d", told[Story.DRIFT]), "how far it drifts, as expected"


def test_each_choice_of_the_filter_has_its_label_and_its_rule_in_the_style_sheet(fleet):
    page = read(fleet.root / "report" / "coverage.html")
    choices = {box["id"] for box in page.all("input")}
    assert choices == {label["for"] for label in page.all("label")}
    style = source(fleet, "style.css")
    for choice in choices - {"reach-all", "modality-all"}:
        assert f"#{choice}:checked) tbody tr:not(.{choice.partition('-')[2]})" in style


def test_causes_are_told_with_their_models_and_with_why_they_were_expected(fleet):
    causes = text(fleet).partition("What fails, by cause")[2].partition("Every model")[0]
    assert "No ONNX function found for <OpOverload(op='aten.unfold_copy')> 2 models at export" in causes
    assert "○ expected" in causes
    assert REASON in causes


def test_links_lead_to_places_that_exist(fleet):
    assert broken_links(report_pages(fleet), fleet.root) == []


def test_a_modality_that_nobody_knows_becomes_no_class_of_the_page(tmp_path):
    store = synthetic_run(tmp_path, models=1)
    for record in list(store.records()):
        strange = record.model.model_copy(update={"modality": 'x"><b onclick=1>'})
        store.write_record(record.model_copy(update={"model": strange}))
    build_report(store)
    assert next(iter(lines(store).values()))[0] == "through other"


def test_a_line_stays_short_whatever_a_model_says(tmp_path):
    sizes = []
    for models in (3, 9):
        store = synthetic_run(tmp_path / str(models), models=models, stories=(Story.UNSUPPORTED,))
        slug = store.lock().models[0].slug
        cell = Cell(model=slug, stage="export")
        long = Failure.of(FailureKind.UNSUPPORTED_OP, "x y" * 9000)
        store.write_record(store.record(cell).model_copy(update={"failure": long}))
        build_report(store)
        sizes.append(len(source(store)))
    assert (sizes[1] - sizes[0]) / 6 < 1000
    assert sizes[0] < 25_000


def with_cells(store, cells):
    """The same run with another plan."""
    store.write_plan(store.plan().model_copy(update={"cells": tuple(cells)}))
    return RunStore(store.root)


def test_a_share_without_a_model_changes_nothing_about_the_others(tmp_path):
    runs = [synthetic_run(tmp_path / name, models=1, stories=(Story.CLEAN,)) for name in "ab"]
    empty, share = sorted(runs, key=lambda store: store.run_id)
    shutil.rmtree(empty.root / "models")
    rows, columns = coverage_of([with_cells(empty, ()), share])
    assert [reach(row, columns) for row in rows] == [Reach.THROUGH]


def test_runs_of_different_references_are_not_told_of_together(tmp_path):
    one, other = (synthetic_run(tmp_path / name, models=1) for name in "ab")
    cells = [cell for cell in other.plan().cells if cell.target != "torch-eager-cpu"]
    for path in other.root.glob("models/*/infer.torch-eager-cpu.json"):
        path.unlink()
    with pytest.raises(UsageError, match="different references"):
        coverage_of([one, with_cells(other, cells)])


def test_of_several_runs_the_later_one_counts(tmp_path):
    earlier = synthetic_run(tmp_path / "a", models=3, stories=(Story.UNSUPPORTED,))
    later = synthetic_run(tmp_path / "b", models=2, stories=(Story.CLEAN,))
    later_plan = later.plan().model_copy(update={"run_id": "29990101T000000Z-000000"})
    manifest = later.manifest().model_copy(update={"run_id": later_plan.run_id})
    records = [record.model_copy(update={"run_id": later_plan.run_id}) for record in later.records()]
    later.write_plan(later_plan)
    later.write_manifest(manifest)
    later.write_findings(later.findings().model_copy(update={"run_id": later_plan.run_id}))
    for record in records:
        later.write_record(record)
    rows, columns = coverage_of([RunStore(later.root), earlier])
    assert [reach(row, columns) for row in rows] == [Reach.THROUGH, Reach.THROUGH, Reach.UNEXPORTED]
