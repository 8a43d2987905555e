"""What holds for any input: nothing raises, secrets stay hidden, what is refused is explained."""

import json
import string
from dataclasses import replace
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement

from tests.cases import kaspr_app, notebook
from wheelwarden.api import names
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Fault
from wheelwarden.parsing.documents import UnreadableDocument, read_documents, read_value
from wheelwarden.parsing.packages_spec import SPEC_FIELDS, read_annotation, read_packages
from wheelwarden.parsing.request import locate_request
from wheelwarden.parsing.requirement import Package, parse_package_string, read_any, read_package, read_plain
from wheelwarden.rules import RULES_BY_ID, judge_object

TEXTS = st.text(max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
# Fields that we know, with values that we mostly do not expect there.
FIELDS = st.sampled_from(
    [
        *SPEC_FIELDS,
        "secretRef",
        "name",
        "type",
        "enabled",
        "size",
        "gcs",
        "bucket",
        "retries",
        "timeout",
        "requests",
        "cpu",
    ]
)
NEARLY_SPECS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=6), max_leaves=20
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.sampled_from(["kubeflow.org/v1", "kaspr.io/v1alpha1"]) | ANYTHING,
        "kind": st.sampled_from(["Notebook", "KasprApp"]) | ANYTHING,
        "metadata": ANYTHING
        | st.fixed_dictionaries(
            {"annotations": ANYTHING | st.dictionaries(st.sampled_from(names.USER_ANNOTATIONS), ANYTHING, max_size=5)}
        ),
        "spec": ANYTHING | st.fixed_dictionaries({"pythonPackages": ANYTHING | NEARLY_SPECS, "replicas": ANYTHING}),
    },
)

