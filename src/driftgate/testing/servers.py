"""The real Pushgateway and Prometheus, on loopback ports of their own, for as long as a block lasts."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

PROGRAMS = {"prometheus": "prometheus", "promtool": "prometheus", "prometheus-pushgateway": "prometheus-pushgateway"}
"""Program → Debian's package."""

PATIENCE_SECONDS = 30.0
_PAUSE = 0.05


def missing() -> str | None:
    """What to install, in a sentence; None if everything is there."""
    absent = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    return f"not installed: apt-get install {' '.join(absent)}" if absent else None


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def settles(condition: Callable[[], bool], patience: float = PATIENCE_SECONDS) -> bool:
    """Whether the condition comes true in time."""
    give_up = time.monotonic() + patience
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(_PAUSE)
    return True


@contextmanager
def pushgateway(folder: Path, *, web_config: str | None = None) -> Iterator[str]:
    """A Pushgateway; its URL. `web_config` is the text of its web configuration (users and their hashes)."""
    command = [
        "prometheus-pushgateway",
        "--log.level=warn",
        "--persistence.file=",
    ]  # Debian's default is a file of the machine
    if web_config is not None:
        (folder / "web.yml").write_text(web_config)
        command.append(f"--web.config.file={folder / 'web.yml'}")
    with _serving(command, folder / "pushgateway.log") as url:
        yield url


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus, asked over its API."""

    url: str

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that an expression has now, each with `metric` and `value`. Raises ValueError where it is none."""
        answer = httpx2.post(f"{self.url}/api/v1/query", data={"query": expr}, timeout=PATIENCE_SECONDS).json()
        if answer["status"] != "success":
            raise ValueError(f"{answer['error']}: {expr}")
        result = answer["data"]["result"]
        return [{"metric": {}, "value": result}] if answer["data"]["resultType"] == "scalar" else list(result)

    def values(self, expr: str, *labels: str) -> dict[tuple[str | None, ...], float]:
        """The values of an expression by some of its labels."""
        return {tuple(one["metric"].get(name) for name in labels): float(one["value"][1]) for one in self.query(expr)}

    def label_values(self, selector: str, label: str) -> list[str]:
        """What `label_values(selector, label)` of a board gives."""
        url = f"{self.url}/api/v1/label/{label}/values"
        return list(httpx2.get(url, params={"match[]": selector}, timeout=PATIENCE_SECONDS).json()["data"])


@contextmanager
def prometheus(folder: Path, gateway: str, rules: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """A Prometheus that scrapes this Pushgateway every second and evaluates these rules."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            {
                "job_name": "pushgateway",
                "honor_labels": True,
                "static_configs": [{"targets": [gateway.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with _serving([*command, "--log.level=warn"], folder / "prometheus.log") as url:
        yield Prometheus(url)


@contextmanager
def _serving(command: Sequence[str], log: Path) -> Iterator[str]:
    """A server of Prometheus' family, ready; ended by its own process alone."""
    address = f"127.0.0.1:{free_port()}"
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=output, stderr=output) as server,
    ):
        try:
            ready = settles(lambda: server.poll() is not None or _answers(f"http://{address}/-/ready"))
            if not ready or server.poll() is not None:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-1000:]}")
            yield f"http://{address}"
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def _answers(url: str) -> bool:
    """Whether somebody answers there; with 401 too, where a password is asked for."""
    try:
        return httpx2.get(url, timeout=1).status_code in {200, 401}
    except httpx2.TransportError:
        return False


def groups_at(url: str) -> list[dict[str, str]]:
    """The grouping keys that a Pushgateway has."""
    listing = json.loads(httpx2.get(f"{url}/api/v1/metrics", timeout=PATIENCE_SECONDS).content)
    return [group["labels"] for group in listing["data"]]
