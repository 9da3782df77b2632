"""Run by a test in a process of its own: what explain and export find, cold or in a fork of the warmed process."""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import sample_models
import torch
from transformers import RobertaConfig, RobertaForMaskedLM

from driftgate.machine.settings import Settings
from driftgate.stages.explain import check_fullgraph, count_breaks
from driftgate.stages.exporting import graph
from driftgate.stages.exporting.exporters import by_dynamo
from driftgate.stages.exporting.shortcuts import take_shortcuts
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready


def subjects() -> dict[str, Ready]:
    config = RobertaConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    torch.manual_seed(0)
    tokens = {"input_ids": torch.arange(8)[None], "attention_mask": torch.ones(1, 8, dtype=torch.long)}
    roberta = Ready(RobertaForMaskedLM(config).eval(), ModelInputs(first=tokens))
    plain, x = sample_models.plain()
    broken, _ = sample_models.three_breaks()
    return {
        "roberta": roberta,
        "plain": Ready(plain.eval(), ModelInputs(first=x)),
        "broken": Ready(broken.eval(), ModelInputs(first=x)),
    }


def facts() -> dict[str, object]:
    found: dict[str, object] = {"dtype": str(torch.get_default_dtype())}
    for name, subject in subjects().items():
        counted = count_breaks(subject)
        found[name] = counted.to_dict() | {
            "compile_s": 0,
            "phases": None,
            "seconds": None,
            "fullgraph": check_fullgraph(subject)[0].passed,
        }
        if name != "broken":
            take_shortcuts()
            with torch.no_grad():
                model = by_dynamo(subject, {}, Settings().export.opset).model
            path = Path(tempfile.mkdtemp()) / "model.onnx"
            graph.save(model, path)
            found[f"{name}.onnx"] = [hashlib.sha256(path.read_bytes()).hexdigest(), graph.op_histogram(model)]
    return found


if __name__ == "__main__":
    out = Path(sys.argv[2])
    if sys.argv[1] == "cold":
        out.write_text(json.dumps(facts()))
    else:
        from driftgate.stages.warm import warm

        warm()
        if os.fork() == 0:
            out.write_text(json.dumps(facts()))
            os._exit(0)
        os.wait()
