"""compose.yaml: valid, and in agreement with the files, the ports and the images it speaks of."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STACK = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
every_service = pytest.mark.parametrize("name", SERVICES)


def mounts(service: dict[str, Any]) -> list[list[str]]:
    return [str(volume).split(":") for volume in service.get("volumes", ())]


def test_it_is_valid_by_the_schema_of_compose() -> None:
    command = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    answer = subprocess.run([*command, str(ROOT / "compose.yaml")], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_everything_of_the_path_is_there() -> None:
    assert {"pushgateway", "prometheus", "loki", "alloy", "grafana", "postgres"} <= set(SERVICES)
    assert "version" not in STACK


@every_service
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or re.search(r":v?\d+\.\d+[\w.-]*$", service["image"]), service.get("image")


@every_service
def test_every_port_is_on_loopback_and_given_to_one_service(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert str(port).startswith("127.0.0.1:"), port
    taken = [str(port).split(":")[1] for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(taken) == len(set(taken))


def test_the_ports_are_those_that_people_know() -> None:
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert "127.0.0.1:9091:9091" in ports["pushgateway"]
    assert "127.0.0.1:12345:12345" in ports["alloy"]
    assert "127.0.0.1:3000:3000" in ports["grafana"]


@every_service
def test_a_service_has_a_health_check_limits_and_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"])
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service.get("privileged") is None
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", ["pushgateway", "prometheus", "loki", "alloy", "grafana", "postgres"])
def test_what_is_not_ours_runs_as_a_numbered_user_that_is_not_root(name: str) -> None:
    assert re.fullmatch(r"[1-9]\d*:\d+", SERVICES[name]["user"])
    assert SERVICES[name]["cap_drop"] == ["ALL"]


@pytest.mark.parametrize(
    ("name", "program"),
    {
        "pushgateway": "wget",
        "prometheus": "wget",
        "loki": "/usr/bin/loki",
        "alloy": "bash",
        "grafana": "curl",
        "postgres": "pg_isready",
    }.items(),
)
def test_a_health_check_uses_what_its_image_has(name: str, program: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][:2] == ["CMD", program]


@every_service
def test_what_is_mounted_exists_or_is_a_volume_and_our_files_are_read_only(name: str) -> None:
    for source, _, *mode in mounts(SERVICES[name]):
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == ["ro"], source
        elif not source.startswith(("$", "/")):
            assert source in STACK["volumes"], source


def test_every_volume_and_secret_is_used() -> None:
    used = {mount[0] for service in SERVICES.values() for mount in mounts(service)}
    assert set(STACK["volumes"]) <= used
    secrets = {str(secret) for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert secrets == set(STACK["secrets"])


@every_service
def test_it_waits_for_services_that_are_there_and_healthy(name: str) -> None:
    waits = SERVICES[name].get("depends_on", {})
    assert all(other in SERVICES and how["condition"] == "service_healthy" for other, how in waits.items())


@every_service
def test_no_password_stands_in_the_file(name: str) -> None:
    for variable, value in (SERVICES[name].get("environment") or {}).items():
        if re.search("PASSWORD|TOKEN|SECRET", variable) and value:
            assert str(value).startswith(("/run/secrets/", "${")), variable


def test_secrets_and_alloys_variables_are_ignored_by_git() -> None:
    files = [secret["file"] for secret in STACK["secrets"].values()]
    answer = subprocess.run(
        ["git", "-C", str(ROOT), "check-ignore", "alloy/env.secrets", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.split() == ["alloy/env.secrets", *files]


def test_alloy_and_prometheus_agree_on_who_scrapes() -> None:
    assert "--web.enable-remote-write-receiver" in SERVICES["prometheus"]["command"]
    scraped = (ROOT / "configs/prometheus/prometheus.yml").read_text("utf-8")
    jobs = yaml.safe_load(scraped).get("scrape_configs", ())
    assert not [job for job in jobs if "pushgateway" in json.dumps(job)]


def test_passwords_are_made_once_and_differ_and_a_token_is_left_to_whoever_has_one(tmp_path: Path) -> None:
    wanted = {"one_password": "a/one", "other_password": "a/other", "hub_token": "b/token"}
    entries = "".join(f"  {name}: {{file: {file}}}\n" for name, file in wanted.items())
    (tmp_path / "compose.yaml").write_text(f"volumes:\n  not_this: {{file: x}}\nsecrets:\n{entries}")
    (tmp_path / "a").mkdir(mode=0o755)  # as git leaves a folder that has examples
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/make_secrets.py").write_bytes((ROOT / "configs/make_secrets.py").read_bytes())
    command = [sys.executable, str(tmp_path / "configs/make_secrets.py")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.count("made ") == 3
    one, other, token = ((tmp_path / file).read_text() for file in wanted.values())
    assert len(one) == len(other) == 32
    assert one != other
    assert token == ""
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_make_secrets_finds_every_secret_without_a_parser_of_yaml() -> None:
    script = ROOT / "configs/make_secrets.py"
    wanted = runpy.run_path(str(script))["wanted"]
    assert wanted((ROOT / "compose.yaml").read_text("utf-8")) == {
        name: about["file"] for name, about in STACK["secrets"].items()
    }
    assert "import yaml" not in script.read_text("utf-8")


def test_loki_takes_what_the_shipping_sends_and_shows_it_at_once() -> None:
    config = yaml.safe_load((ROOT / "configs/loki/loki.yaml").read_text("utf-8"))
    limits = config["limits_config"]
    assert limits["allow_structured_metadata"] is True
    assert limits["reject_old_samples_max_age"] == "168h"
    assert limits["max_line_size"] == "256KB"
    assert config["querier"]["query_ingesters_within"] == "0s"  # else records of last night wait in memory, unseen
