"""The rules of Prometheus: promtool reads them, and every alert has cases in which it fires and in which it does not."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from driftgate.core.metrics import METRICS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs" / "prometheus"
FILES = sorted((FOLDER / "rules").glob("*.yml"))
GROUPS = [group for path in FILES for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = yaml.safe_load((FOLDER / "tests" / "alerts.yml").read_text("utf-8"))["tests"]
CASES = [case for test in TESTS for case in test["alert_rule_test"]]


def promtool(*arguments, stdin=None):
    call = ["promtool", *map(str, arguments)]
    done = subprocess.run(call, input=stdin, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", FOLDER / "prometheus.yml"),
        ("check", "rules", *FILES),
        ("test", "rules", FOLDER / "tests" / "alerts.yml"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_has_nothing_to_say(arguments, installed):
    code, said = promtool(*arguments)
    assert code == 0, said


def test_promtool_finds_no_fault_with_the_metrics_of_a_run(published):
    store, _ = published
    assert promtool("check", "metrics", stdin=(store.root / "metrics.prom").read_text()) == (0, "")


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    assert {case["alertname"] for case in CASES if case["exp_alerts"]} == set(ALERTS)
    assert {case["alertname"] for case in CASES if not case["exp_alerts"]} == set(ALERTS)


def test_alerts_say_how_bad_it_is_and_what_to_do():
    for name, rule in ALERTS.items():
        assert {"summary", "description"} <= set(rule["annotations"]), name
        assert rule.get("labels", {}).get("severity") in {"error", "warning"} or name == "DriftgateFindings", name


def test_rules_speak_only_of_metrics_that_there_are():
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    for rule in RULES:
        for name in re.findall(r"[\w:]*(?:driftgate_|compile_breaks)[\w:]+", rule["expr"]):
            assert name in METRICS or name in recorded, name


def test_prometheus_takes_what_alloy_kept_while_it_was_down():
    storage = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["storage"]["tsdb"]
    assert int(storage["out_of_order_time_window"].removesuffix("h")) >= 8  # Alloy's write-ahead log keeps as much


def test_prometheus_does_not_scrape_what_alloy_brings():
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert "9091" not in str(jobs)
