"""A sample of the field through the product: twelve types in `make test`, sixty and every expected failure in `make test-full`.

One run each, in processes that reach no network and no GPU; then the run's own words are held against the scoreboard and the expectations.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from field_night import ROOT, Night, closed, expectations, names_in, sample, spend, told, types_of

from driftgate.core.expectations import Expectation
from driftgate.core.records import ModelIdentity
from driftgate.core.verdicts import FailureKind
from driftgate.machine.provenance import package_versions
from driftgate.sources.zoo_source import MARK
from driftgate.testing.workplace import workplace_in

SCOREBOARD = ROOT / "docs" / "coverage.json"
BEFORE_COMPILING = ("pull", "inputs")
"""Stages in which an expected failure costs a second or two: those rows are run in every test."""

pytestmark = pytest.mark.timeout(600)
LONG = (pytest.mark.full, pytest.mark.timeout(2400))


@pytest.fixture(scope="module", params=[12, pytest.param(60, marks=LONG)])
def night(request, tmp_path_factory):
    """The sample, the types whose failure is expected, and one row that is wrong on purpose."""
    everything = request.param == 60
    known = [row for row in expectations() if everything or row.stage in BEFORE_COMPILING]
    types = list(dict.fromkeys((*sample(request.param), *(name for row in known for name in types_of(row)))))
    rows = [row for row in expectations() if set(types) & set(types_of(row))]
    with workplace_in(tmp_path_factory.mktemp("place")) as place:
        yield spend(place, types, [*rows, planted()], patience=2300 if everything else 560)


def planted() -> Expectation:
    kind, reason = FailureKind.COMPILE, "planted: it is exported"
    return Expectation(model="zoo:mpt", stage="export", kind=kind, reason=reason)


def test_the_sample_is_taken_from_every_modality_and_the_small_one_is_in_the_large_one():
    assert len(set(sample(12))) == 12
    assert set(sample(12)) < set(sample(60))
    assert len(set(sample(60))) == 60
    assert planted().model.removeprefix("zoo:") in sample(12)


def test_the_run_ends_well_and_every_scheduled_cell_has_a_record(night: Night):
    assert night.ended.code in (0, 1), night.ended.err
    assert len(night.place.records()) == 7 * len(night.types)
    assert night.place.leftovers() == []


def test_every_type_is_pulled_fed_and_run_eagerly_unless_it_is_known_that_it_cannot_be(night: Night):
    for name, records in night.records.items():
        ends = [records[cell] for cell in ("pull", "inputs", "infer.torch-eager-cpu")]
        failed = [record for record in ends if not record.passed]
        assert not failed or night.is_excused(failed[0]), (name, failed[0].failure)


def test_every_type_that_runs_eagerly_is_explained(night: Night):
    for name, records in night.records.items():
        if records["infer.torch-eager-cpu"].passed:
            assert records["explain"].passed, (name, records["explain"].failure)


def test_the_scoreboard_says_the_same_of_the_sample(night: Night):
    scoreboard = committed()
    ours = {f"zoo:{name}": told(records) for name, records in night.records.items()}
    assert ours == {name: scoreboard[name] for name in ours}


def committed() -> dict[str, dict[str, object]]:
    """The rows of docs/coverage.json, if they were made with the versions that are installed here."""
    if not SCOREBOARD.exists():
        pytest.skip("docs/coverage.json is not there: make field")
    scoreboard = json.loads(SCOREBOARD.read_text())
    here = package_versions()
    made_with = {name: made for name, made in scoreboard["versions"].items() if name in here}
    others = [f"{name} {made}, here {here[name]}" for name, made in made_with.items() if made != here[name]]
    if others:
        pytest.skip(f"docs/coverage.json was made with {'; '.join(others)}: make field")
    return scoreboard["rows"]


def expected(night: Night) -> list[tuple[Expectation, str]]:
    """The true rows, each with the types of this run that it is about."""
    return [(row, name) for row in night.rows[:-1] for name in types_of(row) if name in night.records]


def test_every_expected_failure_still_fails_as_its_row_says(night: Night):
    for row, name in expected(night):
        records = [record for record in night.records[name].values() if row.is_about(record)]
        ends = {record.cell.name: record.failure.kind.value if record.failure else "passed" for record in records}
        assert any(map(row.fails_so, records)), f"{name} was expected to fail at {row.stage} ({row.what}): {ends}"


def test_what_a_reason_names_is_named_by_the_failure_too(night: Night):
    for row, name in expected(night):
        failures = [record.failure for record in night.records[name].values() if row.fails_so(record)]
        words = " ".join(f"{failure.message} {failure.hint} {failure.traceback}" for failure in failures)
        assert [named for named in names_in(row.reason) if named not in words] == [], f"{name}: {words}"


def test_an_expected_failure_that_passes_by_now_is_reported(night: Night):
    sentence = (
        "export of zoo--mpt passes, though it is expected to fail (compile: planted: it is exported); take the row out"
    )
    told_so = [one for one in night.place.store.findings().findings if one.rule == "expectation_outdated"]
    assert [one.sentence for one in told_so] == [sentence]
    assert sentence in (night.place.store.root / "summary.md").read_text()


def test_nothing_was_asked_of_the_network(night: Night):
    assert night.asked == []
    call = "import socket; socket.create_connection(('127.0.0.1', 9))"
    refused = subprocess.run(
        [sys.executable, "-c", call],
        env=night.place.environment | closed(night.place),
        capture_output=True,
        check=False,
    )
    assert b"there is no network here" in refused.stderr
    assert len(night.asked) == 1
    (night.place.folder / "asked").unlink()


def test_configs_weights_and_inputs_are_the_same_bytes_in_another_process(night: Night, tmp_path: Path):
    fed = [records["inputs"].model for records in night.records.values() if records["inputs"].passed]
    again = [sys.executable, "field_night.py", str(tmp_path), *(model.family for model in fed)]
    hashed = os.environ | {"PYTHONHASHSEED": "7"}
    subprocess.run(again, cwd=Path(__file__).parent, env=hashed, check=True, capture_output=True)
    for model in fed:
        first, second = digests(built(night, model)), digests(tmp_path / model.family)
        assert {"config.json", "model.safetensors"} <= set(first)
        assert first == second
        inputs = digests(night.place.store.model_folder(model.slug), "inputs*.safetensors")
        assert inputs == digests(tmp_path / f"{model.family}.inputs", "inputs*.safetensors") != {}


def built(night: Night, model: ModelIdentity) -> Path:
    """Where the run's cache holds a model."""
    (folder,) = (night.place.folder / "cache" / "models" / "zoo").glob(f"{model.slug}-????????????????")
    return folder


def digests(folder: Path, pattern: str = "*") -> dict[str, str]:
    """File → hash of its content; the source's own mark is none of the model's files."""
    files = (path for path in sorted(folder.glob(pattern)) if path.is_file() and path.name != MARK)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


LOADS = """
import sys, json, transformers
for folder in sys.argv[1:]:
    (name,) = json.load(open(folder + "/config.json"))["architectures"]
    _, said = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    print(name, *(len(said[what]) for what in ("missing_keys", "unexpected_keys", "mismatched_keys")))
"""


def test_a_built_model_loads_with_plain_from_pretrained_in_a_fresh_process(night: Night):
    fed = [records["inputs"].model for records in night.records.values() if records["inputs"].passed]
    at = [str(built(night, model)) for model in fed]
    done = subprocess.run([sys.executable, "-c", LOADS, *at], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{model.architecture} 0 0 0" for model in fed]
