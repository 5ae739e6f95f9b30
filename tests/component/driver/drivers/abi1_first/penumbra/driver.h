/* The header of the first release of ABI 1, as it was, for drivers built then: see test_old_abi.c. Never to be changed. */
/* The Penumbra driver ABI: what a driver (.so) exports and what its host offers it.
 *
 * Stable: only C types; every structure begins with its size in bytes, fields are only ever appended, and a field
 * beyond the size that the other side states does not exist. A driver built against this header loads in every later
 * host.
 *
 * Process and thread: a driver runs in a process of its own for one bus. All calls for a bus come from one thread, one
 * at a time. A driver may crash or hang without harm to anything but its own bus: the host is killed and started again.
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

/* One point's raw value: as the device encodes it, before scale and offset, which the gateway applies. */
typedef struct penumbra_value {
  uint32_t size;     /* set by whoever allocates */
  uint32_t type;     /* penumbra_type */
  uint32_t quality;  /* penumbra_quality; PENUMBRA_BAD needs a reason and no value */
  uint32_t status;   /* PENUMBRA_BAD: which penumbra_status it is. PENUMBRA_TIMEOUT and PENUMBRA_IO say that the unit did
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
  int cancel_fd; /* readable when the call should end early; -1: none */
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

/* What the host offers. Valid from open until close has returned. */
typedef struct penumbra_host {
  uint32_t size;
  uint32_t abi_version;
  void* context;
  /* One line, any thread of the driver. Bounded: a flood is cut and counted. */
  void (*log)(void* context, uint32_t level, const char* message);
  int64_t (*now_ns)(void* context);
} penumbra_host;

/* Where a complaint about the configuration goes: `pointer` is a JSON pointer into it ("/things/0/points/1/address").
 */
typedef void (*penumbra_complain)(void* context, const char* pointer, const char* message);

#define PENUMBRA_CAN_WRITE (1u << 0)

/* The driver. One static constant structure; see penumbra_driver_entry.
 *
 * The configuration is one JSON object:
 *   {"bus":{...,"timeout_ms":500,"retries":1},
 *    "things":[{"name":"sensor-001",...,"timeout_ms":...,"retries":...,"points":[{"name":"temperature",...}]}]}
 * with, at each level, the keys that the driver's own schema declares, as the user wrote them; and timeout_ms and
 * retries, which every driver has: present where they are configured. The gateway has checked it against the schemas.
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
