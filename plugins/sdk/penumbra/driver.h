/* The Penumbra driver ABI: what a driver (.so) exports and what its host offers it.
 *
 * Stable: only C types; every structure begins with its size in bytes, fields are only ever appended, and a field
 * beyond the size that the other side states does not exist. A driver built against this header loads in every later
 * host.
 *
 * Process and thread: a driver runs in a process of its own for one bus. All calls for a bus come from one thread, one
 * at a time. A driver may crash or hang without harm to anything but its own bus: the host is killed and started again.
 * It may have threads of its own, which have ended when close() returns. The process is the host's: a driver leaves
 * signals, locale, umask and working folder as they are, prints nothing, and never exits. It cannot start programs or
 * fork; memory (256 MiB), descriptors (256) and the size of files (1 MiB) are limited.
 *
 * Ownership: what the host passes is valid for the duration of the call. Text that the driver hands out (text, reason)
 * must stay valid until the next call into the driver; the host copies it before that.
 *
 * Time: CLOCK_BOOTTIME in nanoseconds. A call must return at or before its deadline; shortly after it the host is
 * killed.
 */
#ifndef PENUMBRA_DRIVER_H
#define PENUMBRA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PENUMBRA_ABI_VERSION 1u

/* The driver's own state of one open bus. */
typedef struct penumbra_bus penumbra_bus;

typedef enum penumbra_status {
  PENUMBRA_OK = 0,
  PENUMBRA_BAD_OPTIONS = 1, /* open, check: the configuration is wrong; the operator must change it */
  PENUMBRA_NO_DEVICE = 2,   /* open: the port or device is not there now; the host tries again later */
  PENUMBRA_TIMEOUT = 3,     /* no answer within the time */
  PENUMBRA_IO = 4,          /* the transport failed: closed, CRC, NACK */
  PENUMBRA_CANCELLED = 5,   /* cancel_fd became readable */
  PENUMBRA_UNSUPPORTED = 6, /* this driver or this point cannot do that */
  PENUMBRA_REFUSED = 7      /* the device answered no, e.g. a Modbus exception */
} penumbra_status;

typedef enum penumbra_type {
  PENUMBRA_NONE = 0,
  PENUMBRA_BOOL = 1, /* as.u is 0 or 1 */
  PENUMBRA_INT = 2,  /* as.i */
  PENUMBRA_UINT = 3, /* as.u */
  PENUMBRA_REAL = 4, /* as.d; NaN and infinities are allowed here and become bad quality in the gateway */
  PENUMBRA_TEXT = 5  /* text, UTF-8, terminated */
} penumbra_type;

typedef enum penumbra_quality { PENUMBRA_GOOD = 0, PENUMBRA_UNCERTAIN = 1, PENUMBRA_BAD = 2 } penumbra_quality;

typedef enum penumbra_log_level {
  PENUMBRA_LOG_ERROR = 3,
  PENUMBRA_LOG_WARNING = 4,
  PENUMBRA_LOG_INFO = 6,
  PENUMBRA_LOG_DEBUG = 7
} penumbra_log_level;

/* One point's raw value: as the device encodes it, before scale and offset, which the gateway applies. Handed over in
 * arrays, so that this structure alone never grows within ABI 1. */
typedef struct penumbra_value {
  uint32_t size;    /* set by whoever allocates */
  uint32_t type;    /* penumbra_type */
  uint32_t quality; /* penumbra_quality; PENUMBRA_BAD needs a reason and no value */
  uint32_t status;  /* PENUMBRA_BAD: which penumbra_status it is. PENUMBRA_TIMEOUT and PENUMBRA_IO say that the unit did
                     * not answer, so that it is asked less; 0 (not said) counts as such when the reason is "timeout" */
  union {
    int64_t i;
    uint64_t u;
    double d;
  } as;
  const char* text;   /* PENUMBRA_TEXT */
  const char* reason; /* short and stable, e.g. "timeout", "exception 2 (illegal data address)"; or NULL */
  int64_t time_ns;    /* when it was measured; 0: when read() returned */
} penumbra_value;

/* Read points of one thing. Indexes count from 0 in the order of the configuration given to open. */
typedef struct penumbra_read_request {
  uint32_t size;
  uint32_t thing;
  uint32_t point_count;
  uint32_t reserved;
  const uint32_t* points;
  int64_t deadline_ns;
  int cancel_fd; /* readable when the call should end early: the caller has given up, the gateway stops, or the deadline
                  * has passed. Stays readable until the call returns; never read it. -1: none */
} penumbra_read_request;

