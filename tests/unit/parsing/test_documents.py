"""YAML and JSON texts into plain data."""

from typing import Any

import pytest

from wheelwarden.parsing.documents import UnreadableDocument, read_documents, read_value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("# nothing", None),
        ("~", None),
        ("a: 1", {"a": 1}),
        ("[1, -2, +3, 0x1F, 0o17, 017, 0b11, 1_000]", [1, -2, 3, 31, 15, 15, 3, 1000]),
        ("[1.5, .5, 1e3, -1.5e-3, 1.]", [1.5, 0.5, 1000.0, -0.0015, 1.0]),
        ("[true, Yes, on, FALSE, no, off, null, Null, ~]", [True, True, True, False, False, False, None, None, None]),
        (
            "[2024-01-01, 12:30:45, .inf, .nan, y, n, '1', \"true\", 1.2.3]",
            ["2024-01-01", "12:30:45", ".inf", ".nan", "y", "n", "1", "true", "1.2.3"],
        ),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("!!str 1", "1"),
        ("- &a [1]\n- *a", [[1], [1]]),
        ("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}", {"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}}),
        ("a: {<<: [{x: 1}, {x: 2, y: 3}]}", {"a": {"x": 1, "y": 3}}),
        ('{"a": "\\ud83d\\ude00", "b": [1, 2.5, null, true]}', {"a": "😀", "b": [1, 2.5, None, True]}),
        ("{a: [b, c]}", {"a": ["b", "c"]}),
        ("1" * 200, "1" * 200),
    ],
)
def test_plain_data_is_read_as_kubectl_reads_it(text: str, expected: Any) -> None:
    assert read_value(text) == expected


@pytest.mark.parametrize(
    ("text", "problem", "line", "column"),
    [
        ("a: [1", "did not find expected ',' or ']'", 2, 1),
        ("a: 1\na: 2", 'the key "a" is there twice', 2, 1),
        ('{"a": 1, "a": 2}', 'the key "a" is there twice', 1, 10),
        ('{"a": NaN, }}', "did not find expected <document start>", 1, 13),
        ("a: *b", "an alias refers to an anchor that is not there", 1, 4),
        ("a: &a [*a]", "an alias refers to an anchor that is not there", 1, 8),
        ("{a: b}: c", "a key must be a plain string", 1, 1),
        (
            "a: !!python/object/apply:os.system [id]",
            "the tag tag:yaml.org,2002:python/object/apply:os.system stands for no plain data",
            1,
            4,
        ),
        ("a: !!binary aGk=", "the tag tag:yaml.org,2002:binary stands for no plain data", 1, 4),
        ("a: !Ref b", "the tag !Ref stands for no plain data", 1, 4),
        ("a: {<<: 1}", 'what "<<" merges must be a mapping', 1, 10),
        ("a: 1\n---\nb: 2", "there is more than one document", 3, 1),
        ("[" * 100, "it is nested more than 64 levels deep", 1, 65),
        ("{a: " * 5000, "it is nested more than 64 levels deep", 1, 257),
        ("a: \x00", "it holds characters that YAML does not allow", 0, 0),
        ("a: \ud800", "it holds characters that YAML does not allow", 0, 0),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, problem: str, line: int, column: int) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read_value(text)
    assert (caught.value.problem, caught.value.line, caught.value.column) == (problem, line, column)


def test_aliases_of_aliases_do_not_grow_without_bounds() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for previous, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]\n"
    with pytest.raises(UnreadableDocument, match="with its aliases it grows beyond 500000 values"):
        read_value(bomb)


def test_aliases_within_aliases_do_not_nest_without_bounds() -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{index}: &a{index} [*a{index - 1}]\n" for index in range(1, 100))
    with pytest.raises(UnreadableDocument, match="nested more than 64 levels deep"):
        read_value(chain)


def test_every_document_of_a_stream_comes_with_its_lines() -> None:
    first, second = read_documents("# head\na:\n  - x\n  - b: 1\n---\n---\nkey/x: |\n  one\n  two\n")
    assert (first.data, first.line) == ({"a": ["x", {"b": 1}]}, 2)
    assert {path: first.lines[path] for path in ("a", "a[0]", "a[1]", "a[1].b")} == {
        "a": 2,
        "a[0]": 3,
        "a[1]": 4,
        "a[1].b": 4,
    }
    assert (second.data, second.lines["[key/x]"], second.blocks) == ({"key/x": "one\ntwo\n"}, 7, frozenset({"[key/x]"}))
