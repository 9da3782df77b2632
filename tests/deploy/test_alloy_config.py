"""alloy/config.alloy: there is no Alloy here to ask, so its structure is checked against what was found out about Alloy."""

import re
from pathlib import Path

import pytest

from deploy.alloy import Block, parse
from driftgate.sinks.entries import LABELS, METADATA

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "alloy/config.alloy").read_text("utf-8")
CONFIG = parse(TEXT)
EXPORTED = {
    "prometheus.remote_write": "receiver",
    "loki.write": "receiver",
    "loki.process": "receiver",
    "local.file_match": "targets",
    "prometheus.exporter.self": "targets",
}


def component(kind: str, label: str) -> Block:
    (found,) = [block for block in CONFIG.blocks if (block.kind, block.label) == (kind, label)]
    return found


def names(attribute: str) -> set[str]:
    return set(re.findall(r"(\w+)=", attribute))


def test_every_reference_names_a_component_and_what_it_exports() -> None:
    there = {f"{block.kind}.{block.label}.{EXPORTED[block.kind]}" for block in CONFIG.blocks if block.kind in EXPORTED}
    used = set(
        re.findall(r"\b(?:prometheus|loki|local)\.[a-z_.]+\.(?:receiver|targets)\b", "".join(expressions(CONFIG)))
    )
    assert used == there  # nothing dangles, nothing is left unused


def expressions(block: Block) -> list[str]:
    return [*block.attributes.values(), *(text for inner in block.blocks for text in expressions(inner))]


def test_the_pushgateways_own_labels_stay() -> None:
    assert component("prometheus.scrape", "pushgateway").attributes["honor_labels"] == "true"


def test_pushed_records_keep_their_time_and_no_port_is_opened_to_the_network() -> None:
    source = component("loki.source.api", "push")
    assert source.attributes["use_incoming_timestamp"] == "true"
    assert source.block("grpc").attributes["listen_address"] == '"127.0.0.1"'
    assert source.block("http").attributes["listen_address"] == 'coalesce(sys.env("ALLOY_PUSH_ADDRESS"),"127.0.0.1")'


def test_a_tailed_record_gets_the_labels_the_metadata_and_the_time_of_a_pushed_one() -> None:
    process = component("loki.process", "events")
    assert names(process.block("stage.labels").attributes["values"]) == set(LABELS)
    assert names(process.block("stage.structured_metadata").attributes["values"]) == set(METADATA)
    assert process.block("stage.static_labels").attributes["values"] == '{app="driftgate",}'
    assert names(process.block("stage.json").attributes["expressions"]) == {"time", *LABELS, *METADATA}
    assert process.block("stage.timestamp").attributes == {"source": '"time"', "format": '"RFC3339Nano"'}
    assert process.block("stage.label_drop").attributes["values"] == '["filename"]'


def test_one_variable_decides_between_pushing_and_tailing() -> None:
    (pattern,) = re.findall(
        r'string\.format\("(.*?)",(.*)\)', component("local.file_match", "events").attributes["path_targets"]
    )
    assert pattern[0] == "%s%s/*/agents/*.events.jsonl"
    assert pattern[1].endswith('sys.env("DRIFTGATE_LOKI_URL")')


@pytest.mark.parametrize(
    ("kind", "prefix", "url", "key"),
    [
        ("prometheus.remote_write", "PROM", "http://prometheus:9090/api/v1/write", "PROM_GRAFANA_CLOUD_API_KEY"),
        ("loki.write", "LOKI", "http://loki:3100/loki/api/v1/push", "LOKI_GRAFANA_CLOUD_API_KEY"),
    ],
)
def test_it_writes_to_the_stack_unless_the_secrets_name_grafana_cloud(
    kind: str, prefix: str, url: str, key: str
) -> None:
    endpoint = component(kind, "default").block("endpoint")
    assert endpoint.attributes["url"] == f'coalesce(sys.env("{prefix}_URL"),"{url}")'
    login = endpoint.block("basic_auth").attributes
    assert login == {"username": f'sys.env("{prefix}_USERNAME")', "password": f'sys.env("{key}")'}


def test_the_example_of_the_secrets_names_what_is_read_and_ends_where_grafana_cloud_listens() -> None:
    lines = (ROOT / "alloy/env.secrets.example").read_text("utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    read = set(re.findall(r'sys\.env\("((?:PROM|LOKI)_\w+)"\)', TEXT))
    assert set(given) == read
    assert given["PROM_URL"].endswith("/api/prom/push")
    assert given["LOKI_URL"].endswith("/loki/api/v1/push")


def test_it_is_formatted_with_tabs_as_alloy_fmt_does() -> None:
    assert not [line for line in TEXT.splitlines() if line.startswith(" ") or line != line.rstrip()]


@pytest.mark.parametrize(
    "text", ['a "b" {', "a {\n\tb =\n}", 'a {\n\tb = ["x"\n}', "a {\n\tb = 1 }\n}", "a {\n\tb = 1\n\tb = 2\n}", "a ; b"]
)
def test_what_is_no_configuration_is_noticed(text: str) -> None:
    with pytest.raises(SyntaxError):
        parse(text)
