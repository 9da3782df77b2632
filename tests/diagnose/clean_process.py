"""Run scripts as a stranger would, each in a process of its own that has no Driftgate: `clean_process.py [--warm] SCRIPT…`

Prints a JSON list of {script, code, output}. With `--warm` each one is forked from this process, which has imported what they all
need, instead of importing it anew.
"""

import json
import os
import runpy
import sys
import tempfile


def warm() -> None:
    """What every script imports first."""
    import onnx
    import onnxruntime
    import torch._dynamo
    import transformers

    assert all((onnx, onnxruntime, torch._dynamo, transformers))


def run(script: str) -> dict[str, object]:
    """Fork, run, wait."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _become(script, output.fileno())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return {"script": script, "code": code, "output": output.read().decode(errors="replace")}


def _become(script: str, output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.modules["driftgate"] = None  # whoever imports it gets an ImportError
    sys.argv = [script]
    code = 70
    try:
        code = _code_of(script)
        assert not [name for name in sys.modules if name.startswith("driftgate.")]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _code_of(script: str) -> int:
    """The exit code, as Python itself would have it."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    except Exception as error:  # noqa: BLE001 - whatever it is, the script's hook says what it means
        try:
            sys.excepthook(type(error), error, error.__traceback__)
        except SystemExit as end:
            return int(end.code or 0)
        return 1
    return 0


if __name__ == "__main__":
    scripts = [name for name in sys.argv[1:] if name != "--warm"]
    if "--warm" in sys.argv:
        warm()
    print(json.dumps([run(script) for script in scripts]))
