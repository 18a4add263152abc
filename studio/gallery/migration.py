"""An index of an older studio becomes one of today, after a snapshot of it was taken. All or nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from studio.gallery import snapshots
from studio.gallery.index import Index, connect
from studio.gallery.schema import SCHEMA, TO_2, WORDS


def migrate(file: Path, version: int) -> None:
    """Bring an index from `version` to today's schema. Raises sqlite3.Error, OSError.

    A kill in between leaves the old tables, or the new ones without words; the next comparison makes those up.
    """
    snapshots.take(file, f"schema-{version}")
    with closing(connect(file)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        try:
            if version < 2:
                for statement in (TO_2 + WORDS).split(";\n"):
                    if statement.strip():
                        writer.execute(statement)
            writer.execute(f"PRAGMA user_version = {SCHEMA}")
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise
    with closing(Index(file)) as index:
        index.describe_anew()
