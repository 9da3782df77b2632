"""What goes wrong when a run is published: one line with the server's reason, exit 3 (or 2), the run untouched, no password anywhere."""

import hashlib
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from nights import night

from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.metrics import Group, Sample
from driftgate.history.database import Database
from driftgate.history.importing import import_run
from driftgate.sinks.endpoint import Endpoint
from driftgate.sinks.pushgateway import Gateway
from driftgate.steps.publish import push
from driftgate.testing import servers
from driftgate.testing.runs import Story
from driftgate.testing.workplace import workplace_in

SECRET = "s3cr3t-of-the-tests"
WEB_CONFIG = "basic_auth_users:\n  ci: $2b$04$a2qCcXORMvyAR9XzMDK6Ae6ytE8kOGLArqsm8y.xg7YoGNal4hNp6\n"
ONE = Group("f", "m", (Sample.of("driftgate_graph_breaks", 1),))


@pytest.fixture
def place(tmp_path):
    """A workplace with a run in its outputs."""
    with workplace_in(tmp_path) as workplace:
        night(tmp_path / "outputs", models=2, stories=(Story.CLEAN,))
        yield workplace


def content(store):
    """Every file of a run but its metrics, by its hash."""
    files = (path for path in store.root.rglob("*") if path.is_file() and path.name != "metrics.prom")
    return {path.relative_to(store.root): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def publish(place, url, *arguments, **environment):
    return place.call("publish", "--run", "latest", *arguments, DRIFTGATE_PUSHGATEWAY_URL=url, **environment)


@contextmanager
def answering(status, body=b"", content_type="text/plain", location=None):
    """A server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET = answer  # noqa: N815

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def pushed_to(url, **options):
    with Gateway(Endpoint(url), **options) as gateway:
        push((ONE,), gateway)


def test_a_clash_of_types_is_told_in_the_servers_words_and_the_run_can_be_published_again(place, gateway):
    clash = f"{gateway}/metrics/job/somebody/instance/else"
    httpx2.put(clash, content=b"# TYPE driftgate_graph_breaks counter\ndriftgate_graph_breaks 1\n").raise_for_status()
    before = content(place.store)
    ended = publish(place, gateway, "--prune")
    assert ended.code == 3
    (line,) = ended.err.splitlines()
    assert "2 of 3 groups refused, the first for model acme--tiny-bert-0000" in line
    assert "answers 400" in line
    assert "driftgate_graph_breaks" in line
    assert content(place.store) == before
    httpx2.delete(clash).raise_for_status()
    assert servers.settles(lambda: len(servers.groups_at(gateway)) == 3)
    again = publish(place, gateway, "--prune")
    assert (again.code, content(place.store)) == (0, before), again.err


def test_credentials_are_asked_for_checked_and_never_printed(place, installed, tmp_path):
    with servers.pushgateway(tmp_path, web_config=WEB_CONFIG) as url:
        user = {"DRIFTGATE_PUSHGATEWAY_USER": "ci"}
        wrong = user | {"DRIFTGATE_PUSHGATEWAY_PASSWORD": f"{SECRET}-not"}
        inside = url.replace("//", f"//ci:{SECRET}-not@")
        with pytest.raises(MachineryError, match="answers 401"):
            pushed_to(url)
        for ended in (publish(place, url, **wrong), publish(place, inside)):
            assert ended.code == 3
            (line,) = ended.err.splitlines()
            assert f"{url} answers 401" in line
            assert "check DRIFTGATE_PUSHGATEWAY_USER and DRIFTGATE_PUSHGATEWAY_PASSWORD" in line
            assert SECRET not in ended.out + ended.err
        file = tmp_path / "password"
        file.write_text(f"{SECRET}\n")
        ended = publish(place, url, DRIFTGATE_PUSHGATEWAY_PASSWORD_FILE=str(file), **user)
        assert (ended.code, SECRET in ended.out + ended.err) == (0, False), ended.err
        with Gateway(Endpoint(url, "ci", SECRET)) as server:
            push((ONE,), server)


def test_a_server_that_is_not_there_is_one_line_and_exit_3(place):
    url = f"http://127.0.0.1:{servers.free_port()}"
    before = content(place.store)
    ended = publish(place, url.replace("//", f"//ci:{SECRET}@"))
    (line,) = ended.err.splitlines()
    assert ended.code == 3
    assert f"cannot push to {url} (DRIFTGATE_PUSHGATEWAY_URL)" in line
    assert "refused" in line
    assert SECRET not in ended.out + ended.err
    assert content(place.store) == before


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"URL": f"ftp://ci:{SECRET}@host"}, "DRIFTGATE_PUSHGATEWAY_URL: no URL of a server"),
        ({"URL": f"http://ci:{SECRET}@host:99999"}, "DRIFTGATE_PUSHGATEWAY_URL: no URL of a server"),
        ({"URL": f"http://host/?token={SECRET}"}, "DRIFTGATE_PUSHGATEWAY_URL: a URL with ? or #"),
        ({"URL": "http://host", "PASSWORD": SECRET}, "DRIFTGATE_PUSHGATEWAY_USER: a user and a password belong"),
        ({"URL": "http://host", "USER": "ci"}, "DRIFTGATE_PUSHGATEWAY_PASSWORD: a user and a password belong"),
        ({"URL": "http://host", "USER": "ci", "PASSWORD_FILE": "/no/such"}, "PASSWORD_FILE: cannot read /no/such"),
        ({"URL": "http://host", "PASSWORD": SECRET, "PASSWORD_FILE": "/a"}, "are both set"),
    ],
)
def test_a_wrong_setting_is_a_mistake_of_the_call_that_names_the_variable(variables, says):
    environment = {f"DRIFTGATE_PUSHGATEWAY_{name}": value for name, value in variables.items()}
    with pytest.raises(UsageError) as told:
        Endpoint.from_environment("DRIFTGATE_PUSHGATEWAY", environment)
    assert says in str(told.value)
    assert SECRET not in str(told.value)


def test_the_password_is_not_in_what_is_printed_of_an_endpoint():
    endpoint = Endpoint.from_environment("X", {"X_URL": f"https://ci:{SECRET}@host:1/prefix/"})
    assert endpoint == Endpoint("https://host:1/prefix", "ci", SECRET)
    assert SECRET not in repr(endpoint)
    assert endpoint.tell(f"no\nentry for {SECRET}\x1b[0m") == "no entry for *** [0m"


def test_without_a_url_the_file_alone_is_written_and_there_is_nothing_to_prune(place):
    ended = place.call("publish", "--run", "latest")
    assert ended.code == 0
    assert "metrics.prom: " in ended.out
    assert "DRIFTGATE_PUSHGATEWAY_URL is not set: nothing is pushed" in ended.err
    assert (place.store.root / "metrics.prom").read_text().startswith("# HELP ")
    assert place.call("publish", "--run", "latest", "--prune").code == 2


def test_a_part_of_a_fleet_published_by_hand_does_not_speak_for_the_fleet(place, gateway):
    with Gateway(Endpoint(gateway)) as server:
        push((Group("synthetic", "left", ONE.samples),), server)
    place.store.write_manifest(place.store.manifest().model_copy(update={"part": True}))
    ended = publish(place, gateway, "--prune")
    assert ended.code == 0
    assert "is of a part of its fleet" in ended.err
    assert "2 groups of fleet synthetic replaced; what is of the whole fleet stays as it was" in ended.err
    assert len(servers.groups_at(gateway)) == 1 + 2


def test_the_whole_pipeline_ends_with_a_push(place, gateway):
    import_run(Database.at(None, place.store.root.parent), place.store)
    ended = place.call("run", "--resume", "latest", DRIFTGATE_PUSHGATEWAY_URL=gateway)
    assert ended.code == 0, ended.err
    assert f"{gateway}: 3 groups of fleet synthetic replaced" in ended.err
    assert len(servers.groups_at(gateway)) == 3
    assert "metrics.prom" in (place.store.root / "report" / "index.html").read_text()


@pytest.mark.full
def test_a_run_of_a_part_of_a_fleet_does_not_speak_for_the_fleet(place, gateway):
    (place.folder / "empty").mkdir()
    (place.folder / "empty" / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    config = place.config("local:empty", "local:another", fleet="nightly")
    ended = place.call("run", config, "--model", "local:empty", DRIFTGATE_PUSHGATEWAY_URL=gateway)
    assert ended.code == 1, ended.err
    assert "1 group of fleet nightly replaced; what is of the whole fleet stays as it was" in ended.err
    (pushed,) = servers.groups_at(gateway)
    assert pushed["model"].endswith("--empty")


def test_a_server_that_never_answers_is_given_up():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(MachineryError, match="cannot push to .*timed out"),
    ):
        pushed_to(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status": 404, "body": b"<html>no such page</html>"}, "404 Not Found.*is DRIFTGATE_PUSHGATEWAY_URL a Pushg"),
        ({"status": 302, "location": "http://elsewhere/"}, "302 Found; is DRIFTGATE_PUSHGATEWAY_URL a Pushgateway"),
        ({"status": 503, "body": b"come\nback\x1b[31m later"}, r"503 Service Unavailable: come back \[31m later$"),
        (
            {"status": 200, "body": b"<html>welcome"},
            "200 OK: <html>welcome; is DRIFTGATE_PUSHGATEWAY_URL a Pushgateway",
        ),
        ({"status": 400, "body": b"x" * 9000}, "1 of 1 group refused, the first for model m: .* answers 400"),
    ],
)
def test_whatever_else_a_server_answers_is_told_in_one_short_line(answer, says):
    with answering(**answer) as url, pytest.raises(MachineryError, match=says) as told:
        pushed_to(url)
    assert len(str(told.value)) < 500
    assert "\n" not in str(told.value)


def test_a_list_of_groups_that_is_none_is_told():
    for body in (b"<html>", b'{"data": 7}', b'{"data": [{"labels": 3}]}'):
        wrong = pytest.raises(MachineryError, match="does not answer like a Pushgateway")
        with answering(200, body) as url, Gateway(Endpoint(url)) as gateway, wrong:
            gateway.models("f")


def test_groups_go_over_one_connection_and_survive_its_end(gateway):
    with Gateway(Endpoint(gateway)) as server:
        for _ in range(3):
            push((ONE,), server)
    assert [one["model"] for one in servers.groups_at(gateway)] == ["m"]
