"""Container image references, and safe output of texts that contain them."""

import pytest

from wheelwarden.verify.image_test.reference import clean, explain_image

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.com/team/lab:1.2",
        "registry.example.com/lab:1",
        "registry.example.com:5000/team/sub/lab__x--y.z:A_b.c-d",
        "localhost/python:3.11",
        "10.0.0.1:5000/lab:latest",
        "[2001:db8::1]:5000/lab:latest",
        f"registry.example.com/team/lab@{DIGEST}",
        f"registry.example.com/team/lab:1.2@{DIGEST}",
    ],
)
def test_an_image_with_registry_repository_and_tag_or_digest_is_valid(image: str) -> None:
    assert explain_image(image) == []


REGISTRY = "it has no registry (a host name with a dot or a port)"
REPOSITORY = "its repository is not valid: use lower-case letters, digits and single separators . _ - between slashes"
UNTAGGED = "it has neither a tag nor a digest"
TAG = "its tag is not valid: use up to 128 letters, digits and . _ -, and neither . nor - first"


@pytest.mark.parametrize(
    ("image", "faults"),
    [
        ("", ["it is empty"]),
        ("https://registry.example.com/lab:1", ["it is a URL; an image reference has no scheme"]),
        ("lab", [REGISTRY, UNTAGGED]),
        ("lab:1", [REGISTRY]),
        ("team/lab:1", [REGISTRY]),
        ("registry.example.com/lab", [UNTAGGED]),
        ("registry.example.com:5000/lab", [UNTAGGED]),
        ("registry.example.com/:1", ["it has no repository"]),
        ("registry.example.com/Team/lab:1", [REPOSITORY]),
        ("registry.example.com/team//lab:1", [REPOSITORY]),
        ("registry.example.com/lab:", [TAG]),
        ("registry.example.com/lab:-x", [TAG]),
        (f"registry.example.com/lab:{'x' * 129}", [TAG]),
        (
            "registry.example.com/lab@sha256:12",
            ["its digest is not valid: use sha256: and 64 lower-case hexadecimal digits"],
        ),
        ("-x.example.com/lab:1", ["its registry is not a host name with an optional port"]),
        (f"registry.example.com/{'x' * 250}:1", ["registry and repository are longer than 255 characters"]),
        ("Team/Lab", [REGISTRY, REPOSITORY, UNTAGGED]),
        ("registry.example.com/lab:1\n", [TAG]),
    ],
)
def test_all_faults_of_a_reference_are_reported(image: str, faults: list[str]) -> None:
    assert explain_image(image) == faults


def test_foreign_text_is_redacted_and_cannot_control_the_terminal() -> None:
    text = f'pulling "registry.example.com/lab@{DIGEST}"\n\tat https://alice:s3cret@registry.example.com/v2\x1b[2J\npassword=abc'
    assert clean(text).splitlines() == [
        f'pulling "registry.example.com/lab@{DIGEST}"',
        "    at https://***@registry.example.com/v2\\x1b[2J",
        "password=***",
    ]
