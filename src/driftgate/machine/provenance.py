"""What this machine is and runs: everything by which two runs may differ though no code of ours changed."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from driftgate.core.records import Agent

PACKAGES = (
    "torch", "transformers", "huggingface-hub", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "numpy", "safetensors",
    "tokenizers", "sentencepiece", "pillow", "timm", "torchvision", "driftgate",
)  # fmt: skip
"""The packages that may move a count, an output or a time."""

ENVIRONMENT = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "GIT_COMMIT", "HF_ENDPOINT", "NVIDIA_TF32_OVERRIDE")
"""Variables worth recording; never one that may hold a secret."""


def agent_name() -> str:
    """This machine's name, as it stands in records: the host name, or DRIFTGATE_AGENT."""
    name = os.environ.get("DRIFTGATE_AGENT") or socket.gethostname()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:64] or "agent"


@cache
def package_versions() -> dict[str, str]:
    """Installed version of each package that matters; those that are not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def cpu_model() -> str:
    """The processor's name, as Linux tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def cores_allowed() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Memory of the machine, or of the control group if that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical


def gpu_names() -> tuple[str, ...]:
    """Name and driver of each NVIDIA GPU; empty where the driver's tool is not there or answers nothing."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip()) if answer.returncode == 0 else ()


def code_commit(folder: Path) -> tuple[str | None, bool | None]:
    """The commit of the code under test and whether the tree has changes: GIT_COMMIT, else git's own answer."""
    named = os.environ.get("GIT_COMMIT")
    if named:
        return named, None
    commit = _git(folder, "rev-parse", "HEAD")
    return commit, (bool(_git(folder, "status", "--porcelain")) if commit else None)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def this_agent() -> Agent:
    """The record of this machine."""
    commit, dirty = code_commit(Path.cwd())
    return Agent(
        agent=agent_name(),
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu_model(),
        cores=cores_allowed(),
        memory_bytes=memory_bytes(),
        packages=package_versions(),
        environment={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        commit=commit,
        dirty=dirty,
        gpus=gpu_names(),
        image=os.environ.get("DRIFTGATE_IMAGE"),
    )
