"""Ours against `packaging`: where the two differ, a named rule is why."""

import re

from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from tests.property.test_rules import REQUIREMENTS
from wheelwarden.api.violations import Fault
from wheelwarden.parsing.requirement import Package, read_package
from wheelwarden.parsing.specifier_conflicts import contradiction

# What `packaging` reads and we refuse, by rule.
EXPLAINED = {
    "requirement-length",  # 512 characters are enough for a line that people read
    "requirement-characters",  # packaging takes tabs and line breaks for spaces
    "requirement-option",  # "a--pre" and "a -r" could be read as options by an installer
    "requirement-shell",  # characters of a shell inside of URLs
    "requirement-local-path",  # "mine.whl" is a name for packaging and a file for the installers
    "requirement-variable",  # "${NAME}" in a URL
    "requirement-syntax",  # names that end with "_", "." or "-": packaging reads them, the installers do not
    "direct-url", "direct-scheme", "direct-http", "direct-credentials",  # packaging looks into no URL
}  # fmt: skip
# What we read and `packaging` refuses: references without a name, as upstream's users write them.
BARE = re.compile(r" *(git\+https|git\+ssh|https)://", re.IGNORECASE)

PIECES = st.sampled_from(
    ["a", "requests", "A.b_c", "-", "_", ".", "==", ">=", "~=", "===", "!=", "<", "1", "2.0", "2.*", "+cu118", "1!2", "rc1",
     "[", "]", "x", ",", " ", "@", "https://", "git+https://", "http://", "h.example.com", "/p", ".git", "@v1", "#egg=a", ";",
     "python_version", "'3.8'", '"linux"', "sys_platform", " and ", "(", ")", "${A}", "$", "%20", "%", "user:pw@", ".whl"]
)  # fmt: skip
TEXTS = st.lists(PIECES, min_size=1, max_size=9).map("".join) | REQUIREMENTS | st.text(max_size=30)


def reads(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


@given(TEXTS)
@example("requests_")
@example("mine.whl")
@example("a\t==1")
@example("a @ http://h.example.com/p")
@example("a --pre")
def test_what_packaging_reads_and_we_refuse_is_explained_by_a_rule(text: str) -> None:
    reading = read_package(text)
    if reads(text.strip(" ")) and isinstance(reading, Fault):
        assert reading.rule in EXPLAINED


@given(TEXTS)
@example("git+https://h.example.com/p.git@v1#egg=a")
@example(" https://h.example.com/p.whl")
@example("a @ https://${A}@h.example.com/p")
def test_what_we_read_and_packaging_refuses_is_a_bare_reference(text: str) -> None:
    if isinstance(read_package(text), Package) and not reads(text.strip(" ")):
        assert BARE.match(text)


@given(TEXTS)
def test_what_we_read_holds_printable_ascii_and_nothing_for_a_shell(text: str) -> None:
    if isinstance(read_package(text), Package):
        assert re.fullmatch(r"[\x20-\x7e]+", text)
        assert not re.search(r"[`|\\]|&&|\$(?!\{)", text.partition(";")[0])


VERSIONS = st.sampled_from(
    ["1", "1.0+cpu", "1.0", "1.4", "1.4.3", "1.5", "2", "2.0", "2.0rc1", "2.0.post1", "1.0.dev1", "0", "1!1"]
)
COMPARISONS = st.one_of(
    st.tuples(st.sampled_from(["==", "!=", "==="]), VERSIONS).map("".join),
    st.tuples(st.sampled_from([">", ">=", "<", "<="]), VERSIONS.filter(lambda text: "+" not in text)).map("".join),
    st.tuples(st.sampled_from(["==", "!="]), st.sampled_from(["1.*", "1.4.*", "2.*"])).map("".join),
    st.sampled_from(["~=1.0", "~=1.4.3", "~=2.0"]),
)


@given(st.lists(COMPARISONS, min_size=1, max_size=6).map(lambda parts: SpecifierSet(",".join(parts))), VERSIONS)
@example(SpecifierSet("==1.*,==2.*"), "1")
@example(SpecifierSet("==1.0,==1.0+cpu"), "1.0+cpu")
@example(SpecifierSet("==1.0,===1"), "1")
def test_where_a_version_fits_there_is_no_contradiction_and_elsewhere_packaging_agrees(
    specifiers: SpecifierSet, version: str
) -> None:
    if specifiers.contains(version, prereleases=True):
        assert contradiction(specifiers) is None
    assert (contradiction(specifiers) is not None) >= specifiers.is_unsatisfiable()
