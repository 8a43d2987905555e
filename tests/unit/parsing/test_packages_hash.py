"""The hash: what counts and what does not."""

import re
from typing import Any

import pytest

from wheelwarden import compute_packages_hash
from wheelwarden.parsing.packages_spec import read_packages

BASE: dict[str, Any] = {
    "packages": ["requests==2.31.0", "numpy"],
    "indexUrl": "https://packages.example.com/simple",
    "extraIndexUrls": ["https://a.example.com/simple", "https://b.example.com/simple"],
    "trustedHosts": ["a.example.com", "b.example.com"],
}


def test_the_hash_fits_into_a_label_and_a_directory_name() -> None:
    assert re.fullmatch(r"[0-9a-f]{24}", compute_packages_hash(BASE))


def test_the_hash_of_a_request_stays_the_same_from_version_to_version() -> None:
    # A change here installs everything again everywhere: raise the version in wheelwarden.parsing.packages_hash and say so.
    assert compute_packages_hash(BASE) == "b9a2f8d6c663addd6949b458"


@pytest.mark.parametrize(
    "change",
    [
        {"packages": ["numpy", "requests==2.31.0"]},
        {"packages": ["NumPy", "requests == 2.31.0", "numpy"]},
        {"trustedHosts": ["B.example.com", "a.example.com", "a.example.com"]},
        {"installPolicy": {"retries": 9, "timeout": 60, "onFailure": "allow"}},
        {"credentials": {"secretRef": {"name": "packages"}}},
        {"cache": {"size": "1Gi"}},
        {"resources": {"limits": {"cpu": 1}}},
    ],
)
def test_what_installs_the_same_has_the_same_hash(change: dict[str, Any]) -> None:
    assert compute_packages_hash(BASE | change) == compute_packages_hash(BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"packages": ["requests==2.31.0"]},
        {"packages": ["requests==2.31.1", "numpy"]},
        {"packages": ["requests[socks]==2.31.0", "numpy"]},
        {"packages": ["requests==2.31.0; python_version > '3'", "numpy"]},
        {"indexUrl": None},
        {"indexUrl": "https://packages.example.com/other"},
        {"extraIndexUrls": ["https://b.example.com/simple", "https://a.example.com/simple"]},
        {"extraIndexUrls": []},
        {"trustedHosts": []},
    ],
)
def test_what_installs_something_else_has_another_hash(change: dict[str, Any]) -> None:
    assert compute_packages_hash(BASE | change) != compute_packages_hash(BASE)


def test_the_model_and_the_plain_data_have_one_hash() -> None:
    assert compute_packages_hash(read_packages(BASE, "").spec) == compute_packages_hash(BASE)


def test_what_is_no_request_at_all_has_the_hash_of_none() -> None:
    assert compute_packages_hash({"packages": 5}) == compute_packages_hash({})
