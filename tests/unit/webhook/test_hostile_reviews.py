"""Reviews as somebody who means harm would write them: each has a clean answer, the same as where it is read whole."""

import pytest

from webhook.review import find_violations, read_review
from wheelwarden.api.errors import MalformedRequest
from wheelwarden.api.kinds import KINDS
from wheelwarden.rules.policy import DEFAULT

TOO_DEEP = "the body is nested too deeply to be an AdmissionReview"
TOO_LONG = "the body holds a number that is too long"
# Where a value may stand: what of the object is replaced by it.
PLACES = {
    "an unread field": '{"spec":{"other":VALUE,"pythonPackages":{"packages":["six"]}}}',
    "a key": '{"spec":{"pythonPackages":{"packages":["six"]},"x":1},"metadata":{"labels":{VALUE:1}}}',
    "spec": '{"spec":VALUE}',
    "metadata": '{"metadata":VALUE,"spec":{"pythonPackages":{"packages":["a b"]}}}',
    "name": '{"metadata":{"name":VALUE},"spec":{"pythonPackages":{"packages":["a b"]}}}',
    "annotations": '{"metadata":{"annotations":VALUE},"spec":{"pythonPackages":{"packages":["a b"]}}}',
    "an annotation": '{"metadata":{"annotations":{"wheelwarden.dev/rollout":VALUE}},"spec":{}}',
    "pythonPackages": '{"spec":{"pythonPackages":VALUE}}',
    "packages": '{"spec":{"pythonPackages":{"packages":VALUE}}}',
    "a package": '{"spec":{"pythonPackages":{"packages":["six",VALUE]}}}',
    "retries": '{"spec":{"pythonPackages":{"packages":["six"],"installPolicy":{"retries":VALUE}}}}',
    "size": '{"spec":{"pythonPackages":{"packages":["six"],"cache":{"enabled":true,"size":VALUE}}}}',
    "replicas": '{"spec":{"replicas":VALUE,"pythonPackages":{"packages":["six"]}}}',
}
VALUES = {
    "NaN": "NaN", "infinity": "-Infinity", "a great float": "1e999", "a small float": "1e-999", "minus zero": "-0",
    "400 digits": "9" * 400, "4300 digits": "9" * 4300, "4301 digits": "9" * 4301, "long fraction": "1." + "1" * 5000,
    "half a pair": '"\\ud800"', "halves": '"\\udc00\\ud800"', "a pair": '"\\ud83d\\ude00"', "NUL": '"\\u0000"',
    "a raw newline": '"\n"', "no escape": '"\\q"', "a leading zero": "01", "a plus": "+1", "a word": "nil",
    "null": "null", "true": "true", "empty": '""', "list": "[]", "mapping": "{}", "comma": "[1,]",
    "twice": '{"a":1,"a":[2]}', "long": f'"{"x" * 100_000}"', "deep": "[" * 2000 + "]" * 2000,
}  # fmt: skip


def body_of(obj: str, old: str = "null") -> bytes:
    request = '"uid":"u","operation":"UPDATE","kind":{"group":"kaspr.io","version":"v1alpha1","kind":"KasprApp"}'
    text = f'"request":{{{request},"object":{obj},"oldObject":{old}}}'
    return f'{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",{text}}}'.encode()


def said_of(body: bytes) -> list[str] | str:
    """What the rules say of it, or why it is malformed. Nothing else may come of a body."""
    try:
        return [one.message for one in find_violations(read_review(body), DEFAULT, KINDS)]
    except MalformedRequest as error:
        return str(error)


def said_of_whole(body: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str] | str:
    with monkeypatch.context() as whole:
        whole.setattr("webhook.review.read_partly", lambda _: None)
        return said_of(body)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", VALUES)
def test_a_part_says_what_the_whole_says(place: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = body_of(PLACES[place].replace("VALUE", VALUES[value]))
    said = said_of(body)
    if (place, value) == ("an unread field", "4301 digits"):
        assert (said, said_of_whole(body, monkeypatch)) == ([], TOO_LONG)  # docs/decisions, 25
    else:
        assert said == said_of_whole(body, monkeypatch)


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"object":{', '"object":{"spec":{"pythonPackages":{"packages":["six"]}}},"object":{'),
        ('"spec":', '"spec":{"pythonPackages":{"packages":["six"]}},"spec":'),
        ('"pythonPackages":', '"pythonPackages":{"packages":["six"]},"pythonPackages":'),
        ('"packages":', '"packages":["six"],"packages":'),
        ('"operation":', '"operation":"DELETE","operation":'),
        ('"request":', '"request":{},"request":'),
    ],
)
def test_of_keys_that_stand_twice_the_last_counts(once: str, twice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = body_of('{"spec":{"pythonPackages":{"packages":["a b"]}}}')
    doubled = body.replace(once.encode(), twice.encode(), 1)
    assert doubled != body
    assert said_of(doubled) == said_of_whole(doubled, monkeypatch) == said_of(body) != []


@pytest.mark.parametrize("place", ["an unread field", "an annotation", "annotations", "pythonPackages", "retries"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_no_depth_is_a_fault(place: str, opening: str, closing: str) -> None:
    """The whole body is checked before its parts are decoded, and then more of the stack is free."""
    malformed = 0
    for depth in range(600, 1001):
        nested = opening * depth + "1" + closing * depth
        said = said_of(body_of(PLACES[place].replace("VALUE", nested)))
        assert isinstance(said, list) or said == TOO_DEEP
        malformed += said == TOO_DEEP
    assert malformed > 0


def test_no_depth_of_an_old_object_or_beside_half_of_a_pair_is_a_fault() -> None:
    for depth in range(600, 1001):
        nested = "[" * depth + "]" * depth
        packages = f'{{"spec":{{"pythonPackages":{nested}}}}}'
        half = f'{{"spec":{{"pythonPackages":["\\ud800",{nested}]}}}}'
        for body in (body_of(packages, packages), body_of(half)):
            said = said_of(body)
            assert isinstance(said, list) or said == TOO_DEEP


@pytest.mark.parametrize("damage", [b"\xff", b"\xc3\x28", b"\xed\xa0", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf"])
@pytest.mark.parametrize("place", ["an unread field", "a key", "a package", "an annotation", "name"])
def test_what_is_not_utf8_is_no_review(place: str, damage: bytes) -> None:
    body = body_of(PLACES[place].replace("VALUE", '"DAMAGE"')).replace(b"DAMAGE", damage)
    assert said_of(body) == "the body is not UTF-8 text"


@pytest.mark.parametrize("place", ["an unread field", "a key", "a package", "an annotation", "name", "size"])
def test_a_huge_string_costs_its_size_and_is_shown_in_part(place: str) -> None:
    said = said_of(body_of(PLACES[place].replace("VALUE", '"' + "x" * (7 << 20) + '"')))
    assert isinstance(said, list)
    assert all(len(message) < 1500 for message in said)
