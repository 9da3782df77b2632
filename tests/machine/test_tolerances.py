"""The table of tolerances: what its rows mean, and that every mistake in a file is told with file, line and the nearest name."""

from pathlib import Path

import pytest

from driftgate.core.errors import UsageError
from driftgate.core.tolerances import DTYPES, EXACT
from driftgate.machine.store import RunStore
from driftgate.machine.tolerances import NAME, keep_tolerances, load_tolerances, packaged_tolerances, tolerances_in
from driftgate.targets import TARGETS

TARGET_NAMES = TARGETS.names()
SPECIFIC = """\
tolerances:
  - {dtype: float32, atol: 1, rtol: 0, reason: any}
  - {dtype: float32, task: fill-mask, atol: 2, rtol: 0, reason: the task}
  - {dtype: float32, target: [ort-cpu, ort-cuda], atol: 3, rtol: 0, reason: the target}
  - {dtype: [float32, float16], task: [fill-mask, text-generation], target: ort-cpu, atol: 4, rtol: 0, reason: both}
  - {dtype: float16, atol: 5, rtol: 0, reason: half}
"""


def load(folder: Path, text: str):
    path = folder / "mine.yaml"
    path.write_text(text)
    return load_tolerances(path, TARGET_NAMES)


@pytest.mark.parametrize(
    ("task", "target", "atol", "row"),
    [
        ("fill-mask", "ort-cpu", 4, "float32, task fill-mask, target ort-cpu"),
        ("fill-mask", "ort-cuda", 3, "float32, target ort-cuda"),
        ("fill-mask", "torch-inductor-cpu", 2, "float32, task fill-mask"),
        ("object-detection", "ort-cpu", 3, "float32, target ort-cpu"),
        ("object-detection", "torch-inductor-cpu", 1, "float32"),
    ],
)
def test_the_most_specific_row_wins_and_says_which_it_was(tmp_path, task, target, atol, row):
    found = load(tmp_path, SPECIFIC).tolerance("float32", task, target)
    assert (found.atol, found.row) == (atol, row)


def test_the_order_of_rows_means_nothing(tmp_path):
    head, *rows = SPECIFIC.splitlines()
    backwards = "\n".join([head, *reversed(rows)])
    for task in ("fill-mask", "text-generation", "other"):
        for target in TARGET_NAMES:
            found = [load(tmp_path, text).tolerance("float32", task, target) for text in (SPECIFIC, backwards)]
            assert found[0] == found[1]


def test_a_file_speaks_for_the_dtypes_it_names_and_the_others_keep_their_own_rows(tmp_path):
    table = load(tmp_path, "tolerances: [{dtype: complex64, atol: 1, rtol: 0, reason: mine}]")
    assert table.tolerance("complex64", "other", "ort-cuda").reason == "mine"
    packaged = packaged_tolerances()
    for dtype in set(DTYPES) - {"complex64"}:
        for target in TARGET_NAMES:
            assert table.tolerance(dtype, "other", target) == packaged.tolerance(dtype, "other", target)


def test_every_row_of_ours_gives_its_reason_and_every_dtype_has_one():
    assert all(row.reason and row.atol <= 0.25 for row in packaged_tolerances().tolerances)
    assert all(packaged_tolerances().tolerance(dtype) for dtype in DTYPES)
    assert (EXACT.atol, EXACT.rtol) == (0, 0)


def test_our_own_table_and_its_copy_under_configs_are_equal():
    root = Path(__file__).parents[2]
    copy = root / "configs" / NAME
    assert copy.read_text() == (root / "src" / "driftgate" / "data" / NAME).read_text()
    assert load_tolerances(copy, TARGET_NAMES) == packaged_tolerances()


def test_a_run_carries_the_whole_table_and_gives_it_back(tmp_path):
    store = RunStore(tmp_path)
    assert tolerances_in(store) == packaged_tolerances()
    table = load(tmp_path, SPECIFIC.replace("reason: any", r'reason: "a \"quoted\": reason,\n\x7f − with # signs"'))
    keep_tolerances(store, table)
    assert tolerances_in(store) == table


ROW = "tolerances:\n  - {dtype: float32, atol: 1, rtol: 0, reason: x}\n  - "


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("dtype: float3", ".dtype: no tolerance is kept for dtype 'float3'; did you mean 'float32'?"),
        ("dtype: int64", ".dtype: no tolerance is kept for dtype 'int64'; integers and booleans are compared exactly"),
        ("dtype: float32, task: fillmask", ".task: there is no task 'fillmask'; did you mean 'fill-mask'?"),
        ("dtype: float32, target: ort-cp", ".target: there is no target 'ort-cp'; did you mean 'ort-cpu'?"),
        ("dtype: float32, target: []", ".target: must name at least one"),
        ("dtype: float32", ": row 1 is for float32 too; keep one of them"),
        ("dtype: float16, target: ort-cpu", ": float16 has no row without task and target"),
        ("dtype: float16, atoll: 1", ".atoll: unknown key 'atoll'; did you mean 'atol'?"),
    ],
)
def test_a_row_that_names_what_is_not_there_is_told_with_its_line_and_the_nearest_name(tmp_path, row, told):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, f"{ROW}{{{row}, atol: 1, rtol: 0, reason: x}}")
    assert f"mine.yaml:3: tolerances[1]{told}" in str(caught.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("atol: -1, rtol: 0, reason: x", ".atol: Input should be greater than or equal to 0"),
        ("atol: .inf, rtol: 0, reason: x", ".atol: Input should be a finite number"),
        ("atol: 1, rtol: 1, reason: x", ".rtol: Input should be less than 1"),
        ("atol: 1, rtol: 0", ".reason: Field required"),
        ("atol: 1, rtol: 0, reason: ''", ".reason: String should have at least 1 character"),
    ],
)
def test_a_number_that_would_hide_a_failure_and_a_row_without_a_reason_are_refused(tmp_path, row, told):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, f"{ROW}{{dtype: float16, {row}}}")
    assert f"mine.yaml:3: tolerances[1]{told}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("float32: {atol: 1, rtol: 0, reason: x}", "mine.yaml:1: float32: unknown key 'float32'; valid: tolerances"),
        ("tolerances: {float32: 1}", "mine.yaml:1: tolerances: must be a list"),
        ("- 1", "must be a mapping"),
        ("[1", "mine.yaml:1: not valid YAML"),
        ("", "Field required"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, told):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert told in str(caught.value)
