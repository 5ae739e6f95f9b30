-- How the wall clock stood to CLOCK_BOOTTIME in each boot: readings were dated with offset_ms, and true_offset_ms is
-- what is known now. The true time of a reading of that boot is boot_ns / 1e6 + true_offset_ms, of the last row whose
-- from_ns is not behind boot_ns (the first row also covers what lies before it). Where both offsets are equal, the
-- reading's own time stands. Rules: daemon/event/time_trust.hpp.
CREATE TABLE boot_time (
  boot           TEXT NOT NULL,     -- boot id
  from_ns        INTEGER NOT NULL,  -- CLOCK_BOOTTIME when this offset began
  offset_ms      INTEGER NOT NULL,  -- Unix milliseconds minus BootTime, as believed then
  true_offset_ms INTEGER NOT NULL,
  trusted        INTEGER NOT NULL   -- 1: true_offset_ms is to be trusted
) STRICT;
