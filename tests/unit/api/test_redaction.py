"""Values as they are shown: no secrets, one line, short."""

import pytest

from wheelwarden.api.redaction import redact, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("requests==2.31.0", "requests==2.31.0"),
        ("https://packages.example.com/simple", "https://packages.example.com/simple"),
        ("https://user:password@packages.example.com/simple", "https://***@packages.example.com/simple"),
        ("https://token@packages.example.com/simple", "https://***@packages.example.com/simple"),
        ("https://user:p@ss/w#rd@packages.example.com/simple", "https://***@packages.example.com/simple"),
        ("https://packages.example.com/simple?token=abc#x", "https://packages.example.com/simple?***"),
        (
            "--index-url https://a.example.com --extra-index-url https://u:p@b.example.com",
            "--index-url https://***@b.example.com",
        ),
        ("a @ git+ssh://git@code.example.com/a.git@v1", "a @ git+ssh://***@code.example.com/a.git@v1"),
        ("a @ git+https://code.example.com/a.git@v1#egg=a", "a @ git+https://code.example.com/a.git@v1#egg=a"),
        ("git+https://u:p@code.example.com/a.git@v1", "git+https://***@v1"),
        ("user:password@packages.example.com", "***@packages.example.com"),
        ("https:/user:password@packages.example.com", "***@packages.example.com"),
        ("password=hunter2", "password=***"),
        ("token: hunter2", "token: ***"),
        ("token==1.0", "token==1.0"),
    ],
)
def test_secrets_are_hidden(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_a_long_value_that_may_hold_a_password_is_not_shown() -> None:
    assert shown("https://user:" + "p" * 3000 + "@packages.example.com") == "***… (3034 characters)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("\ud800", "\\ud800"),
        ("x" * 200, "x" * 120 + "…"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": 1}, "a mapping"),
        ([1], "a list"),
    ],
)
def test_any_value_is_one_short_line(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_a_number_that_python_does_not_convert_is_described() -> None:
    assert shown(10**5000) == "a very large number"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://alice:pA5", "https://***"),
        ("mine @ https://alice:pA5", "mine @ https://***"),
        ("https://packages.example.com:8443/simple", "https://packages.example.com:8443/simple"),
        ("https://packages.example.com:8443", "https://packages.example.com:8443"),
        ("https://[2001:db8::1]:8443/simple", "https://[2001:db8::1]:8443/simple"),
    ],
)
def test_a_password_cut_before_its_at_sign_is_hidden_and_a_port_is_not(text: str, safe: str) -> None:
    assert redact(text) == safe
