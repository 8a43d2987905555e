"""Which of the machine's apt sources the stand-in base image is made from."""

from pathlib import Path

import pytest

from tests.cluster.sources import Distribution, Source, SourceError, choose_source, read_distribution, read_sources

DEBIAN = Distribution(id="debian", codename="bookworm")
UBUNTU = Distribution(id="ubuntu", codename="noble")


def write(folder: Path, name: str, text: str) -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def test_reads_stanzas_with_comments_several_suites_and_a_keyring(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list.d/debian.sources",
        "Types: deb deb-src\n# a comment\nURIs: http://mirror.example.com/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main contrib\nSigned-By: /usr/share/keyrings/archive.gpg\n\n"
        "Types: deb\nEnabled: no\nURIs: http://other.example.com/debian\nSuites: bookworm\nComponents: main\n",
    )
    found = {
        "uri": "http://mirror.example.com/debian",
        "components": ("main", "contrib"),
        "keyring": Path("/usr/share/keyrings/archive.gpg"),
    }

    assert read_sources(tmp_path) == [
        Source(suite="bookworm", **found),  # type: ignore[arg-type]
        Source(suite="bookworm-updates", **found),  # type: ignore[arg-type]
    ]


def test_reads_lines_with_options_and_leaves_out_comments_and_source_packages(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list",
        "# deb http://old.example.com/debian bookworm main\n"
        "deb-src http://mirror.example.com/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/one.gpg trusted=yes] http://mirror.example.com/debian bookworm main # why\n",
    )

    assert read_sources(tmp_path) == [
        Source(
            uri="http://mirror.example.com/debian",
            suite="bookworm",
            components=("main",),
            keyring=Path("/keys/one.gpg"),
            trusted=True,
        )
    ]


def test_an_inline_key_is_left_to_the_distributions_own_keyring(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list.d/debian.sources",
        "Types: deb\nURIs: https://mirror.example.com/debian\nSuites: bookworm\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n",
    )

    assert choose_source(DEBIAN, tmp_path).keyring is None


def test_takes_the_suite_itself_and_only_the_components_needed(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list",
        "deb http://updates.example.com/debian bookworm-updates main\n"
        "deb cdrom:[Debian]/ bookworm main\n"
        "deb http://mirror.example.com/debian bookworm main contrib non-free\n",
    )

    assert choose_source(DEBIAN, tmp_path) == Source(
        uri="http://mirror.example.com/debian", suite="bookworm", components=("main",)
    )


def test_on_ubuntu_joins_the_components_of_several_lines_of_one_mirror(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list",
        "deb http://mirror.example.com/ubuntu noble main\ndeb http://mirror.example.com/ubuntu noble universe\n",
    )

    assert choose_source(UBUNTU, tmp_path) == Source(
        uri="http://mirror.example.com/ubuntu", suite="noble", components=("main", "universe")
    )


def test_says_what_is_missing_where_no_source_will_do(tmp_path: Path) -> None:
    write(tmp_path, "sources.list", "deb http://mirror.example.com/ubuntu noble main\n")

    with pytest.raises(SourceError) as caught:
        choose_source(UBUNTU, tmp_path)

    assert str(caught.value) == (
        "apt has no http, https or file source for the suite noble with the components main universe "
        f"(looked in {tmp_path}/sources.list and {tmp_path}/sources.list.d); add one"
    )


def test_only_debian_and_ubuntu_will_do() -> None:
    assert read_distribution({"ID": "debian", "VERSION_CODENAME": "bookworm"}) == DEBIAN
    with pytest.raises(SourceError, match="this is Another Linux 9; run the tests on a Debian or Ubuntu machine"):
        read_distribution({"ID": "another", "PRETTY_NAME": "Another Linux 9"})
