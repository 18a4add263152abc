"""The tables of the history's index and how older ones become today's. Knows no folders and no PNG.

Schema 1 had the pictures alone; 2 added what is searched for, the artist's marks, links, looks and other folders.
"""

from __future__ import annotations

APPLICATION_ID = 0x44535455  # "DSTU"
SCHEMA = 2

_PICTURES_1 = """
CREATE TABLE pictures (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    file TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created TEXT NOT NULL,
    prompt TEXT NOT NULL,
    recipe TEXT NOT NULL,
    made_with TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    trashed INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX pictures_seen ON pictures (id) WHERE trashed = 0 AND missing = 0;
"""
# `place` is 0 for our own folder, else a row of `places`; `made` is the time in the id in microseconds since 1970;
# `marks` is JSON, "" for none, and `rating` stands beside it for sorting. All else is taken out of the recipe.
TO_2 = """
ALTER TABLE pictures ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN parents TEXT NOT NULL DEFAULT '';
ALTER TABLE pictures ADD COLUMN marks TEXT NOT NULL DEFAULT '';
ALTER TABLE pictures ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN seed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN steps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN guidance REAL NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN rating INTEGER NOT NULL DEFAULT 0;
CREATE INDEX pictures_numbers ON pictures
    (made, trashed, missing, place, rating, seed, steps, guidance, width, height);
CREATE TABLE facets (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (kind, value, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE links (
    parent TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (parent, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE looks (seq INTEGER PRIMARY KEY, look BLOB NOT NULL) STRICT;
CREATE TABLE places (
    seq INTEGER PRIMARY KEY,
    folder TEXT NOT NULL UNIQUE,
    watched INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO state VALUES ('changes', 0), ('journal', 0);
"""
WORDS = """
CREATE VIRTUAL TABLE words USING fts5
    (prompt, raw, negative, note, tags, prefix = '1 2 3', tokenize = 'unicode61 remove_diacritics 2');
"""
TABLES = _PICTURES_1 + TO_2 + WORDS
PROBES = (  # each fails when a table is not as this version needs it
    "SELECT seq, id, file, width, height, created, prompt, recipe, made_with, checksum, trashed, missing, place, "
    "parents, marks, made, seed, steps, guidance, rating FROM pictures LIMIT 1",
    "SELECT kind, value, seq FROM facets LIMIT 1",
    "SELECT parent, seq FROM links LIMIT 1",
    "SELECT seq, look FROM looks LIMIT 1",
    "SELECT seq, folder, watched, gone FROM places LIMIT 1",
    "SELECT rowid, prompt, raw, negative, note, tags FROM words LIMIT 1",
)
PROBE_1 = "SELECT seq, id, file, width, height, created, prompt, recipe, made_with, checksum FROM pictures LIMIT 1"
