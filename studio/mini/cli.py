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
    train.add_argument("--adopt", type=Path, default=None, help="exported model to go on from where no state is left")
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", help="print the quality table")
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    evaluate.add_argument("--samples", type=int, default=40, help="pictures per figure and language")
    evaluate.set_defaults(run=_evaluate)
    distribution = commands.add_parser("distribution", help="distances to true pictures by sampler and steps")
    distribution.add_argument("--pictures", type=int, default=200, help="pictures per sampler and number of steps")
    distribution.add_argument(
        "--steps", default="1,2,5,10,20,50,100,1000", help="numbers of steps, separated by commas"
    )
    distribution.add_argument("--guidance", type=float, default=1.0)
    distribution.add_argument("--out", type=Path, default=Path("distribution"), help="folder of table, plot and cells")
    distribution.set_defaults(run=_distribution)
    card = commands.add_parser("card", help="write figures, samples and distances into the model card")
    card.add_argument("--report", type=Path, default=None, help="what `mini evaluate --json` printed")
    card.add_argument("--distribution", type=Path, default=None, help="what `mini distribution --out` wrote")
    card.add_argument("--seed", type=int, default=1, help="first seed of the sample sheet")
    card.add_argument("--no-sheet", action="store_true", help="keep the sheet as it is")
    card.set_defaults(run=_card)
    sheet = commands.add_parser("sheet", help="draw a sample sheet of the fixed prompts")
    sheet.add_argument("--out", type=Path, default=Path("mini-sheet.png"))
    sheet.add_argument("--seed", type=int, default=1)
    sheet.set_defaults(run=_sheet)
    export = commands.add_parser("export", help="export kept parts again and renew the digests in the model card")
    export.set_defaults(run=_export)
    for command in (train, evaluate, sheet, export, distribution, card):
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
    from studio.mini.workshop import Workshop

    names = list(config.STAGES) if arguments.stage == "all" else arguments.stage.split(",")
    unknown = [name for name in names if name not in stages.TRAIN]
    if unknown:
        print(f"No such stage: {', '.join(unknown)}. Stages are {', '.join(config.STAGES)}.", file=sys.stderr)
        return 2
    third = arguments.scenes // 3
    shop = Workshop(
        *_folders(arguments),
        config.choose_compute(arguments.device),
        scenes=(third, third, arguments.scenes - 2 * third),
        batch=arguments.batch,
        seed=arguments.seed,
    )
    if arguments.adopt is not None:
        stages.adopt(shop, arguments.adopt)
    for name in names:
        minutes = stages.MINUTES[name] if arguments.minutes is None else arguments.minutes
        stages.TRAIN[name](shop, Budget(minutes, arguments.steps))
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from studio.mini import config, evaluate, table

    report = evaluate.evaluate(_folders(arguments)[1], config.choose_compute(arguments.device), arguments.samples)
    print(json.dumps(table.with_rows(report), indent=2) if arguments.json else table.as_table(report))
    return 0


def _distribution(arguments: argparse.Namespace) -> int:
    from studio.mini import config, distribution

    steps = [int(count) for count in arguments.steps.split(",") if count.strip().isdigit()]
    if not steps or min(steps) < 1 or max(steps) > 1000 or arguments.pictures < 10:
        print("--steps takes numbers from 1 to 1000, separated by commas; --pictures is at least 10.", file=sys.stderr)
        return 2
    model, compute = _folders(arguments)[1], config.choose_compute(arguments.device)
    try:
        report = distribution.measure(
            model, arguments.out, compute, arguments.pictures, steps, guidance=arguments.guidance
        )
    except ImportError as error:
        print(error, file=sys.stderr)
        return 2
    print(distribution.as_markdown(report))
    return 0


def _card(arguments: argparse.Namespace) -> int:
    from studio.mini import card

    report = json.loads(arguments.report.read_text(encoding="utf-8")) if arguments.report else None
    model = _folders(arguments)[1]
    print(card.write_card(model, report, arguments.distribution, arguments.seed, sheet=not arguments.no_sheet))
    return 0


def _sheet(arguments: argparse.Namespace) -> int:
    from studio.mini.sheet import draw_sheet

    print(draw_sheet(_folders(arguments)[1], arguments.out, seed=arguments.seed))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from studio.mini import config, stages
    from studio.mini.workshop import Workshop

    shop = Workshop(*_folders(arguments), config.choose_compute(arguments.device))
    stages.export_kept(shop)
    return 0


def _folders(arguments: argparse.Namespace) -> tuple[Path, Path]:
    from studio.mini.config import MODEL_FOLDER, STATE_FOLDER

    return arguments.state or STATE_FOLDER, arguments.model or MODEL_FOLDER


if __name__ == "__main__":
    raise SystemExit(main())