typedef struct penumbra_write_request {
  uint32_t size;
  uint32_t thing;
  uint32_t point;
  uint32_t reserved;
  const penumbra_value* value; /* raw: the gateway has undone scale and offset and checked the range */
  int64_t deadline_ns;
  int cancel_fd;
} penumbra_write_request;

/* Takes one JSON object (text, UTF-8, at most 64 KiB) of the answer to a question. */
typedef void (*penumbra_answer)(void* context, const char* json);

/* A question beside read and write: one JSON object in, any number of JSON objects out, each handed to `answer` as soon
 * as it is known, from the bus thread and within the call. */
typedef struct penumbra_ask_request {
  uint32_t size;
  uint32_t reserved;
  const char* question; /* {"ask":"plan"} ..., see PENUMBRA_CAN_ASK */
  penumbra_answer answer;
  void* context; /* for `answer` */
  int64_t deadline_ns;
  int cancel_fd;
} penumbra_ask_request;

/* What the host offers. Valid from open until close has returned. Fields from `remember` on are newer than the first
 * release of ABI 1: use PENUMBRA_HOST_HAS before. */
typedef struct penumbra_host {
  uint32_t size;
  uint32_t abi_version;
  void* context;
  /* One line, any thread of the driver. Bounded: a flood is cut and counted. */
  void (*log)(void* context, uint32_t level, const char* message);
  int64_t (*now_ns)(void* context);
  /* Keeps something the driver has learned of its bus (a unit that answers only slowly, calibration words of a chip),
   * also over restarts of the daemon: the next open finds it in the configuration under "facts". `key`: 1 to 64 of
   * [A-Za-z0-9_.:-]; `json`: one JSON value of at most 4096 bytes; NULL forgets. At most 64 keys a bus. Any thread of
   * the driver. PENUMBRA_BAD_OPTIONS: key or value is too long or not allowed; PENUMBRA_IO: not taken just now. It is
   * meant for what changes rarely: a host that sends more than some 50 a second for long is ended as a flood. */
  penumbra_status (*remember)(void* context, const char* key, const char* json);
} penumbra_host;

/* Nonzero: the host has that field. `host` is a const penumbra_host*. */
#define PENUMBRA_HOST_HAS(host, field) \
  ((host)->size >= offsetof(penumbra_host, field) + sizeof((host)->field) && (host)->field != NULL)

/* Where a complaint about the configuration goes: `pointer` is a JSON pointer into it ("/things/0/points/1/address").
 */
typedef void (*penumbra_complain)(void* context, const char* pointer, const char* message);

/* What a bus needs of the system beyond its libraries. `path` where there is one. */
typedef enum penumbra_need_kind {
  PENUMBRA_NEED_NETWORK = 1, /* sockets of the internet, CAN or Bluetooth; name look-ups */
  PENUMBRA_NEED_DEVICE = 2,  /* a device node or other file: to read, write and control (ioctl) */
  PENUMBRA_NEED_READ = 3,    /* a file, or a folder with all below it: to read */
  PENUMBRA_NEED_WRITE = 4    /* a file, or a folder with all below it: to read, write, create and remove files */
} penumbra_need_kind;
typedef void (*penumbra_need)(void* context, uint32_t kind, const char* path);

/* penumbra_driver.capabilities */
#define PENUMBRA_CAN_WRITE (1u << 0)
/* ask() is there. Every question is an object whose "ask" names it; a question that the driver does not know is
 * answered with PENUMBRA_UNSUPPORTED. The names below mean the same in every driver, others are the driver's own:
 *   {"ask":"counters"}  objects of numbers: what has happened on the bus since open. The gateway asks every 10 s and
 *                       shows those with "answer":"unit" and "unit" (name or number); of their numbers it knows
 *                       "requests", "answers", "timeouts", "bad_crc", "bad_frames", "late", "foreign", "exceptions"
 *                       ({code:count}), "last_answer_ms_ago" and "round_trip_ms" ({"p50","p90","p99"}). When
 * "anomalies" of any object has grown, the last frames are kept in a file, with its "anomaly" as the reason
 *   {"ask":"frames"}    one object for each of the last exchanges with the bus, oldest first: "at_ns", "kind" ("sent",
 *                       "received", "stale", "note") and "hex", or "text" of a note. With "frozen":true those at the
 *                       moment of the last anomaly
 *   {"ask":"read",...}  reads raw, past the configuration; the other keys are the driver's own
 * The next three have a capability of their own, so that tools can say what is possible without asking. */
