"""What leaves this machine names none of its folders and none of its users."""

from __future__ import annotations

import pytest

from studio.core.private import without_paths


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/alice/pictures/sketch.png", "sketch.png"),
        ("/home/alice", "~"),
        ("/home/alice/", "~"),
        ("see /home/Alice Smith/My Pictures/a.png", "see a.png"),
        ("/Users/alice/Desktop/a.png, then", "a.png, then"),
        (r"C:\Users\alice\Pictures\a.png", "a.png"),
        (r"C:\\Users\\alice\\a.png", "a.png"),  # as JSON would write it
        ("C:/Users/Alice Smith/a.png", "a.png"),
        (r"C:\Users\alice", "~"),
        (r"d:\models\ink.safetensors", "ink.safetensors"),
        (r"\\server\share\alice\a.png", "a.png"),
        ("file:///home/alice/a.png", "a.png"),
        ("file:///C:/Users/alice/a.png", "a.png"),
        ("/mnt/disk/lists/colours.txt", "colours.txt"),
        ("/var/tmp/x.png and /tmp/y/z.png", "x.png and z.png"),
        ("~alice/a.png", "a.png"),
        ("~/work/a.png", "a.png"),
        ("list=/data/alice/w.txt;scale=3", "list=w.txt;scale=3"),
    ],
)  # fmt: skip
def test_paths_are_cut_to_their_last_name(text: str, left: str) -> None:
    assert without_paths(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "a red house, and/or a blue one", "/imagine a house", "w/o people", "16:9 / 4:3", "https://example.org/a/b.html",
        "a house (red:1.2), 2/3 sky", "{red|blue} house", "c: a note", "草地/夜晚", "A/B/C", "~ 5 sheep", "1/2/3", "",
    ],
)  # fmt: skip
def test_what_is_no_path_stays(text: str) -> None:
    assert without_paths(text) == text
