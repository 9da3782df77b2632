import re

import pytest
from pages import broken_links, read, report_pages

from driftgate.core.errors import UsageError
from driftgate.core.records import Cell, Failure, GraphBreak
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore
from driftgate.steps.report import build_report
from driftgate.testing.runs import REASON, START, Story, synthetic_run

SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
EVIL_NAMES = (f"hf:acme/{SCRIPT}", "hf:acme/../../etc/passwd", "python:it's:{{7*7}}", "hf:acme/" + "x" * 300)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Every story once, those of one kind expected, with its report."""
    store = synthetic_run(tmp_path_factory.mktemp("run") / "outputs", stories=tuple(Story), expected=(Story.DRIFT,))
    build_report(store)
    return store


def model_of(store, story):
    return store.lock().models[list(Story).index(story)].slug


def page_of(store, slug):
    return read(store.root / "report" / "models" / f"{slug}.html")


def with_failure(store, cell, failure):
    """Replace the failure of a cell that did not pass."""
    store.write_record(store.record(cell).model_copy(update={"failure": failure}))


def square(store, cell):
    """The matrix's square of a cell: its class, and the link in it."""
    elements = read(store.root / "report" / "index.html").elements
    target = f"models/{cell.model}.html#{cell.name}"
    place = next(i for i, (tag, a) in enumerate(elements) if tag == "a" and a["href"] == target and "title" in a)
    return elements[place - 1][1]["class"], elements[place][1]


def test_every_planned_cell_is_in_the_matrix_and_on_its_models_page(fleet):
    index = read(fleet.root / "report" / "index.html")
    for cell in fleet.plan().cells:
        assert f"models/{cell.model}.html#{cell.name}" in index.links
        assert cell.name in page_of(fleet, cell.model).ids


def test_every_link_leads_to_a_file_and_a_place_that_exist(fleet):
    pages = report_pages(fleet)
    assert len(pages) == len(fleet.lock().models) + 6
    assert broken_links(pages, fleet.root) == []


def test_pages_need_nothing_that_a_strict_content_policy_blocks(fleet):
    for path, page in report_pages(fleet).items():
        used = {tag for tag, _ in page.elements}
        assert not used & {"script", "style", "iframe", "object", "embed", "form", "base"}, path
        assert not [a for _, a in page.elements if "style" in a or any(name.startswith("on") for name in a)], path
    for picture in (fleet.root / "report").rglob("*.svg"):
        assert not re.search(r"style|<script|\bon\w+=", picture.read_text())


def test_pages_are_made_for_a_screen_reader(fleet):
    for path, page in report_pages(fleet).items():
        assert len(page.all("h1")) == 1, path
        assert page.all("html")[0]["lang"] == "en"
        assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in page.elements}
        assert page.all("a")[0] == {"class": "skip", "href": "#main"}
        assert all("scope" in th for th in page.all("th")), path
        assert len(page.all("caption")) == len(page.all("table")), path
        assert all("alt" in img for img in page.all("img"))
        ids = [a["id"] for _, a in page.elements if "id" in a]
        assert len(ids) == len(set(ids)), path


def test_the_verdict_is_the_heading_and_says_how_many_models_broke(fleet):
    text = " ".join(read(fleet.root / "report" / "index.html").text.split())
    assert "✗ Failed 6 of 12 models broke" in text


def test_a_failure_is_shown_with_its_hint_its_traceback_and_the_command_that_repeats_it(fleet):
    slug = model_of(fleet, Story.UNSUPPORTED)
    page = page_of(fleet, slug)
    assert "unsupported_op" in page.text
    assert "register a custom translation" in page.text
    assert "DispatchError" in page.text
    assert f"driftgate export --run {fleet.run_id} --model {slug}" in page.text
    assert f"driftgate infer --run {fleet.run_id} --model {slug} --target ort-cpu" in page.text
    assert "needs export, which did not pass" in page.text


def test_a_failed_cell_is_red_and_what_hangs_on_it_is_not(fleet):
    slug = model_of(fleet, Story.UNSUPPORTED)
    shown, link = square(fleet, Cell(model=slug, stage="export"))
    assert shown == "failed"
    assert "No ONNX function found" in link["title"]
    assert square(fleet, Cell(model=slug, stage="infer", target="ort-cpu"))[0] == "skipped"


def test_an_expected_failure_is_not_red_and_gives_its_reason(fleet):
    slug = model_of(fleet, Story.DRIFT)
    assert square(fleet, Cell(model=slug, stage="drift", target="ort-cpu"))[0] == "expected"
    page = page_of(fleet, slug)
    assert REASON in page.text
    assert "cell failed" not in {a.get("class") for a in page.all("section")}


def test_a_break_comes_with_its_place_code_hints_and_torchs_page_about_it(fleet):
    page = page_of(fleet, model_of(fleet, Story.BREAKS))
    assert "transformers/models/led/modeling_led.py:512" in page.text
    assert "if is_global_attn.any():" in page.text
    assert "Use `torch.cond`" in page.text
    assert "https://meta-pytorch.github.io/compile-graph-break-site/gb0170.html" in page.links
    assert "it reports graphs − 1" in page.text
    ledger = read(fleet.root / "report" / "breaks.html")
    assert "Data-dependent branching" in ledger.text


