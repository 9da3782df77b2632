"""Runtimes that a model can be run on: one file per runtime. The registry is light; a runtime is imported when used."""

from driftgate.core.registry import Registry

TARGETS = Registry(
    "target",
    "driftgate.targets",
    {
        "torch-eager-cpu": "driftgate.targets.torch_eager:TorchEagerCpu",
        "torch-inductor-cpu": "driftgate.targets.torch_inductor:TorchInductorCpu",
        "ort-cpu": "driftgate.targets.onnx_runtime:OrtCpu",
        "torch-eager-cuda": "driftgate.targets.torch_eager:TorchEagerCuda",
        "torch-inductor-cuda": "driftgate.targets.torch_inductor:TorchInductorCuda",
        "ort-cuda": "driftgate.targets.onnx_runtime:OrtCuda",
    },
)
"""Name → the class of the target."""


def needs_own_process(name: str) -> bool:
    """Whether the target must not be forked from a warmed server: a CUDA context or a browser does not survive it."""
    return name.endswith(("-cuda", "-webgpu")) or name.startswith("web-")


RUNNERS = ("cpu", "gpu")
"""The kinds of machine that targets ask for; agents of a CI carry them as labels."""


def runner_of(name: str) -> str:
    """The kind of machine on which a target belongs."""
    return "gpu" if name.endswith(("-cuda", "-webgpu")) else "cpu"
