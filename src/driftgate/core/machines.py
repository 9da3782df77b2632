"""Whether two machines are alike enough for times to be compared: another processor, driver or number of threads is another experiment."""

from __future__ import annotations

from collections.abc import Iterable

from driftgate.core.records import Agent

MACHINE = ("cpu", "cores", "gpus", "image")
VARIABLES = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE")


def machine_of(agent: Agent) -> tuple[object, ...]:
    """All by which two machines take different times for the same work."""
    return (
        *(getattr(agent, name) for name in MACHINE),
        *(agent.environment.get(name) for name in VARIABLES),
    )


def unlike_in(before: Iterable[Agent], after: Iterable[Agent]) -> tuple[str, ...]:
    """The names of what differs between the machines of two runs: `cpu`, `cores`, `$OMP_NUM_THREADS`, …"""
    names = (*MACHINE, *(f"${name}" for name in VARIABLES))
    was, now = (set(map(machine_of, agents)) for agents in (tuple(before), tuple(after)))
    return tuple(name for place, name in enumerate(names) if {one[place] for one in was} != {one[place] for one in now})
