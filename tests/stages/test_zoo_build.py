import hashlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig

from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.inputs.settle import settle
from driftgate.stages.zoo.build import build
from driftgate.stages.zoo.shrink import shrink


def digest(model: torch.nn.Module) -> str:
    state = sorted(model.state_dict().items())
    return hashlib.sha256(b"".join(name.encode() + tensor.numpy().tobytes() for name, tensor in state)).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = (
        "from driftgate.stages.zoo.build import build; import hashlib, torch; torch.manual_seed(99); torch.rand(3); "
        "s = sorted(build('mixtral').state_dict().items()); "
        "print(hashlib.sha256(b''.join(n.encode() + t.numpy().tobytes() for n, t in s)).hexdigest())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[-1] == digest(build("mixtral"))


def test_another_seed_gives_other_weights():
    assert digest(build("bert", seed=1)) != digest(build("bert", seed=2))


def test_building_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    build("resnet")
    assert torch.equal(torch.rand(4), expected)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("model_type", ["bert", "gpt2", "llama", "t5", "resnet", "vit", "whisper", "clip", "llava"])
def test_a_zoo_model_is_tiny_finite_and_in_eval_mode(model_type):
    model = build(model_type)
    assert sum(p.numel() for p in model.parameters()) < 1_000_000
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert not model.training


def test_every_kind_of_layer_survives_the_shrinking():
    full = AutoConfig.for_model("gemma3_text")
    assert set(shrink("gemma3_text").layer_types) == set(full.layer_types)
    assert set(shrink("qwen3_next").layer_types) == set(AutoConfig.for_model("qwen3_next").layer_types)


def test_special_tokens_stay_inside_the_vocabulary_and_apart():
    config = shrink("clip")
    assert config.text_config.eos_token_id < config.text_config.vocab_size
    assert config.text_config.eos_token_id != config.text_config.bos_token_id
    assert shrink("llava").image_token_index < shrink("llava").text_config.vocab_size


def test_batch_norm_statistics_are_not_those_of_an_untrained_layer():
    state = build("resnet").state_dict()
    variances = torch.cat([tensor for name, tensor in state.items() if name.endswith("running_var")])
    means = torch.cat([tensor for name, tensor in state.items() if name.endswith("running_mean")])
    assert variances.min() >= 0.5
    assert variances.std() > 0.1
    assert means.std() > 0.05


@pytest.mark.parametrize("model_type", ["dac", "pp_ocrv6_small_det"])
def test_rounding_alone_does_not_move_the_outputs_of_a_model_without_norms(model_type):
    model = settle(build(model_type))
    inputs = make_inputs(model, None, SimpleNamespace(modality=None), None, 0)
    with torch.no_grad():
        single = next(t for t in inputs.call(model).to_tuple() if t.dim() > 1)
        precise = {name: t.double() if t.is_floating_point() else t for name, t in inputs.first.items()}
        double = next(t for t in model.double()(**precise).to_tuple() if t.dim() > 1)
    assert single.std() > 0.01
    assert (single - double).abs().max() < 1e-5


def test_scores_do_not_tie():
    model = build("bert")
    with torch.no_grad():
        logits = model(torch.arange(20, 36)[None]).logits[0]
    gaps = logits.sort(dim=-1, descending=True).values
    assert (gaps[:, 0] - gaps[:, 1]).min() > 1e-4
