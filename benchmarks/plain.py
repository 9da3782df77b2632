"""The plain way, as a person writes it in an afternoon: one cold process per model and stage. No Driftgate in it.

python benchmarks/plain.py STAGE MODEL_FOLDER INPUTS_FOLDER WORK_FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def load(folder: Path) -> torch.nn.Module:
    """The class that config.json names."""
    import transformers

    config = json.loads((folder / "config.json").read_text())
    model = getattr(transformers, config["architectures"][0]).from_pretrained(folder)
    for module in model.modules():
        if hasattr(getattr(module, "config", None), "use_cache"):
            module.config.use_cache = False
    return model.eval()


def arguments(inputs: Path, name: str = "inputs.safetensors") -> dict[str, object]:
    """The same inputs that Driftgate's run used."""
    meta = json.loads((inputs / "inputs.meta.json").read_text())
    return {**load_file(inputs / name), **meta["arguments"]}


def tensors(value: object, name: str = "output") -> dict[str, torch.Tensor]:
    """Every tensor of an output, by name."""
    if isinstance(value, torch.Tensor):
        return {name: value.detach().clone().contiguous()}
    pairs = value.items() if hasattr(value, "items") else enumerate(value) if isinstance(value, list | tuple) else ()
    found: dict[str, torch.Tensor] = {}
    for key, item in pairs:
        found |= tensors(item, f"{name}.{key}")
    return found


def explain(model_folder: Path, inputs: Path, work: Path) -> None:
    """explain, fullgraph, and a second shape: what Driftgate's stage does."""
    model, kwargs = load(model_folder), arguments(inputs)
    with torch.no_grad():
        output = torch._dynamo.explain(model)(**kwargs)
        torch._dynamo.reset()
        try:
            torch.compile(model, backend="eager", fullgraph=True)(**kwargs)
            passed = True
        except torch._dynamo.exc.Unsupported:
            passed = False
        second = inputs / "inputs@dynamic.safetensors"
        if second.is_file():
            torch._dynamo.reset()
            compiled = torch.compile(model, backend="eager")
            compiled(**kwargs)
            compiled(**arguments(inputs, second.name))
    (work / "explain.json").write_text(json.dumps({"graphs": output.graph_count, "fullgraph": passed}))


def export(model_folder: Path, inputs: Path, work: Path) -> None:
    """torch's exporter."""
    program = torch.onnx.export(load(model_folder), (), kwargs=arguments(inputs), dynamo=True, verbose=False)
    program.save(work / "model.onnx")


def export_transformers(model_folder: Path, inputs: Path, work: Path) -> None:
    """transformers' exporter."""
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

    program = OnnxExporter().export(load(model_folder), arguments(inputs), OnnxConfig(dynamic=False))
    program.save(work / "model.onnx")


def eager(model_folder: Path, inputs: Path, work: Path) -> None:
    """Two runs, as a check that the model does not differ from itself."""
    model, kwargs = load(model_folder), arguments(inputs)
    with torch.no_grad():
        first, _ = model(**kwargs), model(**kwargs)
    save_file(tensors(first), work / "eager.safetensors")


def inductor(model_folder: Path, inputs: Path, work: Path) -> None:
    """torch.compile as it comes."""
    model, kwargs = load(model_folder), arguments(inputs)
    with torch.no_grad():
        save_file(tensors(torch.compile(model)(**kwargs)), work / "inductor.safetensors")


def ort(model_folder: Path, inputs: Path, work: Path) -> None:
    """ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(work / "model.onnx", providers=["CPUExecutionProvider"])
    given = arguments(inputs)
    feeds = {i.name: given[i.name].numpy() for i in session.get_inputs()}  # type: ignore[attr-defined]
    values = session.run(None, feeds)
    save_file(
        {o.name: torch.from_numpy(v) for o, v in zip(session.get_outputs(), values, strict=True)},
        work / "ort.safetensors",
    )


def drift(model_folder: Path, inputs: Path, work: Path) -> None:
    """The largest difference of each output, in order."""
    left, right = load_file(work / "eager.safetensors"), load_file(work / "ort.safetensors")
    pairs = zip(left.values(), right.values(), strict=False)
    worst = [float((a.double() - b.double()).abs().max()) for a, b in pairs if a.shape == b.shape]
    (work / "drift.json").write_text(json.dumps(worst))


STAGES = {f.__name__: f for f in (explain, export, export_transformers, eager, inductor, ort, drift)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    STAGES[sys.argv[1]](*(Path(argument) for argument in sys.argv[2:]))
