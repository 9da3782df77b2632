"""The state of the machine, its energy and its memory, from trees of made-up files and libraries that answer what they are told."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from driftgate.machine import state
from driftgate.machine.energy import EnergyMeter, rapl
from driftgate.machine.memory import peak_resident_bytes, reset_peak
from driftgate.machine.nvml import first_gpu
from driftgate.machine.state import MachineWatch, NotReadableError

TICKS = os.sysconf("SC_CLK_TCK")


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def cpu_file(number: int, name: str) -> str:
    return f"sys/devices/system/cpu/cpu{number}/{name}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A machine on which everything can be read."""
    for number in os.sched_getaffinity(0):
        put(tmp_path, cpu_file(number, "cpufreq/scaling_governor"), "powersave\n")
        put(tmp_path, cpu_file(number, "thermal_throttle/core_throttle_count"), "3\n")
        put(tmp_path, cpu_file(number, "thermal_throttle/package_throttle_count"), "0\n")
    put(tmp_path, "sys/devices/system/cpu/intel_pstate/no_turbo", "1\n")
    put(tmp_path, "proc/loadavg", "0.52 0.60 0.70 1/93 8713\n")
    put(tmp_path, "proc/stat", "cpu  100 0 0 1000 0 0 0 50 0 0\ncpu0 1 1 1 1\n")
    put(tmp_path, "proc/self/cgroup", "0::/job\n")
    put(tmp_path, "sys/fs/cgroup/job/cpu.stat", "usage_usec 5\nnr_throttled 2\nthrottled_usec 1500000\n")
    return tmp_path


def test_what_a_machine_shows_stands_in_the_conditions(tree: Path) -> None:
    watch = MachineWatch(threads=1, root=tree, own_seconds=lambda: 0.0)
    with watch:
        time.sleep(0.11)
        put(tree, "proc/stat", f"cpu  {100 + TICKS} 0 0 {1000 + TICKS} 0 0 0 {50 + 2 * TICKS} 0 0\n")
        put(tree, "proc/loadavg", "1.50 0.60 0.70 1/93 8713\n")
        first = min(os.sched_getaffinity(0))
        put(tree, cpu_file(first, "thermal_throttle/core_throttle_count"), "8\n")
        put(tree, "sys/fs/cgroup/job/cpu.stat", "throttled_usec 1750000\n")
    seen = watch.conditions()
    assert (seen.governor, seen.turbo, seen.threads) == ("powersave", False, 1)
    assert (seen.load_before, seen.load_after) == (0.52, 1.5)
    assert seen.throttle_events == 5
    assert seen.quota_throttled_s == pytest.approx(0.25)
    assert seen.steady_s is not None
    assert seen.foreign_cores == pytest.approx(1 / seen.steady_s)
    assert seen.steal == pytest.approx(0.5)
    assert set(seen.unknown) == {"gpu_processes"}


def test_our_own_share_is_taken_from_what_others_did(tree: Path) -> None:
    spent = iter([10.0, 10.4])
    watch = MachineWatch(root=tree, own_seconds=lambda: next(spent))
    with watch:
        time.sleep(0.11)
        put(tree, "proc/stat", f"cpu  {100 + TICKS} 0 0 1000 0 0 0 50 0 0\n")
    seen = watch.conditions()
    assert seen.steady_s is not None
    assert seen.own_cores == pytest.approx(0.4 / seen.steady_s)
    assert seen.foreign_cores == pytest.approx(0.6 / seen.steady_s)


def test_a_machine_that_shows_nothing_gives_none_and_a_reason_for_each(tmp_path: Path) -> None:
    watch = MachineWatch(root=tmp_path)
    with watch:
        pass
    seen = watch.conditions()
    wanted = {"governor", "turbo", "load_before", "load_after", "throttle_events", "quota_throttled_s", "foreign_cores"}
    assert set(seen.unknown) == wanted | {"gpu_processes"}
    assert seen.unknown["load_before"] == f"{tmp_path}/proc/loadavg is not there"
    assert [getattr(seen, name) for name in wanted] == [None] * len(wanted)


def test_a_moment_is_too_short_for_shares_of_processor_time(tree: Path) -> None:
    watch = MachineWatch(root=tree)
    with watch:
        pass
    assert watch.conditions().foreign_cores is None
    assert "the kernel counts in 10 ms" in watch.conditions().unknown["foreign_cores"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("sys/devices/system/cpu/intel_pstate/no_turbo", "?", "holds no number"),
        ("proc/stat", "intr 5", "does not begin with"),
        ("proc/self/cgroup", "4:memory:/x", "no control group of version 2"),
        ("sys/fs/cgroup/job/cpu.stat", "usage_usec 5", "has no quota"),
    ],
)
def test_files_with_other_contents_are_told_from_missing_ones(tree: Path, name: str, text: str, told: str) -> None:
    put(tree, name, text)
    watch = MachineWatch(root=tree)
    with watch:
        pass
    assert any(told in reason for reason in watch.conditions().unknown.values())


def test_boost_is_turbo_by_another_name(tmp_path: Path) -> None:
    put(tmp_path, "sys/devices/system/cpu/cpufreq/boost", "1\n")
    assert state.turbo(tmp_path) is True


def test_different_governors_are_all_named(tree: Path) -> None:
    put(tree, cpu_file(max(os.sched_getaffinity(0)), "cpufreq/scaling_governor"), "performance\n")
    assert state.governor(tree).startswith("performance")


def test_this_machine_can_be_watched() -> None:
    watch = MachineWatch(threads=1)
    with watch:
        began = time.perf_counter()
        while time.perf_counter() - began < 0.12:
            pass
    seen = watch.conditions()
    assert seen.own_cores is not None
    assert 0 < seen.own_cores < 2
    assert seen.load_before is not None
    assert state.process_seconds(os.getpid()) > 0
    assert state.process_seconds(2**22 + 1) == 0


