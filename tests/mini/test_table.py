"""The table, the card and the plot: goals are judged rightly, parts that are missing are named, marks survive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.mini import card
from studio.mini.card import replace_part, write_card
from studio.mini.plot import COLOURS, Line, draw_plot
from studio.mini.table import as_markdown, as_table, sections, with_rows

SHARES = {"en": 0.95, "zh": 0.9, "true renders": 1.0}


def _report(**changes: Any) -> dict[str, Any]:
    report = {
        "samples": 40,
        "steps": 20,
        "guidance": 4.0,
        "seconds": 300.0,
        "scorer held-out accuracy": {"kind0": 0.99},
        "prompts": {"object's colour right": SHARES, "sky, sea, day or night right": SHARES},
        "few-step prompts": None,
        "control": {"true renders": 0.7, "without": 0.2, "ControlNet": 0.61, "ControlNet, ratio to without": 3.1}
        | {"ControlNet, most control": None, "ControlNet, no words, ratio to without": None},
        "VAE round trip, dB": 31.9,
        "seconds per picture": 1.0,
        "seconds per four-step picture": None,
        "seconds per four-step picture, tiny decoder": 0.19,
        "tiny decoder, dB": None,
        "tiny decoder, time ratio": 0.25,
        "MB": 60.0,
    }
    return report | changes


def _verdicts(report: dict[str, Any]) -> dict[str, bool | None]:
    return {row.title: row.met for section in sections(report) for row in section.rows}


def test_every_figure_is_judged_against_its_goal() -> None:
    verdicts = _verdicts(_report())
    assert verdicts["object's colour right"] is True, "both languages reach 90 %"
    assert verdicts["sky, sea, day or night right"] is False, "Chinese does not reach 95 %"
    assert verdicts["ControlNet"] is True and verdicts["true renders"] is None
    assert verdicts["VAE round trip, dB"] is False
    assert verdicts["seconds, 20 steps with guidance"] is True, "a goal that is just reached is reached"
    assert verdicts["tiny decoder, time / the full one's"] is True
    assert verdicts["all files, four-step model included, MB"] is True


def test_what_is_missing_is_named_and_not_met() -> None:
    verdicts = _verdicts(_report())
    assert verdicts["four-step model"] is False and verdicts["tiny decoder against the full one, dB"] is False
    assert verdicts["ControlNet, most control"] is False
    assert verdicts["ControlNet, no words, ratio to without"] is False
    assert verdicts["ControlNet, ratio to without"] is None, "with words it says little: only printed"
    assert as_table(_report()).count("not there") == 5


def test_four_steps_may_stay_ten_points_behind() -> None:
    near, far = {"en": 0.85, "zh": 0.8, "true renders": 1.0}, {"en": 0.85, "zh": 0.79, "true renders": 1.0}
    fast = {"object's colour right": near, "sky, sea, day or night right": far}
    section = next(part for part in sections(_report(**{"few-step prompts": fast})) if "4 steps" in part.title)
    assert [row.met for row in section.rows] == [True, False]


def test_text_markdown_and_json_say_the_same() -> None:
    report = _report()
    text, markdown, rows = as_table(report), as_markdown(report), with_rows(report)["rows"]
    for part in ("95%", "90%", "0.61", "31.9", "kind0 99%", "not met", ">= 32"):
        assert part in text and part in markdown, part
    assert {row["title"] for row in rows} == set(_verdicts(report))


def test_a_part_of_the_card_is_written_again_between_its_marks() -> None:
    old = "# Mini\n\n## Figures\n\nby hand\n\n![sheet](sheet.png)\n\n## Licence and use\n\nfree\n"
    once = replace_part(old, "figures", "first")
    twice = replace_part(once, "figures", "second")
    assert "by hand" not in once and "first" in once and once.count("## Figures") == 1
    assert twice == once.replace("first", "second")
    both = replace_part(twice, "samples", "pictures")
    assert both.index("second") < both.index("pictures") < both.index("## Licence") and both.endswith("free\n")


def test_the_card_gets_figures_captions_and_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw_nothing(model: Path, file: Path, seed: int) -> None:
        file.write_bytes(b"png")

    monkeypatch.setattr(card, "draw_sheet", draw_nothing)
    (tmp_path / "README.md").write_text("# Mini\n\n## Licence and use\n\n<!-- digests -->\n<!-- /digests -->\n")
    text = write_card(tmp_path, _report(), None).read_text(encoding="utf-8")
    assert "31.9" in text and "sheet.png | 3 |" in text
    assert text.count("\n12. ") == 1 and "一座红房子" in text, "24 captions: twelve in two languages"


def test_a_plot_shows_each_line_where_it_belongs(tmp_path: Path) -> None:
    lines = [Line("low", ((1.0, 1.0), (100.0, 1.0))), Line("high", ((1.0, 50.0), (100.0, 50.0)))]
    pixels = np.asarray(Image.open(draw_plot(lines, tmp_path / "plot.png", "t", "steps", "FID")).convert("RGB"))
    inside = pixels[:, 90:600]
    rows = []
    for colour in COLOURS[:2]:
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        rows.append(np.nonzero((inside == rgb).all(axis=2))[0].mean())
    assert rows[0] > rows[1] + 200, "small values lie low"
    with pytest.raises(ValueError, match="nothing to plot"):
        draw_plot([Line("none", ())], tmp_path / "none.png", "t", "x", "y")
