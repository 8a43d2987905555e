"""Entries that are written plainly are read as `packaging` reads them."""

from dataclasses import replace

import pytest

from wheelwarden.parsing.requirement import Package, read_any, read_plain

PLAIN = (
    "requests",
    "Requests_2",
    "requests==2.31.0",
    "requests ==2.31",
    "requests== 2.31.0",
    "requests[socks]>=2.31,<3",
    "requests[socks, Security-2] >=2, <3",
    "requests>=2,!=2.31.0,<3",
    "requests==2.*",
    "requests!=2.31.*,>=2",
    "requests>2,<2",
    "requests>=3,<2",
    "requests>=2,<=2",
    "requests==2,>3",
    "requests==1,==1.0",
    "requests<3,>=2",
    "requests>=02.1,<03",
)
OTHERS = (
    "",
    "zope.interface",
    "mine.zip",
    "requests>=2.*",
    "requests~=2.31",
    "requests~=2",
    "requests===2.31",
    "requests>=2.31rc1",
    "requests>=2; python_version < '3.12'",
    "requests[]",
    "requests[a-]",
    "requests-",
    "-requests",
    "requests=2",
    "requests>=2,",
    "requests,",
    "requests  ",
    "requests>=2\n",
    "requests>=²",
    "requests @ https://files.example.com/requests.whl",
    "${NAME}",
    "a --b",
)


@pytest.mark.parametrize("entry", PLAIN)
def test_a_plain_entry_is_read_as_the_grammar_reads_it(entry: str) -> None:
    plain, thorough = read_plain(entry), read_any(entry)
    assert isinstance(plain, Package)
    assert isinstance(thorough, Package)
    assert plain.specifier == thorough.specifier
    # The comparisons may stand in another order.
    assert replace(plain, versions="") == replace(thorough, versions="")
    assert plain.normal == thorough.normal


@pytest.mark.parametrize("entry", OTHERS)
def test_all_other_entries_are_left_to_the_grammar(entry: str) -> None:
    assert read_plain(entry) is None
