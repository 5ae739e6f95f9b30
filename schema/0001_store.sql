-- Penumbra's store, schema 1. One SQLite file; `penumbrad` is its only writer.
--
-- Readings arrive in group commits and are kept so: one row of `journal` per commit, all its readings packed in one
-- blob (few bytes and few pages per commit: flash wear). The blob's layout stands in daemon/store/codec.hpp. What the
-- cloud acknowledged rides in the same blobs, so that an ack costs no commit of its own.

-- Names, numbered once, so that the blobs stay small.
CREATE TABLE thing (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL
) STRICT;

CREATE TABLE word (               -- boot ids, and reasons of bad or uncertain values
  id   INTEGER PRIMARY KEY,
  text TEXT NOT NULL
) STRICT;

CREATE TABLE point_set (          -- the points of a reading in their order, as a JSON array
  id     INTEGER PRIMARY KEY,
  points TEXT NOT NULL
) STRICT;

-- One row per group commit. Ids grow by one and are never used again.
CREATE TABLE journal (
  id   INTEGER PRIMARY KEY,
  data BLOB NOT NULL              -- header with checksum and directory, acks, one section per thing
) STRICT;

-- Runs of journal rows, for finding a thing or a time without opening every blob, and the unit in which retention
-- removes. The newest rows are not in a block yet.
CREATE TABLE block (
  first_row INTEGER PRIMARY KEY,  -- journal.id, both ends included
  last_row  INTEGER NOT NULL,
  oldest_ms INTEGER NOT NULL,     -- time of measurement, Unix milliseconds, of all its readings
  newest_ms INTEGER NOT NULL,
  trusted   INTEGER NOT NULL,     -- 1: every time in it was measured with a trusted clock
  readings  INTEGER NOT NULL,
  bytes     INTEGER NOT NULL,     -- of the blobs
  things    BLOB NOT NULL         -- per thing: id, first and last seq, count (varints)
) STRICT;

-- Where each thing stood after journal row `snapshot_row` (table meta); later rows are replayed on top at the start.
CREATE TABLE outbox (
  thing    INTEGER PRIMARY KEY,   -- thing.id
  last_seq INTEGER NOT NULL,      -- the newest seq given
  last_ms  INTEGER NOT NULL,      -- and its time of measurement
  unsent   INTEGER NOT NULL,      -- readings not acknowledged
  ranges   BLOB NOT NULL          -- which: pairs (gap, length - 1) of varints, ascending
) STRICT;

-- Small facts of the store itself: snapshot_row, readings, newest_trusted_ms, generation.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the daemon has learned or was told, by key.
CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
