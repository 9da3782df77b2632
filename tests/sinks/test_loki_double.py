"""The double refuses what the real server was seen to refuse."""

import time
from typing import Any

import pytest
import requests

from driftgate.testing.loki import LokiDouble

NOW = time.time()


def pushed(labels: dict[str, Any], *values: list[Any]) -> dict[str, Any]:
    return {"streams": [{"stream": labels, "values": [list(value) for value in values]}]}


def at(seconds: float) -> str:
    return str(int((NOW + seconds) * 1e9))


def post(loki: LokiDouble, payload: object) -> requests.Response:
    return requests.post(f"{loki.url}/loki/api/v1/push", json=payload, timeout=5)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (pushed({f"label{number}": "x" for number in range(20)}, [at(0), "line"]), "20 label names; limit 15"),
        (pushed({"1st": "x"}, [at(0), "line"]), "parse error"),
        (pushed({}, [at(0), "line"]), "at least one label pair"),
        (pushed({"app": "x" * 2049}, [at(0), "line"]), "label value too long"),
        (pushed({"app": "x"}, [at(0), "y" * 300_000]), "max entry size"),
        (pushed({"app": "x"}, [int(at(0)), "line"]), "looks like Number"),
        (pushed({"app": "x"}, [at(0), "line", {"epoch": 1}]), "Value is string"),
        (pushed({"app": "x"}, [at(-8 * 86_400), "line"]), "too old"),
        (pushed({"app": "x"}, [at(3600), "line"]), "too new"),
        (pushed({"app": "x"}, [at(0), "line"], [at(-7200), "earlier"]), "too far behind"),
        ("not the format", "cannot be decoded"),
    ],
)
def test_what_loki_refuses_is_refused(payload: object, words: str) -> None:
    with LokiDouble() as loki:
        answer = post(loki, payload)
    assert answer.status_code == 400
    assert words in answer.text


def test_half_an_hour_behind_is_fine_and_what_is_good_in_a_refused_request_is_stored() -> None:
    with LokiDouble() as loki:
        assert post(loki, pushed({"app": "x"}, [at(0), "a"], [at(-1800), "b"])).status_code == 204
        assert post(loki, pushed({"app": "x"}, [at(1), "c"], [at(-9000), "d"])).status_code == 400
    assert [entry.line for entry in loki.entries] == ["a", "b", "c"]


@pytest.mark.parametrize("path", ["/", "/api/prom/push"])
def test_other_paths_are_not_there(path: str) -> None:
    with LokiDouble() as loki:
        assert requests.post(loki.url + path, json={}, timeout=5).status_code == 404


def test_identical_entries_are_stored_once() -> None:
    with LokiDouble() as loki:
        for _ in range(2):
            post(loki, pushed({"app": "x"}, [at(0), "a"]))
    assert len(loki.entries) == loki.duplicates == 1
