"""What holds for the hash of any request."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_rules import ANYTHING, NEARLY_SPECS, REQUIREMENTS
from wheelwarden import compute_packages_hash

URLS = st.sampled_from([f"https://{name}.example.com/simple" for name in "abcd"])


@given(st.lists(REQUIREMENTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_packages_does_not_count(packages: list[str], random: Any) -> None:
    shuffled = [*random.sample(packages, len(packages)), random.choice(packages)]
    assert compute_packages_hash({"packages": shuffled}) == compute_packages_hash({"packages": packages})


@given(st.lists(URLS, max_size=4), st.lists(URLS, max_size=4))
def test_the_order_of_indexes_counts(first: list[str], second: list[str]) -> None:
    same = compute_packages_hash({"extraIndexUrls": first}) == compute_packages_hash({"extraIndexUrls": second})
    assert same == (first == second)


@given(ANYTHING | NEARLY_SPECS)
def test_anything_has_a_hash(data: Any) -> None:
    assert len(compute_packages_hash(data)) == 24
