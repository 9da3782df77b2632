"""Torch compiled by Inductor: `torch.compile` as people call it (default mode, graph breaks allowed)."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.targets.torch_eager import OnCuda, TorchTarget


class Compiled(TorchTarget):
    """The compiled module; compilation happens in the first run and counts as `first_s`."""

    def prepare(self, module: Any, cache: Path | None) -> Any:
        import torch
        import torch._dynamo
        import torch._inductor.config as inductor

        torch._dynamo.reset()
        # a pool of compiler processes would outlive the job, and forking it from a warmed server is not safe
        inductor.compile_threads = 1
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            # read from the environment at every compilation, so that setting it in a forked worker still counts
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache.resolve())
        return torch.compile(module)

    def run_once(self) -> None:
        with _compiling():
            super().run_once()

    @contextmanager
    def bound(self) -> Iterator[Callable[[], object]]:
        with _compiling(), super().bound() as run:
            yield run


@contextmanager
def _compiling() -> Iterator[None]:
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    try:
        yield
    except (TorchDynamoException, InductorError) as error:
        raise StageFailure(
            FailureKind.COMPILE, f"torch.compile: {error}", hint="see the log for the compiler's output"
        ) from error


class TorchInductorCpu(Compiled):
    """Inductor on the CPU: C++ kernels built by the system's compiler."""

    name: ClassVar[str] = "torch-inductor-cpu"

    @classmethod
    def available(cls) -> str | None:
        return no_compiler()


class TorchInductorCuda(OnCuda, Compiled):
    """Inductor on CUDA: Triton kernels, and a C++ compiler for what launches them."""

    name: ClassVar[str] = "torch-inductor-cuda"

    @classmethod
    def available(cls) -> str | None:
        return super().available() or no_compiler()


def no_compiler() -> str | None:
    """Why nothing can be compiled here, or None: Inductor needs a C++ compiler and Python's headers."""
    wanted = os.environ.get("CXX")
    candidates = [wanted] if wanted else ["g++", "clang++", "c++"]
    if not any(shutil.which(name) for name in candidates):
        return f"no C++ compiler ({', '.join(candidates)}); install g++"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "Python.h is missing; install Python's headers (python3-dev)"
    return None