NAMES = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9._-]{0,8}[a-zA-Z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?", fullmatch=True)
COMPARISONS = st.builds("{}{}".format, st.sampled_from(["==", ">=", "<=", "!=", "<", ">", "==="]), VERSIONS)
EXTRAS = st.lists(NAMES, max_size=2).map(lambda extras: f"[{','.join(extras)}]" if extras else "")
MARKERS = st.sampled_from(["", "; python_version < '3.12'", "; os_name == 'posix' and extra == 'x'"])
RELEASES = st.from_regex(r"0?[0-9](\.[0-9]){0,2}(\.\*)?", fullmatch=True)
PLAIN_REQUIREMENTS = st.builds(
    lambda name, extras, versions: f"{name}{extras}{','.join(versions)}",
    st.from_regex(r"[a-z][a-z0-9_-]{0,4}[a-z]", fullmatch=True),
    EXTRAS,
    st.lists(st.builds("{}{}".format, st.sampled_from(["==", ">=", "<=", "!=", "<", ">"]), RELEASES), max_size=3),
)
REQUIREMENTS = st.builds(
    lambda name, extras, versions, marker: f"{name}{extras}{','.join(versions)}{marker}",
    NAMES,
    EXTRAS,
    st.lists(COMPARISONS, max_size=2),
    MARKERS,
)


@given(OBJECTS, st.none() | OBJECTS)
def test_no_object_makes_judging_raise(obj: dict[str, Any], old: dict[str, Any] | None) -> None:
    for violation in judge_object(obj, old=old):
        assert violation.rule in RULES_BY_ID
        assert violation.message.isprintable()
        assert len(violation.message) < 1500
    located = locate_request(obj)
    assert located is None or located.request().kind is located.kind


@given(ANYTHING | NEARLY_SPECS)
def test_both_kinds_are_judged_alike(packages: Any) -> None:
    assume(packages is not None)
    text = json.dumps(packages)
    assume("NaN" not in text and "Infinity" not in text and "\\ud" not in text)
    app = [(one.rule, one.value, one.reason) for one in judge_object(kaspr_app(json.loads(text)))]
    book = [(one.rule, one.value, one.reason) for one in judge_object(notebook(text))]
    assert sorted(app, key=repr) == sorted(book, key=repr)


@given(ANYTHING)
def test_nothing_makes_reading_packages_raise(data: Any) -> None:
    read_packages(data, "p")


@given(st.text())
@example("&a [*a]")
@example("? [a]\n: b")
@example("<<: 1")
@example("%YAML 9.9\n---\na")
@example("{a: *b, <<: {}}")
@example("- !<tag:yaml.org,2002:map> []")
def test_no_text_makes_reading_it_raise_anything_else(text: str) -> None:
    read_annotation(text, "a")
    for read in (read_value, lambda value: list(read_documents(value))):
        problem = ""
        try:
            read(text)
        except UnreadableDocument as error:
            problem = error.problem
        assert problem.isprintable()


@given(ANYTHING)
def test_what_json_writes_is_read_back(data: Any) -> None:
    text = json.dumps(data)
    assume("NaN" not in text and "Infinity" not in text and "\\ud" not in text)
    assert read_value(f" {text}") == json.loads(text)


@given(st.text() | REQUIREMENTS)
def test_an_entry_is_read_or_refused_by_a_rule_that_exists(text: str) -> None:
    reading = read_package(text)
    if isinstance(reading, Fault):
        assert reading.rule in RULES_BY_ID
        assert (reading.reason + reading.remedy).isprintable()
    else:
        assert parse_package_string(text)["name"] == reading.name


@given(REQUIREMENTS)
def test_what_packaging_accepts_is_accepted_or_explained(text: str) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        assert isinstance(read_package(text), Fault)
        return
    reading = read_package(text)
    if isinstance(reading, Package):
        assert (reading.name, reading.specifier) == (requirement.name, requirement.specifier)
    else:
        # Names that are files here, such as "a.zip": packaging takes them, pip and uv open them.
        assert reading.rule == "requirement-local-path"


@given(st.one_of(PLAIN_REQUIREMENTS, REQUIREMENTS, st.text(alphabet="aZ09-_.[], =<>!~*;@$", max_size=12)))
def test_an_entry_that_is_read_at_a_glance_is_read_right(text: str) -> None:
    glanced = read_plain(text)
    if glanced is not None:
        thorough = read_any(text)
        assert isinstance(thorough, Package)
        assert glanced.specifier == thorough.specifier
        assert replace(glanced, versions="") == replace(thorough, versions="")
        assert glanced.normal == thorough.normal


@given(REQUIREMENTS, st.sampled_from([" ", "  "]))
def test_the_normal_form_knows_no_letter_case_and_no_spaces(text: str, space: str) -> None:
    reading = read_package(text)
    assume(isinstance(reading, Package) and "extra" not in text and "===" not in text)
    spaced = text.replace("==", f"{space}=={space}").replace(",", f",{space}")
    again = read_package(spaced)
    assert isinstance(reading, Package)
    assert isinstance(again, Package)
    assert again.normal == reading.normal


PASSWORD_CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " \t\né\u2013"
PASSWORDS = st.text(PASSWORD_CHARACTERS, min_size=1, max_size=20).map(lambda text: f"pA5{text}wOrd")
USERS = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
WITH_PASSWORD = st.sampled_from(
    [
        "https://{}:{}@packages.example.com/simple",
        "http://{}:{}@packages.example.com:8080/simple?x=1#y",
        "mine @ https://{}:{}@files.example.com/mine.whl",
        "mine @ git+https://{}:{}@code.example.com/mine.git@v1#egg=mine",
        "git+ssh://{}:{}@code.example.com/mine.git",
        "--index-url https://{}:{}@packages.example.com/simple",
        "--index-url https://a.example.com/ --extra-index-url https://{}:{}@packages.example.com/simple",
        "{}:{}@packages.example.com",
        "https:/{}:{}@packages.example.com",
        "requests; https://{}:{}@packages.example.com",
    ]
)


@given(WITH_PASSWORD, USERS, PASSWORDS)
@example("https://{}:{}@packages.example.com/simple", "user", "pA5?#@/wOrd")
@example("https://{}:{}@packages.example.com/simple", "user", "pA5//x@y:z/wOrd")
def test_no_message_holds_the_password_of_a_url(form: str, user: str, password: str) -> None:
    url = form.format(user, password)
    packages = {
        "packages": [url, "requests"],
        "indexUrl": url,
        "extraIndexUrls": [url, url],
        "trustedHosts": [url],
        "credentials": {"secretRef": {"name": url, "usernameKey": url}, url: url},
        "cache": {"size": url, "accessMode": url, "storageClass": url, "type": url},
        "installPolicy": {"onFailure": url, "retries": url},
        "resources": {"limits": {url: url, "cpu": url}},
        url: url,
    }
    app = kaspr_app(packages)
    app["metadata"]["annotations"] = dict.fromkeys(names.USER_ANNOTATIONS, url) | {f"wheelwarden.dev/{url}": url}
    for violation in [
        *judge_object(app),
        *judge_object(notebook(packages)),
        *judge_object(notebook(f"packages: {url}")),
    ]:
        for text in (violation.message, violation.path, violation.value or "", violation.reason, violation.remedy):
            for part in ("pA5", "wOrd"):
                assert part not in text


@given(st.text())
def test_what_is_shown_is_one_short_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown("x" + text)) <= 121 * 10
