"""What a worker, in which models' code runs, inherits."""

from driftgate.executors.launch import for_workers


def test_workers_know_no_password_and_no_server_of_the_parents() -> None:
    parents = {
        "PATH": "/usr/bin",
        "HF_TOKEN": "needed by pull",
        "DRIFTGATE_CACHE": "/var/cache",
        "DRIFTGATE_DB_URL": "postgresql://me:secret@localhost/runs",
        "DRIFTGATE_LOKI_URL": "http://localhost:3100",
        "DRIFTGATE_LOKI_USER": "me",
        "DRIFTGATE_LOKI_PASSWORD": "secret",
        "DRIFTGATE_PUSHGATEWAY_PASSWORD_FILE": "/run/secrets/gateway",
    }
    assert set(for_workers(parents)) == {"PATH", "HF_TOKEN", "DRIFTGATE_CACHE"}
