import pytest

from driftgate.core.fingerprints import fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('File "/home/a/model.py", line 12, in forward', 'File "/srv/b/model.py", line 80, in forward'),
        ("<object at 0x7f1234>", "<object at 0x7fffff>"),
        ("Could not guard on u0 > 3", "Could not guard on u17 > 3"),
        ("\x1b[31mboom\x1b[0m", "boom"),
        ("killed 12345", "killed 99999"),
    ],
)
def test_what_differs_between_two_occurrences_does_not_count(one, other):
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("aten::foo", "aten::bar"), ("model.py", "other.py"), ("expected 3 got 4", "expected 3 got 5")],
)
def test_different_causes_differ(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_parts_do_not_run_together():
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
