"""The report's pages of the whole fleet: graph breaks with their pictures, failed exports by cause."""

import re

import pytest
from pages import broken_links, read, report_pages

from driftgate.core.records import (
    Cell,
    CompilePhases,
    ExportAttempt,
    FailureSummary,
    Recompile,
    SecondShape,
    SkippedFrame,
    SourceLine,
)
from driftgate.steps.report import build_report
from driftgate.testing.breaks import OWN, explained, give_breaks, graph_break
from driftgate.testing.runs import Story, synthetic_run

ITEM = graph_break("n = mask.sum().item()", "GB0124", count=3)
BRANCH = graph_break("if mask.any():", line=512)
PRINT = graph_break("print(x.shape)", "GB0059", file=OWN)


def slugs(store):
    return [entry.slug for entry in store.lock().models]


def with_breaks(output, *breaks, models=4):
    store = synthetic_run(output, models=models, stories=(Story.CLEAN,))
    return give_breaks(store, dict(zip(slugs(store), breaks, strict=False)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of four models one breaks for one reason, one for that and another, one in its own code; the report says what is new."""
    folder = tmp_path_factory.mktemp("run")
    store = with_breaks(folder / "after", (ITEM,), (ITEM, BRANCH), (PRINT,))
    build_report(store, against=with_breaks(folder / "before", (ITEM,), (ITEM,), (PRINT,)))
    return store


def page(store, name="breaks.html"):
    return read(store.root / "report" / name)


def flat(text):
    return " ".join(text.split())


def test_reasons_come_with_what_they_cost_and_a_picture_that_says_the_same_aloud(run):
    told = page(run)
    assert "8 graph breaks in 3 of 4 models" in flat(told.text)
    first = next(image for image in told.all("img") if image["src"] == "breaks.reasons.svg#r0")
    assert first["alt"] == "2 models, 1 of them for this reason alone"
    assert f"driftgate breaks --run {run.root}<" in (run.root / "report" / "breaks.html").read_text(), (
        "not below outputs/"
    )


def test_the_picture_draws_both_numbers_to_one_scale(run):
    drawn = (run.root / "report" / "breaks.reasons.svg").read_text()
    rows = drawn.split("<view ")[1:]
    widths = [[float(width) for width in re.findall(r'width="([\d.]+)" height="(?:6|16)"', row)] for row in rows]
    assert widths == [[1000.0, 500.0], [500.0, 500.0], [500.0]], "touched and freed: 2 and 1, 1 and 1, 1 and none"
    assert not re.search(r"style|<script|<text|\bon\w+=", drawn)


def test_levers_are_lines_of_libraries_alone(run):
    levers = flat(page(run).text).partition("Library code whose mending")[2].partition("Places in code")[0]
    assert "modeling_led.py:10 in forward" in levers
    assert OWN not in levers


def test_what_is_new_against_another_run_is_the_first_section(run):
    text = flat(page(run).text)
    assert text.index("Against ") < text.index("Reasons")
    assert "✗ appeared" in text
    assert f"{BRANCH.file}:512 in forward" in text.partition("Reasons")[0]


def test_every_place_leads_to_its_models_and_gives_a_way_out(run):
    told = page(run)
    assert "models/acme--tiny-vit-0001.html#explain" in told.links
    assert "Use `torch.cond`." in told.text
    assert broken_links(report_pages(run), run.root) == []


def test_a_fleet_without_breaks_and_failures_says_so(tmp_path):
    store = with_breaks(tmp_path)
    build_report(store)
    assert "No graph breaks" in page(store).text
    assert "No failed exports" in page(store, "exports.html").text
    assert not list((store.root / "report").glob("breaks.*.svg"))


def test_the_page_of_breaks_grows_with_places_and_never_with_models(tmp_path):
    fleet = [tuple(graph_break(f"if x[{n % 12}]:", function=f"f{n % 12}") for n in (i, i + 1)) for i in range(48)]
    sizes = []
    for models in (24, 48):
        store = with_breaks(tmp_path / str(models), *fleet[:models], models=models)
        build_report(store)
        sizes.append((store.root / "report" / "breaks.html").stat().st_size)
        assert len([image for image in page(store).all("img") if "levers" in image["src"]]) == 10
    assert sizes[1] < 1.1 * sizes[0]


# -- one model's page --------------------------------------------------------------------------------------------


def test_what_explain_knows_of_a_model_is_on_its_page(tmp_path):
    store = with_breaks(tmp_path, (BRANCH,), models=1)
    guard = "tensor 'x' size mismatch at index 0. expected 2, actual 3"
    payload = explained(BRANCH.model_copy(update={"module": "encoder.layer.*.attention"})).model_copy(
        update={
            "frames_skipped": 1,
            "skipped": (SkippedFrame(function="loop", file="mine.py", line=7, reason="a break in a loop"),),
            "recompiles": 1,
            "recompiled": (Recompile(function="forward", file="mine.py", line=9, guards=(guard,)),),
            "cache_limit_hits": 2,
            "guard_count": 41,
            "phases": CompilePhases(tracing_s=0.3, restarted_s=0.1, backend_s=0.1, guards_s=0.05, other_s=0.05),
            "second_shape": SecondShape(recompiles=1, breaks=1, seconds=1, found=(ITEM,)),
            "counter_break_count": 0,
        }
    )
    cell = Cell(model=slugs(store)[0], stage="explain")
    store.write_record(store.record(cell).model_copy(update={"payload": payload}))
    build_report(store)
    text = flat(page(store, f"models/{cell.model}.html").text)
    for told in (
        "module encoder.layer.*.attention",
        "a break in a loop",
        guard,
        "limit reached 2 times",
        "100 ms of it",
    ):
        assert told in text
    assert "dynamo's counters say 0" in text
    assert "Where it cuts at the second size alone" in text
    assert ITEM.code in text
    told = flat(page(store).text)
    assert "at a second input size alone: 1 more place in" in told
    assert cell.model in told


# -- exports -----------------------------------------------------------------------------------------------------


def test_failed_exports_are_told_by_cause_with_what_mends_them_and_where_they_sit(tmp_path):
    store = synthetic_run(tmp_path, models=4, stories=(Story.CLEAN, Story.SECOND_EXPORTER, Story.UNSUPPORTED))
    line = SourceLine(file="transformers/models/led/modeling_led.py", line=412, function="forward", code="y = f(x)")
    failure = FailureSummary(
        kind="custom_op",
        message="no translation for acme::twist",
        fingerprint="aa",
        hint="register a translation",
        operator="acme::twist",
        module="encoder.layers.0",
        module_class="LEDEncoderLayer",
        source=line,
    )
    attempt = ExportAttempt(exporter="dynamo", dynamic=False, verdict="failed", seconds=1, failure=failure)
    cell = Cell(model=slugs(store)[0], stage="export")
    record = store.record(cell)
    attempts = (attempt, *record.payload.attempts)
    store.write_record(record.model_copy(update={"payload": record.payload.model_copy(update={"attempts": attempts})}))
    build_report(store)
    told = page(store, "exports.html")
    text = flat(told.text)
    assert "1 of 4 models without an export, 3 causes" in text
    assert text.index("No ONNX function found") < text.index("DynamicCache"), "what costs an export comes first"
    assert "custom_op acme::twist 0 models lost of 1; dynamo ×1" in text
    assert "What mends it. register a translation" in text
    assert "in encoder.layers.0 (LEDEncoderLayer), transformers/models/led/modeling_led.py:412 in forward" in text
    assert f"models/{cell.model}.html#export" in told.links
    assert "1 of 4 models without an export" in flat(page(store, "index.html").text)
