"""`main.py mini train | evaluate | sheet | export`: arguments in, stages run, exit status out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any


def add_commands(subparsers: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Adds `mini` and its sub-commands; the heavy imports happen when one of them runs."""
    mini = subparsers.add_parser("mini", help="train, measure and export the model that ships with the studio")
    mini.set_defaults(command=_run)
    add_mini_commands(mini)


def add_mini_commands(parser: argparse.ArgumentParser) -> None:
    """The commands below `mini`."""
    commands = parser.add_subparsers(dest="mini_command", required=True)
    train = commands.add_parser("train", help="train one stage or all; resumes by itself after a kill")
    train.add_argument("--stage", default="all", help="all, or stages separated by commas, in the order of training")
    train.add_argument("--minutes", type=float, default=None, help="time of each stage; its own default otherwise")
    train.add_argument("--steps", type=int, default=0, help="number of steps instead of minutes")
    train.add_argument("--batch", type=int, default=16, help="pictures per step (16; 512 and more on a GPU)")
    train.add_argument("--scenes", type=int, default=12000, help="scenes to encode for the UNet")
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", help="print the quality table")
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    evaluate.add_argument("--samples", type=int, default=24, help="pictures per figure and language")
    evaluate.set_defaults(run=_evaluate)
    sheet = commands.add_parser("sheet", help="draw a sample sheet of the fixed prompts")
    sheet.add_argument("--out", type=Path, default=Path("mini-sheet.png"))
    sheet.add_argument("--seed", type=int, default=1)
    sheet.set_defaults(run=_sheet)
    export = commands.add_parser("export", help="export kept parts again and renew the digests in the model card")
    export.set_defaults(run=_export)
    for command in (train, evaluate, sheet, export):
        command.add_argument("--state", type=Path, default=None, help="training state (default: .mini in the project)")
        command.add_argument("--model", type=Path, default=None, help="exported model (default: resources/mini)")
        command.add_argument("--device", default="auto", help="auto, cuda or cpu")


def _run(arguments: argparse.Namespace) -> int:
    # Before torch comes in: its threads wait for each other briefly awake, then asleep (studio/engine/libraries.py).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    return int(arguments.run(arguments))


def main(argv: list[str] | None = None) -> int:
    """Runs one `mini` command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="mini", description="Studio Mini, the model that ships with the studio")
    add_mini_commands(parser)
    arguments = parser.parse_args(argv)
    return _run(arguments)


def _train(arguments: argparse.Namespace) -> int:
    from studio.mini import config, stages
    from studio.mini.training import Budget

    names = list(config.STAGES) if arguments.stage == "all" else arguments.stage.split(",")
    unknown = [name for name in names if name not in stages.TRAIN]
    if unknown:
        print(f"No such stage: {', '.join(unknown)}. Stages are {', '.join(config.STAGES)}.", file=sys.stderr)
        return 2
    third = arguments.scenes // 3
    shop = stages.Workshop(
        *_folders(arguments),
        config.choose_compute(arguments.device),
        scenes=(third, third, arguments.scenes - 2 * third),
        batch=arguments.batch,
        seed=arguments.seed,
    )
    for name in names:
        minutes = stages.MINUTES[name] if arguments.minutes is None else arguments.minutes
        stages.TRAIN[name](shop, Budget(minutes, arguments.steps))
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from studio.mini import config, evaluate

    report = evaluate.evaluate(_folders(arguments)[1], config.choose_compute(arguments.device), arguments.samples)
    print(json.dumps(report, indent=2) if arguments.json else evaluate.as_table(report))
    return 0


def _sheet(arguments: argparse.Namespace) -> int:
    from studio.mini.sheet import draw_sheet

    print(draw_sheet(_folders(arguments)[1], arguments.out, seed=arguments.seed))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from studio.mini import config, stages

    shop = stages.Workshop(*_folders(arguments), config.choose_compute(arguments.device))
    stages.export_kept(shop)
    return 0


def _folders(arguments: argparse.Namespace) -> tuple[Path, Path]:
    from studio.mini.config import MODEL_FOLDER, STATE_FOLDER

    return arguments.state or STATE_FOLDER, arguments.model or MODEL_FOLDER


if __name__ == "__main__":
    raise SystemExit(main())
