"""What scripts are made of comes from others: whatever it is, it arrives in the source as a literal."""

import ast
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.records import (
    Agent,
    ExplainPayload,
    ExportAttempt,
    ExportPayload,
    Failure,
    FailureSummary,
    GraphBreak,
    LockEntry,
    StageRecord,
)
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.diagnose.repro.broken import broken_in
from driftgate.diagnose.repro.building import building_of
from driftgate.diagnose.repro.inputs import Call
from driftgate.diagnose.repro.render import NoRepro, literal
from driftgate.diagnose.repro.script import Circumstances, recogniser, script_of
from driftgate.machine.settings import ExportSettings, Settings

NASTY = 'a"b\'c\n"""\nimport os; os.system(\'touch owned\')\r\x0c\x00\u2028\u202e{{ 7 * 7 }}{% raw %}\\'
PACKAGES = {"torch": "2.13.0+cpu", "transformers": "5.23.0", "onnx": "1.23.2", "onnxscript": "0.7.2", "numpy": "2.4.6"}
GUARD = "the dynamo exporter failed: GuardOnDataDependentSymNode: Could not guard"


def record(stage: str, *, ref: str = "hf:org/name", failure: Failure | None = None, **more: Any) -> StageRecord:
    entry = LockEntry(
        ref=ref, slug="model", scheme="hf", name="org/name", architecture=more.pop("architecture", "BertModel")
    )
    return StageRecord(
        run_id=more.pop("run_id", "run"),
        agent="agent",
        model=entry.identity(),
        stage=stage,
        verdict=verdict_of(failure.kind) if failure else "passed",
        failure=failure,
        started_at=datetime.now(UTC),
        duration_s=1,
        **more,
    )


def with_breaks(text: str = "print(x)", **more: Any) -> StageRecord:
    seen = GraphBreak(
        gb_id=None, gb_type=text, reason=text, file=text, line=3, function=text, code=text, count=2, fingerprint=text
    )
    payload = ExplainPayload(
        graph_count=1, break_count=2, unique_break_count=1, frames_skipped=0, explain_break_count=0, breaks=(seen,), op_count=0, compile_s=0
    )  # fmt: skip
    return record("explain", payload=payload, **more)


def with_export(message: str = GUARD, exporter: str = "dynamo", variant: str | None = None, **more: Any) -> StageRecord:
    failure = Failure.of(FailureKind.DATA_DEPENDENT, message)
    summary = FailureSummary(
        kind=failure.kind, message=message, fingerprint=failure.fingerprint, signature=(message, "")
    )
    attempt = ExportAttempt(exporter=exporter, dynamic=bool(variant), verdict="failed", seconds=1, failure=summary)
    return record("export", variant=variant, failure=failure, payload=ExportPayload(attempts=(attempt,)), **more)


def around(tmp_path: Path = Path("/nowhere"), entry: LockEntry | None = None, **more: Any) -> Circumstances:
    agent = more.pop("agent", None) or Agent(
        agent="agent", python="3.11.7", platform=more.pop("platform", "Linux"), cpu="", cores=2, memory_bytes=1, packages=PACKAGES
    )  # fmt: skip
    pinned = entry or LockEntry(ref="hf:org/name", slug="model", scheme="hf", name="org/name", revision="0" * 40)
    building = building_of(pinned, tmp_path / "cache", tmp_path)
    call = more.pop("call", Call(["x", "mask"], {"flag": "yes"}, positional=False, seed=0, axes={"x": {0: "batch"}}))
    return Circumstances(building, call, agent, more.pop("settings", Settings()), {})


def text_of(made: StageRecord, circumstances: Circumstances) -> str:
    (broken,) = broken_in(made)
    text = script_of(broken, circumstances).text
    compile(text, "script.py", "exec")
    return text


class _Blank(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(type(node.value).__name__)


def structure(text: str) -> str:
    """The program without its values."""
    return ast.dump(_Blank().visit(ast.parse(text)))


def nasty_script(evil: str, stage: str) -> str:
    entry = LockEntry(
        ref="hf:x", slug="model", scheme="hf", name=evil, revision=evil, architecture=evil or "A", endpoint=evil or "E"
    )
    call = Call([evil, "mask"], {evil: evil}, positional=False, seed=0, axes={evil: {0: evil}})
    circumstances = around(Path("/nowhere"), entry, call=call, platform=evil)
    more = {"ref": evil, "architecture": evil, "run_id": evil}
    made = (
        with_breaks(evil, **more) if stage == "explain" else with_export(f"{evil}: {evil}", variant="dynamic", **more)
    )
    return text_of(made, circumstances)


@pytest.mark.parametrize("stage", ["explain", "export"])
def test_names_and_values_of_others_cannot_become_code(stage: str) -> None:
    assert structure(nasty_script(NASTY, stage)) == structure(nasty_script("plain", stage))


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=40), st.sampled_from(["explain", "export"]))
def test_no_text_whatever_changes_the_program(evil: str, stage: str) -> None:
    assert structure(nasty_script(evil or "e", stage)) == structure(nasty_script("plain", stage))


