"""The embedded Hub on the wire: ranges, odd requests, and names that try to leave the folder."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.sources.embedded_hub import EmbeddedHub
from driftgate.sources.testing.model_folders import make_model, noise

WEIGHTS = noise("acme/bert", 1_000)
FILE = "/acme/bert/resolve/main/model.safetensors"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[EmbeddedHub]:
    make_model(tmp_path / "models", "acme/bert", files={"empty.txt": b""})
    (tmp_path / "secret.txt").write_text("secret")
    lines: list[str] = []
    with EmbeddedHub(tmp_path / "models", log=lines.append) as running:
        yield running
    assert "Traceback" not in "\n".join(lines)


def ask(
    hub: EmbeddedHub, target: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=10)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()


def test_a_whole_file_has_the_headers_the_client_checks(hub: EmbeddedHub) -> None:
    status, headers, body = ask(hub, FILE)
    assert (status, body) == (200, WEIGHTS)
    assert headers["content-length"] == headers["x-linked-size"] == "1000"
    assert headers["etag"] == headers["x-linked-etag"]
    assert len(headers["x-repo-commit"]) == 40
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-request-id"]
    assert not [name for name in headers if "xet" in name]


def test_head_says_the_same_without_a_body(hub: EmbeddedHub) -> None:
    status, headers, body = ask(hub, FILE, "HEAD")
    assert (status, headers["content-length"], body) == (200, "1000", b"")
    assert ask(hub, "/acme/bert/resolve/main/empty.txt")[0::2] == (200, b"")


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [("bytes=0-9", 0, 10), ("bytes=990-", 990, 1000), ("bytes=-5", 995, 1000), ("bytes=5-9999", 5, 1000)],
)
def test_a_range_gets_its_part(hub: EmbeddedHub, asked: str, first: int, end: int) -> None:
    status, headers, body = ask(hub, FILE, Range=asked)
    assert (status, body) == (206, WEIGHTS[first:end])
    assert headers["content-range"] == f"bytes {first}-{end - 1}/1000"


def test_a_range_beyond_the_end_is_416_and_an_odd_one_is_ignored(hub: EmbeddedHub) -> None:
    status, headers, _ = ask(hub, FILE, Range="bytes=1000-")
    assert (status, headers["content-range"]) == (416, "bytes */1000")
    assert ask(hub, FILE, Range="bytes=9-3")[0] == 416
    assert ask(hub, FILE, Range="bytes=0-1,5-6")[0] == 200
    assert ask(hub, FILE, Range="lines=1-2")[0] == 200


@pytest.mark.parametrize(
    "target",
    [
        "/acme/bert/resolve/main/../../../secret.txt",
        "/acme/bert/resolve/main/..%2F..%2F..%2Fsecret.txt",
        "/acme/bert/resolve/main/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "/acme/..%2F..%2F/resolve/main/secret.txt",
        "/../models/resolve/main/secret.txt",
        "/acme/bert/resolve/main//etc/passwd",
        "/acme/bert/resolve/main/config.json%00.txt",
        "/acme/bert/resolve/main/.hub.json",
        "/api/models/acme/bert/tree/main/..%2F..",
        "/api/models/../acme/bert",
        "/api/models/acme/%F0%9F%90%BB",
        "/",
    ],
)
def test_what_no_walk_of_the_folder_found_is_not_there(hub: EmbeddedHub, target: str) -> None:
    status, headers, body = ask(hub, target)
    assert status == 404
    assert b"secret" not in body.replace(b"secret.txt", b"")
    assert headers["x-error-message"].isprintable()


def test_odd_and_overlong_requests_are_refused(hub: EmbeddedHub) -> None:
    assert ask(hub, "/acme/%FF/resolve/main/x")[0] == 400
    assert ask(hub, "/" + "a" * 9_000)[0] == 414
    assert ask(hub, "/api/models?limit=many")[0] == 400
    assert ask(hub, "/api/models?sort=name")[0] == 400
    assert ask(hub, "/api/models?" + "&".join(f"a{i}=1" for i in range(1_001)))[0] == 400
    assert ask(hub, "/api/models/acme/bert/paths-info/main", "POST", **{"Content-Length": "1000001"})[0] == 413
    assert (
        ask(hub, "/api/models/acme/bert/paths-info/main", "POST", b"[1]", **{"Content-Type": "application/json"})[0]
        == 400
    )
    assert ask(hub, "/api/models/acme/bert", "POST", b"{}")[0] == 404
    assert ask(hub, FILE, "DELETE")[0] == 501


def test_a_web_page_that_points_its_own_name_at_loopback_reads_nothing(hub: EmbeddedHub) -> None:
    assert ask(hub, "/api/models", Host=f"evil.example:{hub.port}")[0] == 403
    assert ask(hub, "/api/models", Host=f"localhost:{hub.port}")[0] == 200


def test_paths_info_reads_json_too(hub: EmbeddedHub) -> None:
    body = json.dumps({"paths": ["config.json"]}).encode()
    status, _, answer = ask(
        hub, "/api/models/acme/bert/paths-info/main", "POST", body, **{"Content-Type": "application/json"}
    )
    assert status == 200
    assert [entry["path"] for entry in json.loads(answer)] == ["config.json"]


def test_links_out_of_the_folder_are_left_out_and_said(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "models", "acme/bert")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "leak.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "same.json").symlink_to(folder / "config.json")
    (tmp_path / "elsewhere/model").mkdir(parents=True)
    (tmp_path / "elsewhere/model/config.json").write_text("{}")
    (tmp_path / "models/acme/linked").symlink_to(tmp_path / "elsewhere/model")
    (tmp_path / "models/acme" / os.fsdecode(b"n\xff")).mkdir()
    (folder / os.fsdecode(b"n\xff.txt")).write_text("x")
    lines: list[str] = []
    with EmbeddedHub(tmp_path / "models", log=lines.append) as hub:
        assert ask(hub, "/acme/bert/resolve/main/leak.txt")[0] == 404
        assert ask(hub, "/acme/bert/resolve/main/same.json")[0] == 200
        models = json.loads(ask(hub, "/api/models")[2])
    assert [model["id"] for model in models] == ["acme/bert"]
    assert any("leak.txt" in line and "a link out of the folder" in line for line in lines)
    assert any("not printable" in line for line in lines)


def test_one_connection_serves_many_requests(hub: EmbeddedHub) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=10)
    for _ in range(3):
        connection.request("GET", FILE)
        assert connection.getresponse().read() == WEIGHTS


def test_it_listens_on_loopback_alone_and_frees_its_port(tmp_path: Path) -> None:
    with EmbeddedHub(tmp_path) as hub:
        assert hub.url.startswith("http://127.0.0.1:")
        port = hub.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=300))
def test_no_garbage_on_the_wire_takes_it_down(hub: EmbeddedHub, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as wire:
        wire.sendall(noise + b"\r\n\r\n")
        wire.shutdown(socket.SHUT_WR)
        wire.settimeout(10)
        with suppress(ConnectionError):
            while wire.recv(65_536):
                pass
    assert ask(hub, FILE)[2] == WEIGHTS


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.sampled_from(["api", "models", "acme", "bert", "resolve", "tree", "main", "..", "%00", "%2F", "", "~"])
        | st.text(max_size=5)
    )
)
def test_every_target_gets_an_answer_and_never_a_traceback(hub: EmbeddedHub, parts: list[str]) -> None:
    status, _, body = ask(hub, "/" + "/".join(quote(part, safe="%") for part in parts))
    assert status in {200, 400, 404}
    assert b"Traceback" not in body
