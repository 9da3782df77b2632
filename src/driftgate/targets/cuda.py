"""Is there a CUDA device? Asked of the driver, so that `driftgate doctor` needs no torch."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import re
from pathlib import Path

from driftgate.core.errors import MachineryError


def no_device() -> str | None:
    """Why there is no usable CUDA device, or None."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver is installed (libcuda.so.1 is missing)"
    count = ctypes.c_int(0)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0:
        return f"the NVIDIA driver does not answer (cuInit: error {status})"
    return None if count.value else "the NVIDIA driver knows no device"


def torch_lacks_cuda() -> str | None:
    """Why the installed torch cannot use CUDA, or None. Reads its version file: importing torch takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise MachineryError("torch is not installed: install driftgate with its dependencies")
    text = (Path(spec.origin).parent / "version.py").read_text("utf-8")
    built = re.search(r"^cuda\b[^=\n]*= *'", text, re.M)
    version = importlib.metadata.version("torch")
    return None if built else f"torch {version} is built without CUDA; install a CUDA build of torch"