#define PENUMBRA_CAN_ASK (1u << 1)
/* {"ask":"scan",...}: one object for each device found. Must not change the state of any device. A scan that takes long
 * gives the bus back after some seconds with a last object {"answer":"next","next":{...}}: the keys to ask on with. */
#define PENUMBRA_CAN_SCAN (1u << 2)
/* {"ask":"self_test",...}: one object for each thing, with "thing", "ok" (true or false) and "detail". */
#define PENUMBRA_CAN_SELF_TEST (1u << 3)
/* {"ask":"plan"}: one object for each transfer that reading all points once would make. Touches no device. */
#define PENUMBRA_CAN_PLAN (1u << 4)
/* {"ask":"write","thing":0,"values":[[point,value],...]}: writes several values of one thing in that order, in fewer
 * transfers where the driver sees how. One object for each, in that order: {"status":penumbra_status,"error":text}. */
#define PENUMBRA_CAN_WRITE_MANY (1u << 5)

/* The driver. One static constant structure; see penumbra_driver_entry.
 *
 * The configuration is one JSON object:
 *   {"bus":{...,"timeout_ms":500,"retries":1},
 *    "things":[{"name":"sensor-001",...,"timeout_ms":...,"retries":...,"points":[{"name":"temperature",...}]}]}
 * with, at each level, the keys that the driver's own schema declares, as the user wrote them; and timeout_ms and
 * retries, which every driver has: present where they are configured. The gateway has checked it against the schemas.
 * open() may find one more member, "facts":{key:value}: what remember() kept. A driver ignores members that it does not
 * know.
 *
 * Fields from `ask` on are newer than the first release of ABI 1. A driver built against an older header states a
 * smaller size, and the host then takes them as absent.
 */
typedef struct penumbra_driver {
  uint32_t size;
  uint32_t abi_version;
  const char* name; /* = file name without .so */
  const char* version;
  uint64_t capabilities;
  /* JSON Schemas (draft 2020-12: type, properties, required, enum, minimum, maximum, default, description, items,
   * pattern, additionalProperties false, and "x-unit") of the driver's own keys of a bus, a thing and a point. The
   * whole of what the user's documentation says about them stands in "description". */
  const char* bus_schema;
  const char* thing_schema;
  const char* point_schema;
  /* What a schema cannot say (a 32-bit value at the last register, a key that only goes with another one): complains
   * about each fault. Touches no device. May be NULL. */
  penumbra_status (*check)(const char* configuration, penumbra_complain complain, void* context);
  /* Takes the configuration over. A device that does not answer is no reason to fail: its points are bad when read.
   * On failure `error` gets one line for the operator. */
  penumbra_status (*open)(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char* error,
                          size_t error_size);
  /* Fills values[k] for request->points[k], every one: a point that could not be read is PENUMBRA_BAD with its reason.
   * Answers other than PENUMBRA_OK mean that no value at all was filled; the reason is then the status. */
  penumbra_status (*read)(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values);
  /* Writes one absolute value. PENUMBRA_OK: the device acknowledged it. May be NULL without PENUMBRA_CAN_WRITE. */
  penumbra_status (*write)(penumbra_bus* bus, const penumbra_write_request* request, char* error, size_t error_size);
  /* Releases everything. Also called after failed reads and writes, never after a failed open. */
  void (*close)(penumbra_bus* bus);
  /* Answers a question. Statuses other than PENUMBRA_OK: `error` gets one line for the operator; objects handed out
   * before still count. May be NULL without PENUMBRA_CAN_ASK. */
  penumbra_status (*ask)(penumbra_bus* bus, const penumbra_ask_request* request, char* error, size_t error_size);
  /* Calls `need` for everything that the bus of this configuration needs; the rest of the system is out of reach from
   * open() on: no file, no network, no other process. Access to a path is bound to what is there at that moment; when a
   * device is plugged in again, the gateway starts a new host. NULL, or a driver from before this field: files and
   * network stay open, and the operator sees that. Without a device; before open(); never fails. */
  void (*needs)(const char* configuration, penumbra_need need, void* context);
} penumbra_driver;

/* The one symbol a driver exports. `host_abis` lists the versions the host speaks, best first. Answers the driver for a
 * version both know, or NULL. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const penumbra_driver*
penumbra_driver_entry(const uint32_t* host_abis, size_t count);

typedef const penumbra_driver* (*penumbra_driver_entry_fn)(const uint32_t* host_abis, size_t count);

#ifdef __cplusplus
}
#endif

#endif
