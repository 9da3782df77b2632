from driftgate.core.errors import ExitCode, MachineryError, UsageError, did_you_mean, nearest, one_line


def test_the_nearest_name_is_found_whatever_its_case():
    assert nearest("ORT-CPU", ["ort-cpu", "ort-cuda"]) == "ort-cpu"
    assert nearest("zzzz", ["ort-cpu"]) is None


def test_valid_names_are_listed_when_nothing_is_close():
    assert did_you_mean("zzzz", ["b", "a"]) == "valid: a, b"


def test_an_error_is_one_line_even_if_its_text_is_not():
    error = UsageError("a\nb\x1b[31m", where="f:1", mend="c\n d")
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert str(error).startswith("f:1: a b")


def test_exit_codes_are_the_contract():
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 130, 143]
    assert UsageError("x").exit_code == 2
    assert MachineryError("x").exit_code == 3
    assert one_line(" a \t b ") == "a b"