# -- energy --------------------------------------------------------------------------------------------------------


def zone(root: Path, number: str, name: str, microjoules: int) -> None:
    folder = f"sys/class/powercap/intel-rapl:{number}"
    put(root, f"{folder}/name", name)
    put(root, f"{folder}/energy_uj", str(microjoules))
    put(root, f"{folder}/max_energy_range_uj", "10000000")


def measured(root: Path, seconds: float = 2.0) -> Any:
    meter, ticks = rapl(root), iter([0.0, seconds])
    meter.clock = lambda: next(ticks)
    return meter


def test_joules_are_those_of_all_packages_and_of_no_part_twice(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 1_000_000)
    zone(tmp_path, "0:0", "core", 500_000)
    zone(tmp_path, "1", "package-1", 2_000_000)
    zone(tmp_path, "2", "psys", 9_000_000)
    meter = measured(tmp_path)
    with meter:
        zone(tmp_path, "0", "package-0", 4_000_000)
        zone(tmp_path, "0:0", "core", 900_000)
        zone(tmp_path, "1", "package-1", 3_000_000)
    energy = meter.energy(runs=100, batch=8)
    assert energy.joules == pytest.approx(4.0)
    assert (energy.per_run, energy.per_sample) == (pytest.approx(0.04), pytest.approx(0.005))
    assert energy.source == "rapl:package-0, rapl:package-1"
    assert energy.unknown is None


def test_a_counter_that_began_again_is_read_on(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 9_500_000)
    meter = measured(tmp_path)
    with meter:
        zone(tmp_path, "0", "package-0", 500_000)
    assert meter.energy(runs=1, batch=None).joules == pytest.approx(1.0)


def test_energy_is_unknown_where_there_is_no_counter_or_too_little_time(tmp_path: Path) -> None:
    meter = measured(tmp_path)
    with meter:
        pass
    assert meter.energy(1, 1).unknown == f"there are no RAPL counters ({tmp_path}/sys/class/powercap has no package)"
    zone(tmp_path, "0", "package-0", 1)
    short = measured(tmp_path, seconds=0.01)
    with short:
        pass
    assert short.energy(1, 1).unknown == "the steady part lasted 10 ms; the counters need 100"
    assert short.energy(1, 1).joules is None


def test_a_counter_that_disappears_meanwhile_is_a_reason_too() -> None:
    def read() -> Iterator[dict[str, float]]:
        yield {"nvml": 1.0}
        raise NotReadableError("the driver has gone")

    answers, ticks = read(), iter([0.0, 5.0])
    meter = EnergyMeter(lambda: next(answers), clock=lambda: next(ticks))
    with meter:
        pass
    assert meter.energy(1, 1).unknown == "the driver has gone"


# -- GPU -----------------------------------------------------------------------------------------------------------


class Libraries:
    """NVIDIA's two libraries in one: a GPU with this process and another one on it."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.asked_for = failing, b""

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name == self.failing:
            return lambda *arguments: 9
        answers = {
            "cuDeviceGetPCIBusId": self.tell_address,
            "nvmlDeviceGetHandleByPciBusId_v2": self.find,
            "nvmlDeviceGetTotalEnergyConsumption": self.tell_energy,
            "nvmlDeviceGetComputeRunningProcesses_v3": self.list_processes,
        }
        return answers.get(name, lambda *arguments: 0)

    def tell_address(self, address: Any, length: int, device: int) -> int:
        address.value = b"0000:17:00.0"
        return 0

    def find(self, address: Any, handle: Any) -> int:
        self.asked_for = address.value
        return 0

    def tell_energy(self, handle: Any, millijoules: Any) -> int:
        ctypes.cast(millijoules, ctypes.POINTER(ctypes.c_ulonglong))[0] = 123_456
        return 0

    def list_processes(self, handle: Any, count: Any, found: Any) -> int:
        for process, pid, used in zip(found, (os.getpid(), 4242), (1 << 30, 5), strict=False):
            process.pid, process.used = pid, used
        ctypes.cast(count, ctypes.POINTER(ctypes.c_uint))[0] = 2
        return 0


def test_the_gpu_is_the_one_that_cuda_uses_and_tells_who_else_is_on_it() -> None:
    libraries = Libraries()
    gpu = first_gpu(libraries, libraries)
    assert libraries.asked_for == b"0000:17:00.0"
    assert gpu.joules() == {"nvml": pytest.approx(123.456)}
    assert gpu.own_bytes() == 1 << 30
    watch = MachineWatch(gpu_processes=gpu.processes)
    with watch:
        pass
    assert watch.conditions().gpu_processes == (4242,)


@pytest.mark.parametrize("failing", ["cuInit", "nvmlInit_v2", "nvmlDeviceGetHandleByPciBusId_v2"])
def test_a_library_that_answers_with_an_error_is_a_reason(failing: str) -> None:
    libraries = Libraries(failing)
    with pytest.raises(NotReadableError, match="answers with error 9"):
        first_gpu(libraries, libraries)


# -- memory --------------------------------------------------------------------------------------------------------


def test_the_peak_of_a_step_is_not_that_of_what_came_before() -> None:
    before = bytearray(b"x" * (200 << 20))
    high = peak_resident_bytes()
    del before
    reset_peak()
    assert peak_resident_bytes() < high - (100 << 20)


def test_memory_that_cannot_be_read_gives_a_reason(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/status", "Name: x\n")
    with pytest.raises(NotReadableError, match="no VmHWM"):
        peak_resident_bytes(tmp_path)
    with pytest.raises(NotReadableError, match="cannot be written"):
        reset_peak(tmp_path / "nothing")