def test_a_version_that_is_none_is_no_dependency() -> None:
    agent = Agent(agent="a", python="3.11.7", platform="", cpu="", cores=1, memory_bytes=1,
                  packages={"torch": "2.13.0', 'evil", "numpy": "2.4.6"})  # fmt: skip
    text = text_of(with_breaks(), around(agent=agent))
    assert text.splitlines()[1:5] == [
        "# requires-python = '==3.11.*'",
        "# dependencies = [",
        "#   'numpy==2.4.6',",
        "# ]",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object(), [{"a": {1}}], Path("x")])
def test_what_has_no_literal_is_refused(value: object) -> None:
    with pytest.raises(NoRepro):
        literal(value)


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "..", "UPPER", "a b"])
def test_a_cell_whose_name_is_a_path_gets_no_script(name: str) -> None:
    (broken,) = broken_in(with_export(variant=name))
    with pytest.raises(NoRepro, match="named"):
        script_of(broken, around())


def test_an_exporter_that_nobody_knows_gets_no_script() -> None:
    (broken,) = broken_in(with_export(exporter="../../x"))
    with pytest.raises(NoRepro, match="no script is known for the exporter"):
        script_of(broken, around())


def test_a_script_that_nobody_would_read_is_not_written() -> None:
    (broken,) = broken_in(with_breaks())
    call = Call(["x"], {"list": ["word"] * 100_000}, positional=False, seed=0)
    with pytest.raises(NoRepro, match="too large"):
        script_of(broken, around(call=call))


def test_the_packages_of_the_run_are_pinned_as_a_registry_knows_them() -> None:
    text = text_of(with_export(), around())
    assert "#   'torch==2.13.0'," in text
    assert "#   'onnxscript==0.7.2'," in text
    assert "torch 2.13.0+cpu" in text
    assert "onnx" not in text_of(with_breaks(), around()).partition("# ]")[0]


def test_without_provenance_a_script_says_so() -> None:
    text = text_of(with_breaks(), replace(around(), agent=None))
    assert "# requires-python = '>=3.11'" in text
    assert "the agent's provenance is missing" in text


@pytest.mark.parametrize(("exporter", "called", "shapes"), [
    ("dynamo", "torch.onnx.export(module, positional, kwargs=tensors, dynamo=True", "{'x': {0: 'batch'}, 'mask': None, 'flag': None}"),
    ("transformers", "OnnxExporter().export(module, tensors, config)", "{'x': {0: 'batch'}, 'mask': None, 'flag': None}"),
    ("torchscript", "dynamo=False", "{'x': {0: 'batch'}}"),
])  # fmt: skip
def test_each_exporter_is_called_with_the_opset_and_the_axes_of_the_run(
    exporter: str, called: str, shapes: str
) -> None:
    settings = Settings(export=ExportSettings(exporters=("dynamo",), opset=21, dynamic=True))
    text = text_of(with_export(exporter=exporter, variant="dynamic"), around(settings=settings))
    assert called in text
    assert "OPSET = 21\n" in text
    assert f"SHAPES = {shapes}\n" in text
    assert "SHAPES = None\n" in text_of(with_export(exporter=exporter), around())


def test_a_model_of_the_public_hub_comes_from_there_at_its_commit() -> None:
    entry = LockEntry(
        ref="hf:a/b",
        slug="model",
        scheme="hf",
        name="a/b",
        revision="c" * 40,
        architecture="BertModel",
        allow_remote_code=True,
    )
    text = text_of(with_breaks(), around(entry=entry))
    assert f'pinned = {{"revision": \'{"c" * 40}\', "trust_remote_code": True}}\n' in text
    assert "from_pretrained(\n        'a/b', use_safetensors=True, dtype=torch.float32, **pinned\n" in text
    assert "auto_map" in text
    assert "HF_ENDPOINT" not in text


def test_a_hub_of_ones_own_is_named_before_its_client_is_imported() -> None:
    entry = LockEntry(
        ref="hf:a/b", slug="model", scheme="hf", name="a/b", revision="c" * 40, endpoint="https://hub.example.org"
    )
    text = text_of(with_breaks(), around(entry=entry))
    assert text.index("os.environ[\"HF_ENDPOINT\"] = 'https://hub.example.org'") < text.index("import transformers")
    assert "name = 'AutoModel'\n" in text
    assert "auto_map" not in text


def test_a_model_that_is_not_on_this_machine_says_how_to_fetch_it(tmp_path: Path) -> None:
    entry = LockEntry(ref="zoo:bert", slug="model", scheme="zoo", name="bert", revision="d" * 40)
    with pytest.raises(NoRepro, match="driftgate pull --run"):
        building_of(entry, tmp_path, tmp_path)


def zoo_model(tmp_path: Path, weights: int) -> Circumstances:
    entry = LockEntry(ref="zoo:bert", slug="zoo--bert", scheme="zoo", name="bert", revision="d" * 40)
    folder = tmp_path / "cache" / "zoo" / f"zoo--bert-{'d' * 16}"
    folder.mkdir(parents=True)
    (folder / ".complete").touch()
    (folder / "config.json").write_text('{"architectures": ["BertModel"]}')
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(weights)
    return around(tmp_path, entry)