def test_hostile_names_and_messages_are_shown_and_never_obeyed(tmp_path):
    breaks = (
        GraphBreak(
            gb_id="GB1", gb_type=SCRIPT, reason=SCRIPT, code=SCRIPT, url="javascript:alert(3)", count=1, fingerprint="f"
        ),
    )
    stories = (Story.UNSUPPORTED, Story.BREAKS)
    store = synthetic_run(tmp_path, models=6, names=EVIL_NAMES, stories=stories, breaks=breaks)
    slug = store.lock().models[0].slug
    hostile = Failure.of(FailureKind.UNSUPPORTED_OP, SCRIPT, hint=SCRIPT, traceback=SCRIPT)
    with_failure(store, Cell(model=slug, stage="export"), hostile)
    build_report(store)
    pages = report_pages(store)
    for page in pages.values():
        assert not {"script", "iframe"} & {tag for tag, _ in page.elements}
        assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert SCRIPT in page_of(store, slug).text
    assert "{{7*7}}" in page_of(store, store.lock().models[2].slug).text
    assert broken_links(pages, store.root) == []


def test_no_page_grows_with_what_a_model_prints_or_how_often_it_breaks(tmp_path):
    place = GraphBreak(gb_id="GB2", gb_type="t" * 9000, reason="r" * 4000, code="c" * 9000, count=1, fingerprint="0")
    run_breaks = tuple(place.model_copy(update={"fingerprint": str(number)}) for number in range(3000))
    store = synthetic_run(tmp_path, models=1, stories=(Story.BREAKS,), breaks=run_breaks)
    build_report(store)
    sizes = {path.name: path.stat().st_size for path in (store.root / "report").rglob("*.html")}
    assert max(sizes.values()) < 500_000, sizes
    assert "2,960 more places" in page_of(store, store.lock().models[0].slug).text
    assert (store.root / "report" / "breaks-2.html").is_file()


def test_a_long_matrix_goes_on_other_pages_and_nothing_is_lost(tmp_path):
    store = synthetic_run(tmp_path, models=202)
    build_report(store)
    pages = report_pages(store)
    assert broken_links(pages, store.root) == []
    linked = {link for page in pages.values() for link in page.links}
    assert {f"models/{cell.model}.html#{cell.name}" for cell in store.plan().cells} <= linked
    assert "matrix-2.html#matrix" in linked


def test_a_run_that_was_cut_off_and_not_judged_says_both(tmp_path):
    store = synthetic_run(tmp_path, models=2, judged=False)
    lost = store.plan().cells[3]
    store.record_path(lost).unlink()
    build_report(store)
    assert square(store, lost)[0] == "missing"
    assert f"driftgate gate --run {store.run_id}" in read(store.root / "report" / "index.html").text
    assert f"driftgate run --resume {store.run_id}" in page_of(store, lost.model).text


def test_a_column_of_which_nothing_was_computed_yet_stands_there_empty(tmp_path):
    store = synthetic_run(tmp_path, models=2, judged=False)
    column = [cell for cell in store.plan().cells if cell.name == "infer.ort-cpu"]
    for cell in column:
        store.record_path(cell).unlink()
    build_report(store)
    assert {square(store, cell)[0] for cell in column} == {"missing"}
    assert broken_links(report_pages(store), store.root) == []


def test_cells_from_the_cache_do_not_pretend_to_have_taken_no_time(tmp_path):
    store = synthetic_run(tmp_path, models=2, stories=(Story.CLEAN,))
    for record in list(store.records()):
        if record.stage == "export":
            store.write_record(record.model_copy(update={"cached": True, "duration_s": 0.0}))
    build_report(store)
    text = read(store.root / "report" / "index.html").text
    assert "2 of 16 cells from the cache" in text
    assert "2 from the cache" in text
    assert "0 s" not in page_of(store, store.lock().models[0].slug).text.split()


def test_secrets_in_configuration_and_environment_are_not_published(tmp_path):
    store = synthetic_run(tmp_path, models=1)
    config = {"hub": {"endpoint": "https://user:hunter2@hub.example", "token": "hunter2"}}
    store.write_manifest(store.manifest().model_copy(update={"config": config}))
    build_report(store)
    assert "hunter2" not in (store.root / "report" / "provenance.html").read_text()


def test_pages_of_an_earlier_build_do_not_stay(tmp_path):
    store = synthetic_run(tmp_path, models=1)
    stale = store.write_text("report/matrix-9.html", "old")
    build_report(store)
    assert not stale.exists()


def test_a_run_without_a_plan_is_refused(tmp_path):
    with pytest.raises(UsageError, match="plan.json"):
        build_report(RunStore.create(tmp_path, now=START))
