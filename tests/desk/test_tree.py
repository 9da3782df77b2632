"""What explain found, as a person at a desk reads it: 80 columns, each break with its place and a way out."""

import pytest

from driftgate.core.records import Discrepancy, Fullgraph, Recompile, SecondShape, SkippedFrame
from driftgate.desk.tree import COLUMNS, explain_text
from driftgate.testing.breaks import explained, graph_break

URL = "https://meta-pytorch.github.io/compile-graph-break-site/gb/gb0170.html"
BRANCH = graph_break("if mask.any():", line=512, count=2).model_copy(
    update={"module": "encoder.layer.1.attention", "url": URL, "hints": ("Use `torch.cond`. " * 9, "b", "c", "d")}
)


def tree(*breaks, **changes):
    return explain_text(explained(*breaks).model_copy(update=changes), "LEDModel (zoo:led)")


def test_a_break_stands_under_its_module_with_place_code_hints_and_link():
    text = tree(BRANCH)
    lines = [line.lstrip("│├└─ ") for line in text.splitlines()]
    assert lines[0] == "LEDModel (zoo:led)"
    at = lines.index("encoder.layer.1.attention · forward")
    assert lines[at + 1 : at + 5] == [
        "GB0170 Data-dependent branching ×2",
        "transformers/models/led/modeling_led.py:512",
        "if mask.any():",
        "Dynamo cannot go on at Data-dependent branching.",
    ]
    assert any(line.startswith("→ Use `torch.cond`.") for line in lines)
    assert URL in lines, "in one line, so that a terminal makes a link of it"


def test_hints_that_say_what_to_do_come_before_those_that_do_not():
    general = (
        "This graph break is fundamental - it is unlikely that Dynamo will ever be able to trace through your code."
    )
    text = tree(BRANCH.model_copy(update={"hints": (general, "a", "b", "c", "d")}))
    assert [line.lstrip("│├└─ ") for line in text.splitlines() if "→" in line] == ["→ a", "→ b", "→ c"]


def test_no_line_is_wider_than_eighty_columns():
    wide = graph_break("x = " + "y" * 500, file="transformers/" + "z" * 300 + ".py", function="f" * 200)
    text = tree(wide, BRANCH, fullgraph=Fullgraph(passed=False, seconds=1, reason="r" * 3000))
    assert max(map(len, text.splitlines())) <= COLUMNS


def test_breaks_of_one_function_stand_together_and_two_functions_of_one_name_do_not():
    text = tree(graph_break("a"), graph_break("b"), graph_break("c", file="/other.py"))
    assert sum(line.lstrip("│├└─ ") == "forward" for line in text.splitlines()) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "no graph breaks"),
        ({"fullgraph": Fullgraph(passed=True, seconds=1, note="scalars are captured")}, "fullgraph=True: accepted"),
        (
            {"fullgraph": Fullgraph(passed=False, seconds=1, reason="Unsupported: print\n more", gb_id="GB0059")},
            "refused: Unsupported: print (GB0059)",
        ),
        ({"recompiles": 1, "recompiled": (Recompile(function="g", guards=("x.size(0) == 2",)),)}, "x.size(0) == 2"),
        (
            {"frames_skipped": 1, "skipped": (SkippedFrame(function="loop", reason="break in a loop"),)},
            "1 function given up",
        ),
        ({"cache_limit_hits": 2}, "limit of recompiles reached 2 times"),
        ({"second_shape": SecondShape(recompiles=3, breaks=1, seconds=1)}, "at a second size: 3 recompiles, 1 break"),
        ({"second_shape": SecondShape(recompiles=3, breaks=1, seconds=1, found=(BRANCH,))}, "if mask.any():"),
        ({"explain_break_count": -1}, "torch._dynamo.explain says -1: it reports graphs − 1"),
        (
            {
                "counter_break_count": 2,
                "reconciliation": (Discrepancy(beside="counters", events=2, reason="of tests"),),
            },
            "dynamo's counters say 2: +2 of tests",
        ),
    ],
)
def test_whatever_else_is_known_is_told(changes, says):
    assert says in " ".join(tree(**changes).replace("│", " ").split())


def test_a_break_of_the_second_size_alone_is_not_taken_for_one_of_the_first():
    text = tree(second_shape=SecondShape(recompiles=1, breaks=1, seconds=1, found=(BRANCH,)))
    assert "encoder.layer.1.attention · forward (at the second size alone)" in text
    assert "alone" not in tree(BRANCH)


def test_a_model_with_a_thousand_breaks_is_cut_and_says_so():
    text = tree(*(graph_break(f"x[{number}]") for number in range(1000)))
    assert "940 more places in the record" in text
    assert len(text.splitlines()) < 700


def test_nothing_in_a_record_moves_the_cursor_or_is_taken_for_markup():
    text = tree(graph_break("print('\x1b[2J[red]x[/red]')"))
    assert "\x1b" not in text
    assert "[red]x[/red]" in text