def test_small_weights_lie_beside_the_script_and_large_ones_are_made_up(tmp_path: Path) -> None:
    small, large = zoo_model(tmp_path / "a", 5_000_000), zoo_model(tmp_path / "b", 5_000_001)
    assert set(small.building.files) == {"config.json", "model.safetensors"}
    assert set(large.building.files) == {"config.json"}
    assert "from_pretrained(\n        HERE" in text_of(with_breaks(), small)
    assert "random ones stand in" in text_of(with_breaks(), large)
    assert "._from_config(config, dtype=torch.float32)" in text_of(with_breaks(), large)


def test_a_folder_of_ones_own_is_loaded_from_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["GPT2Model"]}')
    entry = LockEntry(ref="local:x", slug="model", scheme="local", name="x", location=str(tmp_path))
    assert f"getattr(transformers, 'GPT2Model').from_pretrained(\n        {str(tmp_path)!r}" in text_of(
        with_breaks(), around(entry=entry)
    )


def test_a_factory_is_imported_from_the_users_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    entry = LockEntry(ref="python:mine.models:Zoo.make", slug="model", scheme="python", name="mine.models:Zoo.make")
    text = text_of(with_breaks(), around(tmp_path, entry))
    assert f"sys.path.insert(0, {str(tmp_path)!r})" in text
    assert "importlib.import_module('mine.models')" in text
    assert "for name in ['Zoo', 'make']:" in text
    assert "transformers" not in text.partition("# ]")[0]


@pytest.mark.parametrize(("scheme", "name", "build"), [
    ("timm", "timm/resnet18.a1_in1k", "hf_hub_download('timm/resnet18.a1_in1k', \"model.safetensors\", revision="),
    ("hf", "timm/resnet18.a1_in1k", "timm.create_model(name, pretrained=False, checkpoint_path=weights).float()"),
])  # fmt: skip
def test_a_timm_model_is_made_by_timm(scheme: str, name: str, build: str) -> None:
    entry = LockEntry(
        ref="timm:resnet18",
        slug="model",
        scheme=scheme,
        name=name,
        revision="e" * 40,
        architecture="resnet18",
        library="timm",
    )
    text = text_of(with_breaks(), around(entry=entry))
    assert build in text
    assert "import timm\n" in text


def test_a_tiny_timm_model_is_made_with_the_arguments_that_made_it_tiny(tmp_path: Path) -> None:
    entry = LockEntry(
        ref="zoo:timm/tower", slug="tower", scheme="zoo", name="timm/tower", architecture="tower", library="timm"
    )
    folder = tmp_path / "cache" / "zoo" / "tower-"
    folder.mkdir(parents=True)
    for name, text in {".complete": "", "model.safetensors": "", "config.json": '{"model_args": {"depth": 2}}'}.items():
        (folder / name).write_text(text)
    text = text_of(with_breaks(), around(tmp_path, entry=entry))
    assert "timm.create_model(name, pretrained=False, checkpoint_path=weights, **{'depth': 2}).float()" in text


def test_a_factory_that_is_not_in_the_folder_says_from_where_to_call(tmp_path: Path) -> None:
    entry = LockEntry(ref="python:mine_alone:make", slug="model", scheme="python", name="mine_alone:make")
    with pytest.raises(NoRepro, match="call `driftgate repro` from the folder"):
        building_of(entry, tmp_path, tmp_path)


def test_failures_that_are_nobodys_code_get_no_script() -> None:
    for kind in (
        FailureKind.UPSTREAM,
        FailureKind.NETWORK,
        FailureKind.UNAVAILABLE,
        FailureKind.NOT_RUN,
        FailureKind.DISK,
    ):
        assert not list(broken_in(record("infer", target="ort-cpu", failure=Failure.of(kind, "x"))))


def test_inputs_that_are_missing_are_nobodys_code_and_a_model_that_fails_on_its_own_is_broken() -> None:
    missing = Failure.of(FailureKind.INPUTS, "inputs@dynamic.safetensors: there are no inputs of this size")
    assert not list(broken_in(record("infer", target="torch-eager-cpu", failure=missing)))
    failing = Failure.of(FailureKind.INPUTS, "the model fails on its inputs (first size): ValueError: no")
    assert list(broken_in(record("explain", failure=failing)))


def test_a_judgement_that_a_script_cannot_repeat_is_told_as_such() -> None:
    failure = Failure.of(FailureKind.SHAPE_MISMATCH, "the exported graph returns 2 outputs, the model 1")
    summary = FailureSummary(kind=failure.kind, message=failure.message, fingerprint=failure.fingerprint)
    attempt = ExportAttempt(exporter="dynamo", dynamic=False, verdict="failed", seconds=1, failure=summary)
    (broken,) = broken_in(record("export", failure=failure, payload=ExportPayload(attempts=(attempt,))))
    with pytest.raises(NoRepro, match="cannot judge it: the exported graph returns 2 outputs"):
        script_of(broken, around())


def test_the_module_that_scripts_share_is_a_program() -> None:
    compile(recogniser(), "recognise.py", "exec")
    assert "driftgate" not in recogniser().casefold()
