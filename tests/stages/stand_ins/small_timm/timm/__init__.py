"""A package named timm with four architectures in two modules."""

from safetensors.torch import load_file

from timm.models import stem, tower

__version__ = "0.1"
PRETRAINED = {"input_size": (3, 300, 300), "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
_ENTRIES = {
    name: entry for module in (stem, tower) for name, entry in vars(module).items() if hasattr(entry, "registered")
}


def is_model(name):
    return name in _ENTRIES


def list_models():
    return sorted(_ENTRIES)


def create_model(name, pretrained, checkpoint_path="", pretrained_cfg_overlay=None, **arguments):
    assert not pretrained
    module = _ENTRIES[name](**arguments)
    module.pretrained_cfg = PRETRAINED | (pretrained_cfg_overlay or {})
    if checkpoint_path:
        module.load_state_dict(load_file(checkpoint_path))
    return module
