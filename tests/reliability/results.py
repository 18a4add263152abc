"""Where the suite leaves its figures: one JSON file in the temporary folder, or where STUDIO_RELIABILITY says."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

FILE = Path(os.environ.get("STUDIO_RELIABILITY", Path(tempfile.gettempdir()) / "studio-reliability.json"))


def record(name: str, **figures: object) -> None:
    """Add the figures of one experiment, with the load of the machine, and print them."""
    try:
        known = json.loads(FILE.read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    known[name] = {**figures, "load": load}
    FILE.write_text(json.dumps(known, indent=1, ensure_ascii=False), "utf-8")
    print(f"{name}: {json.dumps(known[name], ensure_ascii=False)}")
