"""What Jenkins' parser would refuse, caught without a Jenkins: one process of groovy reads the Jenkinsfile and every way to break it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jenkins_build import JENKINSFILE, edited, problems_of

BROKEN = {
    "a misspelt section": ([("    triggers {", "    trigger {")], "`pipeline` has no `trigger`"),
    "a misspelt option": ([("disableConcurrentBuilds()", "disableConcurentBuilds()")], "no `disableConcurentBuilds`"),
    "an option that a stage has not": (
        [("                timeout(time: 8, unit: 'HOURS')", "                disableConcurrentBuilds()")],
        "`stage options` has no `disableConcurrentBuilds`",
    ),
    "a misspelt step": (
        [("        deleteDir()\n    }\n}", "        deletDir()\n    }\n}")],
        "there is no step `deletDir`",
    ),
    "a misspelt step in a branch that no build of ours takes": (
        [('            error("driftgate ${call', '            eror("driftgate ${call')],
        "there is no step `eror`",
    ),
    "a misspelt argument of a step": (
        [("allowEmptyResults: true", "allowEmptyResult: true")],
        "`junit` has no argument",
    ),
    "a misspelt binding": ([("credentialsId: 'driftgate-db-url'", "credentialId: 'x'")], "`string` has no argument"),
    "a misspelt post condition": (
        [("        always {\n            keep()", "        allways {\n            keep()")],
        "`post` has no `allways`",
    ),
    "no agent": ([("    agent none\n", "")], "`pipeline` lacks `agent`"),
    "an agent of a kind that is not": (
        [("    agent none\n", "    agent { lable 'cpu' }\n")],
        "`agent` has no `lable`",
    ),
    "no stages": (
        [("        stage('infer') {\n            matrix {", "        stage('infer') {\n            matrx {")],
        "no `matrx`",
    ),
    "an axis without values": ([("                        values 'cpu', 'gpu'\n", "")], "`axis` lacks `values`"),
    "a misspelt condition": ([("beforeAgent true", "beforeAgents true")], "`when` has no `beforeAgents`"),
    "two conditions on one line": (
        [("        always {\n            keep()\n        }", "        always { keep() } failure { echo 'no' }")],
        "`always` and `failure` stand on one line",
    ),
    "two stages on one line": (
        [
            (
                "        stage('infer') {\n            matrix",
                "        stage('a') { steps { echo 'a' } } stage('infer') {\n            matrix",
            )
        ],
        "`stage` and `stage` stand on one line",
    ),
    "Groovy where a step is expected": (
        [("                        pullFleet()", "                        String run = pullFleet()")],
        "a step is expected here",
    ),
    "a section twice": (
        [("    triggers {", "    triggers {\n    }\n    triggers {")],
        "`pipeline` has `triggers` twice",
    ),
    "a stage with nothing to do": (
        [("                    steps {\n                        pullFleet()\n                    }\n", "")],
        "a stage has one of steps, stages, parallel, matrix",
    ),
    "a function whose name every object has": (
        [("void gather() {", "void collect() {")],
        "every object has a method `collect`",
    ),
    "no Groovy at all": ([("    agent none\n", "    agent none }}\n")], "line 0"),
}


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is said of the Jenkinsfile ("whole") and of each broken one."""
    folder = tmp_path_factory.mktemp("broken")
    files = {"whole": JENKINSFILE}
    for number, (name, (changes, _)) in enumerate(BROKEN.items()):
        files[name] = folder / f"Jenkinsfile{number}"
        files[name].write_text(edited(JENKINSFILE.read_text(), changes))
    found = problems_of(list(files.values()))
    return {name: found[file] for name, file in files.items()}


def test_the_jenkinsfile_is_whole(problems: dict[str, list[str]]) -> None:
    assert problems["whole"] == []


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_caught(problems: dict[str, list[str]], name: str) -> None:
    assert any(BROKEN[name][1] in problem for problem in problems[name]), problems[name]
    assert all(problem.startswith("line ") for problem in problems[name])


def test_a_problem_is_named_by_its_line(problems: dict[str, list[str]]) -> None:
    (line,) = [n for n, text in enumerate(JENKINSFILE.read_text().splitlines(), 1) if text == "    triggers {"]
    assert f"line {line}: `pipeline` has no `trigger`" in problems["a misspelt section"][0]


def test_no_secret_is_named_but_by_its_credential() -> None:
    """And what people type into parameters reaches a shell as a variable, never as a part of the script."""
    text = JENKINSFILE.read_text()
    assert "credentials(" not in text
    shells = [line for line in text.splitlines() if "script:" in line or "sh '" in line or 'sh "' in line]
    assert shells
    assert [line for line in shells if "${params" in line or "${env" in line] == []


def test_the_harness_hardwires_no_machine() -> None:
    sources = [path.read_text() for path in Path(__file__).parent.rglob("*.groovy")]
    assert not any("/usr/" in text or "/tmp" in text for text in sources)
