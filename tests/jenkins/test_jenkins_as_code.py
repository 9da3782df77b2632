"""configs/jenkins, compose.yaml and the Jenkinsfile agree: what one names, another has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jenkins_build import JENKINSFILE, ROOT, tables

JENKINS = ROOT / "configs" / "jenkins"
CASC_TEXT = (JENKINS / "casc.yaml").read_text()
CASC = yaml.safe_load(CASC_TEXT)
STACK = yaml.safe_load((ROOT / "compose.yaml").read_text())
CONTROLLER = STACK["services"]["jenkins"]
TEXT = JENKINSFILE.read_text()
BUNDLED = {"build-timeout", "cloudbees-folder", "pipeline-graph-view", "ws-cleanup"}
"""Plugins for people: nothing in our files names them."""


def _plugins() -> dict[str, str]:
    lines = (JENKINS / "plugins.txt").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines if line and not line.startswith("#"))  # type: ignore[misc]


def _credentials() -> dict[str, dict[str, Any]]:
    (domain,) = CASC["credentials"]["system"]["domainCredentials"]
    return {about["id"]: {"kind": kind} | about for one in domain["credentials"] for kind, about in one.items()}


def _nodes() -> list[dict[str, Any]]:
    return [node["permanent"] for node in CASC["jenkins"]["nodes"]]


def test_casc_is_valid_by_the_schema_of_its_plugins_and_a_misspelt_name_is_not(tmp_path: Path) -> None:
    schema = Path(__file__).parent / "casc.schema.json"
    call = [str(Path(sys.executable).parent / "check-jsonschema"), "--schemafile", str(schema)]
    misspelt = []
    for name in (
        "numExecutors",
        "allowsSignup",
        "globalMatrix",
        "remoteFS",
        "javaPath",
        "privateKeySource",
        "location",
    ):
        misspelt.append(tmp_path / f"{name}.yaml")
        misspelt[-1].write_text(re.sub(rf"\b{name}:", f"{name}s:", CASC_TEXT, count=1))
    answer = subprocess.run([*call, str(JENKINS / "casc.yaml")], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    answer = subprocess.run([*call, *map(str, misspelt)], capture_output=True, text=True, check=False)
    assert [path.name for path in misspelt if f"{path}::" not in answer.stdout] == []


def test_every_credential_that_is_used_is_defined_and_the_other_way_round() -> None:
    used = set(re.findall(r"credentialsId: '([^']+)'", TEXT))
    used |= {node["launcher"]["ssh"]["credentialsId"] for node in _nodes()}
    assert used == set(_credentials())


def test_a_job_can_ask_for_no_key_of_an_agent() -> None:
    assert {name: about["scope"] for name, about in _credentials().items()} == {
        "driftgate-hf-token": "GLOBAL",
        "driftgate-db-url": "GLOBAL",
        "driftgate-agent-key": "SYSTEM",
    }


def test_every_label_of_the_jenkinsfile_has_an_agent_and_every_agent_a_service() -> None:
    labels = set(re.findall(r"label '([^']+)'|node\('([^']+)'\)", TEXT))
    wanted = {one or other for one, other in labels} | set(re.findall(r"values '(\w+)', '(\w+)'", TEXT)[0])
    assert wanted == {node["labelString"] for node in _nodes()} == {"cpu", "gpu"}
    for node in _nodes():
        service = STACK["services"][node["launcher"]["ssh"]["host"]]
        assert service["build"]["target"] == "agent"
    assert STACK["services"]["agent-gpu"]["profiles"] == ["gpu"]
    assert "profiles" not in STACK["services"]["agent-cpu"]


def test_the_controller_computes_nothing_and_shows_nobody_anything() -> None:
    jenkins = CASC["jenkins"]
    assert jenkins["numExecutors"] == 0
    assert jenkins["securityRealm"]["local"]["allowsSignup"] is False
    (entry,) = jenkins["authorizationStrategy"]["globalMatrix"]["entries"]
    assert entry == {"user": {"name": "admin", "permissions": ["Overall/Administer"]}}


def test_every_name_in_casc_is_a_mounted_secret_or_a_variable_of_the_container() -> None:
    names = set(re.findall(r"(?<!\^)\$\{(\w+)\}", CASC_TEXT)) - {"name"}
    files = {Path(path).name for path in re.findall(r"\$\{readFile:([^}]+)\}", CASC_TEXT)}
    mounted, variables = set(CONTROLLER["secrets"]), set(CONTROLLER["environment"])
    assert names <= mounted | variables
    assert files <= mounted
    assert mounted <= names | files
    assert variables <= names


def test_every_secret_has_a_file_that_make_secrets_makes_and_git_ignores() -> None:
    for service in ("jenkins", "agent-cpu", "agent-gpu"):
        for name in STACK["services"][service]["secrets"]:
            path = STACK["secrets"][name]["file"]
            assert path.startswith("configs/")
            answer = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
            assert answer.returncode == 0, path
    assert not [path for path in (JENKINS / "secrets").iterdir() if path.suffix != ".example" and _tracked(path)]


def _tracked(path: Path) -> bool:
    answer = subprocess.run(
        ["git", "ls-files", "--error-unmatch", str(path)], cwd=ROOT, capture_output=True, check=False
    )
    return answer.returncode == 0


def test_the_agents_mount_the_secrets_that_their_entrypoint_reads() -> None:
    entrypoint = (JENKINS / "agent" / "entrypoint.sh").read_text()
    read = set(re.findall(r"jenkins_\w+", entrypoint))
    for name in ("agent-cpu", "agent-gpu"):
        assert read == set(STACK["services"][name]["secrets"])


def test_every_plugin_is_pinned_and_every_step_has_its_plugin() -> None:
    plugins = _plugins()
    assert list(plugins) == sorted(plugins)
    assert all(re.fullmatch(r"\d[\w.-]*", version) for version in plugins.values()), plugins
    steps = {
        name: about["plugin"]
        for name, about in tables()["steps"].items()
        if re.search(rf"\b{name}\b\s*(?:[({{'\"]|scm)", TEXT)
    }
    assert {"sh", "junit", "withCredentials", "publishHTML", "stash"} <= set(steps)
    assert set(steps.values()) <= set(plugins)
    needed = {
        "timestamper": "timestamps()" in TEXT,
        "job-dsl": "jobs" in CASC,
        "configuration-as-code": True,
        "matrix-auth": "globalMatrix" in CASC["jenkins"]["authorizationStrategy"],
        "ssh-slaves": "ssh" in _nodes()[0]["launcher"],
        "plain-credentials": any(about["kind"] == "string" for about in _credentials().values()),
        "ssh-credentials": any(about["kind"] == "basicSSHUserPrivateKey" for about in _credentials().values()),
    }
    assert {name for name, used in needed.items() if used} <= set(plugins)
    assert set(plugins) - set(steps.values()) - set(needed) == BUNDLED


def test_the_job_is_there_on_a_schedule_and_from_this_checkout_unless_told_otherwise() -> None:
    (job,) = CASC["jobs"]
    assert "pipelineJob('driftgate')" in job["script"]
    called = re.findall(r"(\w+) ?[({]", re.sub(r"'[^']*'", "", job["script"]))
    assert set(called) == {
        "pipelineJob", "description", "parameters", "stringParam", "booleanParam", "properties", "pipelineTriggers", "triggers",
        "cron", "spec", "definition", "cpsScm", "scm", "git", "remote", "url", "branch", "scriptPath", "lightweight",
    }  # fmt: skip
    assert "url('${DRIFTGATE_REPO_URL}')" in job["script"]
    assert "scriptPath('Jenkinsfile')" in job["script"]
    (schedule,) = set(re.findall(r"cron(?: \{ spec)?\('([^']+)'\)", job["script"] + TEXT))
    assert schedule == "H 2 * * *"
    assert CONTROLLER["environment"]["DRIFTGATE_REPO_URL"] == "${DRIFTGATE_REPO_URL:-file:///checkout}"
    for name in ("jenkins", "agent-cpu", "agent-gpu"):
        assert "./.git:/checkout/.git:ro" in STACK["services"][name]["volumes"]
    assert "-Dhudson.plugins.git.GitSCM.ALLOW_LOCAL_CHECKOUT=true" in (JENKINS / "Dockerfile").read_text()


def test_the_button_asks_for_parameters_from_the_first_build_on() -> None:
    """And after a restart, which makes the job anew from casc.yaml: the same ones as in the Jenkinsfile."""
    asked = re.findall(r"(string|boolean)Param\('(\w+)', ([^,]+), ('[^']+')\)", CASC["jobs"][0]["script"])
    brought = re.findall(
        r"^ +(string|boolean)(?:Param)?\(name: '(\w+)', defaultValue: ([^,]+), description: ('[^']+')\)", TEXT, re.M
    )
    assert [one[1] for one in brought] == ["CONFIG", "TOP", "FAMILIES", "TARGETS", "GPU", "BASELINE"]
    assert asked == brought


def test_both_images_let_git_read_the_mounted_checkout_of_another_user() -> None:
    """Without `safe.directory` git refuses a repository that belongs to somebody else."""
    named = re.findall(r"--add (safe\.directory) (\S+)", (JENKINS / "Dockerfile").read_text())
    agents = re.findall(r"--add (safe\.directory) (\S+)", (ROOT / "Dockerfile").read_text())
    assert named == agents == [("safe.directory", "/checkout"), ("safe.directory", "/checkout/.git")]


def test_no_agent_sees_a_secret_that_it_is_not_given() -> None:
    for name in ("agent-cpu", "agent-gpu"):
        sources = [str(volume).split(":")[0] for volume in STACK["services"][name]["volumes"]]
        assert [source for source in sources if source.startswith(".") and source != "./.git"] == []


def test_models_travel_by_the_shared_volume() -> None:
    (cache,) = [
        variable["value"]
        for group in CASC["jenkins"]["globalNodeProperties"]
        for variable in group["envVars"]["env"]
        if variable["key"] == "DRIFTGATE_CACHE"
    ]
    for name in ("agent-cpu", "agent-gpu"):
        assert f"driftgate-cache:{cache}" in STACK["services"][name]["volumes"]


@pytest.mark.parametrize("path", ["Dockerfile", "configs/jenkins/Dockerfile"])
def test_a_dockerfile_passes_its_linter_and_names_no_registry_of_packages(path: str) -> None:
    call = [str(Path(sys.executable).parent / "hadolint"), str(ROOT / path)]
    answer = subprocess.run(call, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    text = (ROOT / path).read_text()
    assert re.findall(r"https?://(?!127\.0\.0\.1)\S+", text) == []
    images = [name for name in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if "/" in name or ":" in name]
    assert images
    assert all(re.search(r":\d+\.\d+[\w.-]*$", name) for name in images), images
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "1000:1000"


def test_the_image_of_driftgate_is_what_its_users_expect() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert 'ARG TORCH_INDEX=""' in text
    assert 'CMD ["driftgate", "doctor"]' in text
    last = text[text.rindex("\nFROM ") :]
    assert 'ENTRYPOINT ["driftgate"]' in last
    kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / line[1:]).exists() for line in kept), kept
    assert not [line for line in kept if "secret" in line or ".git" in line or "outputs" in line]
