"""Models are found by hash, then by name; a name alone is told apart when the bytes are known to be others."""

import pytest

from studio.core.installed import How, Installed, match_installed

SHA = "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa"
DREAM = Installed(name="dreamshaper_8", digests=("aa" * 32,))
RENAMED = Installed(name="my favourite", digests=("bb" * 32, SHA))
PLAIN = Installed(name="Deliberate v2")
HERE = (DREAM, RENAMED, PLAIN)


@pytest.mark.parametrize("mark", [SHA, SHA[:10], SHA[:8], SHA[:10].upper(), f" {SHA[:12]} "])
def test_a_hash_finds_what_was_renamed(mark: str) -> None:
    match = match_installed("sd-v1-5", [mark], HERE)
    assert match is not None
    assert (match.found, match.how) == (RENAMED, How.HASH)


@pytest.mark.parametrize(
    "name", ["dreamshaper_8", "DreamShaper 8.safetensors", "sub\\dreamshaper_8.ckpt", "a/dreamshaper-8"]
)
def test_names_are_compared_as_programs_write_them(name: str) -> None:
    match = match_installed(name, [], HERE)
    assert match is not None
    assert (match.found, match.how) == (DREAM, How.NAME)


def test_the_hash_goes_before_the_name() -> None:
    match = match_installed("dreamshaper_8", [SHA[:10]], HERE)
    assert match is not None
    assert match.found is RENAMED


def test_the_same_name_over_other_bytes_is_told() -> None:
    match = match_installed("dreamshaper_8", ["cc" * 5], HERE)
    assert match is not None
    assert match.how is How.NAME_ONLY
    unknown = match_installed("deliberate_v2", ["cc" * 5], HERE)
    assert unknown is not None
    assert unknown.how is How.NAME


@pytest.mark.parametrize("mark", ["", "aa", "aaaaaaa", "not a hash", "a" * 65, "zz" * 5])
def test_what_is_no_hash_finds_nothing(mark: str) -> None:
    assert match_installed("", [mark], HERE) is None


def test_two_of_one_folded_name_give_the_exact_one() -> None:
    here = (Installed(name="Mini-Fast"), Installed(name="mini fast"))
    match = match_installed("mini fast", [], here)
    assert match is not None
    assert match.found is here[1]
