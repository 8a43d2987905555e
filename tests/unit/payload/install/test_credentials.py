"""The redaction of lines before the installer prints them."""

import pytest

from wheelwarden.payload.install.credentials import redacted


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        (
            "Looking in https://user:password@h.example.com/simple/six",
            "Looking in https://***@h.example.com/simple/six",
        ),
        ("https://user:pa/ss@h.example.com/simple and more", "https://***@h.example.com/simple and more"),
        ("https://user:p@s/s@h.example.com:8443/simple", "https://***@h.example.com:8443/simple"),
        ("https://:pa/ss@h.example.com", "https://***@h.example.com"),
        ("https://token@h.example.com/simple", "https://***@h.example.com/simple"),
        ("https://h.example.com:8443/git/a.git@v1", "https://h.example.com:8443/git/a.git@v1"),
        ("git+https://h.example.com/a.git@v1", "git+https://h.example.com/a.git@v1"),
        ("[::1] http://[::1]:8080/simple", "[::1] http://[::1]:8080/simple"),
        ("the secret is s/e c, encoded s%2Fe%20c or s/e%20c", "the secret is ***, encoded *** or ***"),
    ],
)
def test_users_in_urls_and_secrets_are_redacted(line: str, safe: str) -> None:
    assert redacted(line, ["s/e c"]) == safe
