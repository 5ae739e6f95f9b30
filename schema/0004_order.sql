-- Orders of the cloud (commands, jobs, executions), as of the last commit: what was asked of each thing once, how far
-- it got, and what the cloud has confirmed to know. Rules: daemon/orders/book.hpp.
CREATE TABLE remote_order (
  thing            TEXT NOT NULL,
  channel          INTEGER NOT NULL,  -- orders::Channel: 0 command, 1 job, 2 execution
  id               TEXT NOT NULL,     -- of the command, the job, the execution; our own for what came without
  anonymous        INTEGER NOT NULL,  -- 1: it came without
  number           INTEGER NOT NULL,  -- execution number of a job
  seq              INTEGER NOT NULL,  -- order of receipt at this thing
  action           TEXT NOT NULL,
  arguments        TEXT NOT NULL,     -- JSON object
  phase            INTEGER NOT NULL,  -- orders::Phase: 0 received, 1 acting, 2 done, 3 answered
  verdict          INTEGER NOT NULL,  -- orders::Verdict: 0 none, 1 succeeded, 2 failed, 3 rejected
  reason           TEXT NOT NULL,
  result           TEXT NOT NULL,     -- JSON object, flat
  asked_ms         INTEGER NOT NULL,  -- Unix time of the sender; 0: not known
  received_ms      INTEGER NOT NULL,  -- Unix time of the gateway; 0: its clock was not trusted
  received_boot    TEXT NOT NULL,     -- boot id
  received_boot_ns INTEGER NOT NULL,  -- CLOCK_BOOTTIME in that boot
  received_age_ms  INTEGER NOT NULL,
  ttl_ms           INTEGER NOT NULL,  -- 0: never too old
  acting_boot      TEXT NOT NULL,     -- boot id and time at which it began to be done
  acting_ns        INTEGER NOT NULL,
  version          INTEGER NOT NULL,  -- of the job's execution
  PRIMARY KEY (thing, channel, id)
) STRICT, WITHOUT ROWID;
