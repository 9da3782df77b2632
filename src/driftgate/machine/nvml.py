"""NVIDIA's management library, by ctypes: who else is on a GPU, what it has used of energy, what a process holds of its memory.

The GPU is found by its PCI address, as CUDA tells it: the two libraries count their devices differently.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any

from driftgate.machine.state import NotReadableError

_MOST_PROCESSES = 256
_PCI_LENGTH = 32
_NO_VALUE = 2**64 - 1


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


@dataclass(frozen=True)
class Gpu:
    """One GPU as the management library knows it."""

    library: Any
    handle: ctypes.c_void_p

    def processes(self) -> tuple[int, ...]:
        """The processes that compute on it, as the machine's first name space numbers them."""
        return tuple(process.pid for process in self._processes())

    def own_bytes(self) -> int:
        """What this process holds of its memory now. Raises NotReadableError inside a container, where it goes by another number."""
        for process in self._processes():
            if process.pid == os.getpid() and process.used != _NO_VALUE:
                return int(process.used)
        raise NotReadableError("NVML does not list this process (a container numbers processes anew)")

    def joules(self) -> dict[str, float]:
        """`nvml` → joules since the driver was loaded."""
        millijoules = ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", ctypes.byref(millijoules))
        return {"nvml": millijoules.value * 1e-3}

    def _processes(self) -> list[_Process]:
        count = ctypes.c_uint(_MOST_PROCESSES)
        found = (_Process * _MOST_PROCESSES)()
        self._call("nvmlDeviceGetComputeRunningProcesses_v3", ctypes.byref(count), found)
        return list(found[: count.value])

    def _call(self, name: str, *arguments: Any) -> None:
        _check(getattr(self.library, name)(self.handle, *arguments), name)


def first_gpu(management: Any = None, driver: Any = None) -> Gpu:
    """The GPU that CUDA uses first. Raises NotReadableError where NVIDIA's libraries are not there, or do not answer."""
    management = management or _library("libnvidia-ml.so.1")
    driver = driver or _library("libcuda.so.1")
    address = ctypes.create_string_buffer(_PCI_LENGTH)
    _check(driver.cuInit(0), "cuInit")
    _check(driver.cuDeviceGetPCIBusId(address, _PCI_LENGTH, 0), "cuDeviceGetPCIBusId")
    _check(management.nvmlInit_v2(), "nvmlInit")
    handle = ctypes.c_void_p()
    _check(management.nvmlDeviceGetHandleByPciBusId_v2(address, ctypes.byref(handle)), "nvmlDeviceGetHandleByPciBusId")
    return Gpu(management, handle)


def _library(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        raise NotReadableError(f"{name} is not there") from None


def _check(status: int, name: str) -> None:
    if status != 0:
        raise NotReadableError(f"{name} answers with error {status}")
