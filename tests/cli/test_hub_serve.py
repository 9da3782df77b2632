"""`driftgate hub serve FOLDER`: the real client against the real process."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from huggingface_hub import HfApi, hf_hub_download

from driftgate.sources.testing.model_folders import make_model


@pytest.fixture
def served(tmp_path):
    """A process that serves a folder with two models, and where it says that it serves."""
    for name in ("acme/one", "acme/two"):
        make_model(tmp_path / "models", name)
    process = subprocess.Popen(
        [sys.executable, "-m", "driftgate", "hub", "serve", str(tmp_path / "models")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    too_late = threading.Timer(60, process.kill)
    too_late.start()
    try:
        line = process.stderr.readline()
        found = re.search(r"HF_ENDPOINT=(http://127\.0\.0\.1:\d+)", line)
        assert found, line
        yield process, found[1]
    finally:
        too_late.cancel()
        process.kill()
        process.communicate()


def test_the_hubs_own_client_lists_and_downloads_what_is_served_until_sigterm(served, tmp_path):
    process, url = served
    assert {model.id for model in HfApi(endpoint=url, token=False).list_models()} == {"acme/one", "acme/two"}
    for name in ("model.safetensors", "config.json"):
        path = hf_hub_download("acme/one", name, endpoint=url, cache_dir=tmp_path / "cache", token=False)
        with open(path, "rb") as got:
            assert got.read() == (tmp_path / "models" / "acme" / "one" / name).read_bytes()

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, err
    assert out == ""
    assert "Traceback" not in err


def test_a_folder_that_is_not_there_is_exit_2_and_one_line(tmp_path):
    call = [sys.executable, "-m", "driftgate", "hub", "serve", str(tmp_path / "nowhere")]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "nowhere is no folder" in done.stderr
