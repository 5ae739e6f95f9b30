-- Device Shadows and commands: what the gateway knows of each thing's shadows, as of the last commit.
-- Columns that hold JSON are compact objects; '{}' is "nothing". Rules: daemon/shadow/sync.hpp and commands.hpp.
-- Requests in flight are deliberately not stored: after a start everything begins with a GET.

CREATE TABLE shadow (
  thing           TEXT NOT NULL,
  name            TEXT NOT NULL,     -- '' is the classic shadow
  cloud_exists    INTEGER NOT NULL,
  cloud_version   INTEGER NOT NULL,  -- of the mirror; after a delete the last one known
  cloud_time      INTEGER NOT NULL,  -- service clock, seconds, of the newest message taken
  delta_version   INTEGER NOT NULL,  -- newest update/delta seen: a counter of its own
  mirror          TEXT NOT NULL,     -- {"desired":..,"reported":..} as the cloud last had it
  desired_times   TEXT NOT NULL,     -- key of desired -> service time it was last wanted, seconds
  reported_local  TEXT NOT NULL,     -- what the device says
  reported_base   TEXT NOT NULL,     -- everything ever pushed: what makes a key ours
  desired_pending TEXT NOT NULL,     -- patch of local users, not yet in the cloud
  desired_base    TEXT NOT NULL,     -- the cloud's desired that the patch is meant against
  local_rev       INTEGER NOT NULL,  -- counts changes of reported_local
  pushed_rev      INTEGER NOT NULL,  -- local_rev of the newest report known to be in the cloud
  delete_intent   INTEGER NOT NULL,  -- 0 none, 1 wanted, 2 sent
  PRIMARY KEY (thing, name)
) STRICT, WITHOUT ROWID;

-- The newest desired value of each key on its way to the device.
CREATE TABLE command (
  thing            TEXT NOT NULL,
  key              TEXT NOT NULL,
  value            TEXT NOT NULL,     -- JSON
  version          INTEGER NOT NULL,  -- of the document that brought it
  desired_s        INTEGER NOT NULL,  -- service time it was wanted; 0: a local edit
  received_ms      INTEGER NOT NULL,  -- Unix time of the gateway; 0: its clock was not trusted
  received_boot    TEXT NOT NULL,     -- boot id
  received_boot_ns INTEGER NOT NULL,  -- CLOCK_BOOTTIME in that boot
  received_age_s   INTEGER NOT NULL,  -- how old it was then, by the service's clock
  superseded       INTEGER NOT NULL,  -- older wishes that it overtook before they were done
  state            INTEGER NOT NULL,  -- shadow::CommandState
  reason           TEXT NOT NULL,
  PRIMARY KEY (thing, key)
) STRICT, WITHOUT ROWID;
