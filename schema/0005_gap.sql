-- Readings that the cloud will never get, until it has acknowledged the record that says so (daemon/store/gap.hpp).
CREATE TABLE gap (
  thing    INTEGER NOT NULL,     -- thing.id
  reason   TEXT NOT NULL,        -- 'no space', 'thinned', 'damaged'
  from_seq INTEGER NOT NULL,     -- both ends included; readings between them may have been sent or kept
  to_seq   INTEGER NOT NULL,
  from_ms  INTEGER NOT NULL,     -- times of measurement, Unix milliseconds; 0: not known
  to_ms    INTEGER NOT NULL,
  lost     INTEGER NOT NULL,     -- readings
  PRIMARY KEY (thing, reason)
) STRICT, WITHOUT ROWID;

-- How the journal rows of a block are made: 0 one for each commit; 1 one for each thing (sent history, packed again so
-- that a thing is found at once); 2 the same, and what was never sent is thinned: of the seqs between first and last
-- some are not there, although `outbox` counts them as unsent until the rows around them are sent.
ALTER TABLE block ADD COLUMN layout INTEGER NOT NULL DEFAULT 0;

-- A damaged file that was set aside, while what it still holds is brought back (daemon/store/salvage.hpp).
CREATE TABLE salvage (
  file      TEXT PRIMARY KEY,
  after_row INTEGER NOT NULL,    -- its journal rows up to here are done
  below_row INTEGER NOT NULL,    -- this file's own rows begin behind it
  below_seq INTEGER NOT NULL     -- and its own seqs are not below
) STRICT, WITHOUT ROWID;

-- Checksums of rows that have none inside them, as the journal's blobs do: a flipped bit must not give a reading another
-- name, or a seq twice (daemon/store/row_sum.hpp). NULL: written before there were any.
ALTER TABLE thing ADD COLUMN sum INTEGER;
ALTER TABLE word ADD COLUMN sum INTEGER;
ALTER TABLE point_set ADD COLUMN sum INTEGER;
ALTER TABLE outbox ADD COLUMN sum INTEGER;
ALTER TABLE block ADD COLUMN sum INTEGER;
ALTER TABLE meta ADD COLUMN sum INTEGER;
ALTER TABLE setting ADD COLUMN sum INTEGER;
