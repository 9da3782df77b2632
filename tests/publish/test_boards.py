"""The boards: generated, laid out well, and every expression in them has an answer in a real Prometheus."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from nights import model_of

from driftgate.core.metrics import METRICS
from driftgate.testing.runs import FLEET, Story
from driftgate.testing.servers import settles

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs" / "grafana" / "dashboards"
BOARDS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
RULES = [
    rule
    for path in sorted((ROOT / "configs" / "prometheus" / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
PROVISIONING = ROOT / "configs" / "grafana" / "provisioning"

EMPTY_ON_A_GOOD_DAY = {
    "DriftgateRunMissing": "a run is there, younger than two cycles",
    "DriftgateNothingPublished": "something is published",
    "DriftgateLastGoodRunTooOld": "a good run is there, younger than three cycles",
    "DriftgateNeverGood": "a good run is there",
    "DriftgatePushRejected": "no push was refused",
    "DriftgateShipperBehind": "the logs are all in Loki",
    "DriftgateLogsDropped": "Loki took every record",
    "DriftgateAlloyDropsLogs": "there is no Alloy here; its cases are in configs/prometheus/tests",
    "DriftgateTargetDown": "everything is up",
}
"""Rules whose expression may be empty, and why."""

BUILT_IN = {"__url_time_range", "__value.raw", "__data.fields.page"} | {
    f"__field.labels.{n}" for n in ("family", "model")
}


def panels(kind="prometheus"):
    """Board, panel and target of every query of a kind of data source."""
    return [
        pytest.param(board, panel, target, id=f"{board}: {panel['title']} {target['refId']}")
        for board, document in BOARDS.items()
        for panel in document["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


def variables():
    """Every variable that asks Prometheus for the values of a label."""
    return [
        pytest.param(variable["query"]["query"], id=f"{board}: {variable['name']}")
        for board, document in BOARDS.items()
        for variable in document["templating"]["list"]
        if variable["type"] == "query"
    ]


@pytest.fixture
def chosen(published):
    """An expression with every variable's choice in the place of the variable: All, but for the one model of its board."""
    store, _ = published
    choices = {"fleet": FLEET, "family": ".+", "target": ".+"}

    def fill(expr, board):
        model = model_of(store, Story.BREAKS) if board == "model" else ".+"
        for name, value in {**choices, "model": model}.items():
            expr = expr.replace(f"${name}", value)
        assert "$" not in expr
        return expr

    return fill


def test_the_boards_are_what_the_script_writes(tmp_path):
    subprocess.run([sys.executable, ROOT / "configs" / "grafana" / "build.py", tmp_path], check=True)
    assert {path.stem: path.read_bytes() for path in tmp_path.iterdir()} == {
        name: (FOLDER / f"{name}.json").read_bytes() for name in BOARDS
    }
    assert set(BOARDS) == {"fleet", "breaks", "drift", "latency", "model"}


@pytest.mark.parametrize(("board", "panel", "target"), panels())
def test_every_query_of_every_panel_has_data(board, panel, target, stack, chosen):
    expr = chosen(target["expr"], board)
    assert settles(lambda: stack.prometheus.query(expr) != [], patience=15), expr


def test_the_matrix_says_of_every_cell_how_it_ended(stack, published, chosen):
    store, _ = published
    (panel,) = [panel for panel in BOARDS["fleet"]["panels"] if panel["title"].startswith("Verdicts")]
    names = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    shown = stack.prometheus.values(chosen(panel["targets"][0]["expr"], "fleet"), "model", "stage", "target")
    assert {key: names[f"{code:g}"]["text"] for key, code in shown.items()} == {
        (record.model.slug, record.stage, record.target): record.verdict.value for record in store.records()
    }


@pytest.mark.parametrize("query", variables())
def test_every_variable_has_something_to_choose(query, stack, published, chosen):
    selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
    assert stack.prometheus.label_values(chosen(selector, "fleet"), label) != []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_every_rule_has_data_or_a_reason_to_have_none(rule, stack, published):
    may_be_empty = rule.get("alert") in EMPTY_ON_A_GOOD_DAY
    assert settles(lambda: stack.prometheus.query(rule["expr"]) != [] or may_be_empty, patience=15), rule["expr"]


def test_the_reasons_for_empty_rules_are_of_rules_that_exist():
    assert set(EMPTY_ON_A_GOOD_DAY) <= {rule.get("alert") for rule in RULES}


