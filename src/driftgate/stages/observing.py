"""What is read about the machine around an inference: its state, memory and energy, before the first sample and after the last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Self, TypeVar

from driftgate.core.records import Conditions, Energy, Memory
from driftgate.machine.energy import EnergyMeter, rapl
from driftgate.machine.memory import peak_resident_bytes, reset_peak
from driftgate.machine.nvml import first_gpu
from driftgate.machine.state import MachineWatch, NotReadableError

T = TypeVar("T")


class Observer:
    """Make it when the session is about to start; enter it around the samples."""

    def __init__(self, device: str, threads: int | None) -> None:
        self._gpu = device == "cuda"
        self._meter = EnergyMeter(lambda: first_gpu().joules()) if self._gpu else rapl()
        self._watch = MachineWatch(threads, (lambda: first_gpu().processes()) if self._gpu else None)
        self._unknown: dict[str, str] = {}
        self._worker_peak = self._ask("worker_peak_rss", peak_resident_bytes)
        self._ask("step_peak_rss", reset_peak)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._watch)
            stack.enter_context(self._meter)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def conditions(self) -> Conditions:
        """The state of the machine between the first sample and the last."""
        return self._watch.conditions()

    def energy(self, runs: int, batch: int | None) -> Energy:
        """What `runs` inferences used."""
        return self._meter.energy(runs, batch)

    def memory(self, device_peak: int | None) -> Memory:
        """The peaks so far. `device_peak` is what the target knows of its device."""
        now = self._ask("step_peak_rss", peak_resident_bytes)
        step = now if "step_peak_rss" not in self._unknown else None
        worker = max(self._worker_peak, now) if self._worker_peak is not None and now is not None else None
        if device_peak is None:
            device_peak = self._ask("device_peak", self._held_by_gpu)
        return Memory(worker_peak_rss=worker, step_peak_rss=step, device_peak=device_peak, unknown=self._unknown)

    def _held_by_gpu(self) -> int:
        if not self._gpu:
            raise NotReadableError("the target computes in the host's memory")
        return first_gpu().own_bytes()

    def _ask(self, name: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except NotReadableError as reason:
            self._unknown[name] = str(reason)
            return None