def test_what_fires_in_prometheus_reaches_grafanas_own_rule(stack, published):
    rules = yaml.safe_load((PROVISIONING / "alerting" / "rules.yaml").read_text("utf-8"))["groups"][0]["rules"]
    (expr, alive) = (rule["data"][0]["model"]["expr"].replace("$$", "$") for rule in rules)
    fired = ("DriftgateFindings", FLEET, "unexpected", "error")
    assert settles(lambda: fired in stack.prometheus.values(expr, "alert", "fleet", "rule", "severity"))
    assert stack.prometheus.query(alive) != []


def test_panels_have_a_title_a_description_and_a_unit_and_none_covers_another():
    for board, document in BOARDS.items():
        ids = [panel["id"] for panel in document["panels"]]
        assert len(set(ids)) == len(ids), board
        for panel in document["panels"]:
            assert panel["title"], board
            assert len(panel["description"]) > 5, panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            place = panel["gridPos"]
            assert place["x"] >= 0, panel["title"]
            assert place["x"] + place["w"] <= 24, panel["title"]
        for one, other in combinations(document["panels"], 2):
            assert not overlap(one["gridPos"], other["gridPos"]), (board, one["title"], other["title"])


def overlap(a, b):
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not beside and not below


def test_boards_have_a_fixed_name_of_their_own_and_no_number():
    uids = [document["uid"] for document in BOARDS.values()]
    assert sorted(uids) == sorted({f"driftgate-{name}" for name in BOARDS})
    assert all("id" not in document and 39 <= document["schemaVersion"] <= 42 for document in BOARDS.values())


def test_every_panel_asks_a_data_source_that_its_board_lets_one_choose():
    for document in BOARDS.values():
        sources = {v["name"]: v["query"] for v in document["templating"]["list"] if v["type"] == "datasource"}
        for panel in document["panels"]:
            for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
                assert sources[source["uid"].strip("${}")] == source["type"], panel["title"]


def test_links_lead_to_boards_that_exist_and_set_variables_that_they_have():
    uids = {document["uid"]: {v["name"] for v in document["templating"]["list"]} for document in BOARDS.values()}
    urls = [url for document in BOARDS.values() for url in re.findall(r'"url": "(/d/[^"]+)"', json.dumps(document))]
    assert urls
    for url in urls:
        uid = re.match(r"/d/([\w-]+)\?", url)[1]
        assert set(re.findall(r"&var-(\w+)=", url)) <= uids[uid], url
        assert set(re.findall(r"\$\{([^}]+)\}", url)) <= BUILT_IN | {"fleet", "datasource", "loki"}, url


def test_a_status_history_asks_for_no_more_points_than_it_can_draw():
    histories = [p for document in BOARDS.values() for p in document["panels"] if p["type"] == "status-history"]
    assert len(histories) == 4
    assert all(panel["maxDataPoints"] <= 100 for panel in histories)  # of 460 pixels, at least two for each


def test_every_metric_of_models_and_runs_is_on_a_board_and_no_board_invents_one():
    text = json.dumps(BOARDS)
    shown = set(re.findall(r"\b(?:driftgate_\w+|compile_breaks_total)", text))
    assert shown <= set(METRICS)
    in_rules = {name for name in METRICS if any(name in rule["expr"] for rule in RULES)}
    assert set(METRICS) - shown - in_rules == set()


def test_the_logs_of_a_model_are_beneath_it():
    (panel,) = [panel for panel in BOARDS["model"]["panels"] if panel["type"] == "logs"]
    assert panel["targets"][0]["expr"] == '{app="driftgate"} | model=~"$model"'
    assert panel["gridPos"]["y"] == max(other["gridPos"]["y"] for other in BOARDS["model"]["panels"])


def test_what_is_provisioned_is_what_the_boards_name():
    sources = yaml.safe_load((PROVISIONING / "datasources" / "datasources.yaml").read_text("utf-8"))["datasources"]
    assert {(source["uid"], source["type"]) for source in sources} == {("prometheus", "prometheus"), ("loki", "loki")}
    points = yaml.safe_load((PROVISIONING / "alerting" / "contact-points.yaml").read_text("utf-8"))["contactPoints"]
    policies = yaml.safe_load((PROVISIONING / "alerting" / "policies.yaml").read_text("utf-8"))["policies"]
    assert {receiver["type"] for point in points for receiver in point["receivers"]} == {"email", "webhook"}
    assert {policy["receiver"] for policy in policies} == {point["name"] for point in points}
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["grafana"]["environment"]
    needed = set(re.findall(r"\$\{(\w+)\}", (PROVISIONING / "alerting" / "contact-points.yaml").read_text("utf-8")))
    assert needed <= set(compose)
