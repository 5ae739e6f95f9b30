/* The layout of ABI 1, written down: a change of any of these numbers breaks drivers that exist. New fields are
 * appended, with their own line here. Compiled as strict C99, which also proves that the header is C. */
#include <penumbra/driver.h>
#include <stddef.h>

#define SAME(name, actual, expected) typedef char name[(actual) == (expected) ? 1 : -1]
#define PTR ((size_t)sizeof(void*))
/* After n pointers, from an offset that is a multiple of 8 where pointers have 8 bytes, of 4 where they have 4. */

SAME(value_size, offsetof(penumbra_value, size), 0);
SAME(value_type, offsetof(penumbra_value, type), 4);
SAME(value_quality, offsetof(penumbra_value, quality), 8);
SAME(value_status, offsetof(penumbra_value, status), 12);
SAME(value_as, offsetof(penumbra_value, as), 16);
SAME(value_text, offsetof(penumbra_value, text), 24);
SAME(value_reason, offsetof(penumbra_value, reason), 24 + PTR);
SAME(value_time, offsetof(penumbra_value, time_ns), 24 + 2 * PTR);
SAME(value_end, sizeof(penumbra_value), 32 + 2 * PTR);

SAME(read_size, offsetof(penumbra_read_request, size), 0);
SAME(read_thing, offsetof(penumbra_read_request, thing), 4);
SAME(read_count, offsetof(penumbra_read_request, point_count), 8);
SAME(read_points, offsetof(penumbra_read_request, points), 16);
SAME(read_deadline, offsetof(penumbra_read_request, deadline_ns), 24);
SAME(read_cancel, offsetof(penumbra_read_request, cancel_fd), 32);

SAME(write_thing, offsetof(penumbra_write_request, thing), 4);
SAME(write_point, offsetof(penumbra_write_request, point), 8);
SAME(write_value, offsetof(penumbra_write_request, value), 16);
SAME(write_deadline, offsetof(penumbra_write_request, deadline_ns), 24);
SAME(write_cancel, offsetof(penumbra_write_request, cancel_fd), 32);

SAME(ask_size, offsetof(penumbra_ask_request, size), 0);
SAME(ask_question, offsetof(penumbra_ask_request, question), 8);
SAME(ask_answer, offsetof(penumbra_ask_request, answer), 8 + PTR);
SAME(ask_context, offsetof(penumbra_ask_request, context), 8 + 2 * PTR);
SAME(ask_deadline, offsetof(penumbra_ask_request, deadline_ns), PTR == 8 ? 32 : 24);
SAME(ask_cancel, offsetof(penumbra_ask_request, cancel_fd), PTR == 8 ? 40 : 32);

SAME(host_size, offsetof(penumbra_host, size), 0);
SAME(host_abi, offsetof(penumbra_host, abi_version), 4);
SAME(host_context, offsetof(penumbra_host, context), 8);
SAME(host_log, offsetof(penumbra_host, log), 8 + PTR);
SAME(host_now, offsetof(penumbra_host, now_ns), 8 + 2 * PTR);
SAME(host_remember, offsetof(penumbra_host, remember), 8 + 3 * PTR);

SAME(driver_size, offsetof(penumbra_driver, size), 0);
SAME(driver_abi, offsetof(penumbra_driver, abi_version), 4);
SAME(driver_name, offsetof(penumbra_driver, name), 8);
SAME(driver_version, offsetof(penumbra_driver, version), 8 + PTR);
SAME(driver_capabilities, offsetof(penumbra_driver, capabilities), 8 + 2 * PTR);
SAME(driver_bus_schema, offsetof(penumbra_driver, bus_schema), 16 + 2 * PTR);
SAME(driver_thing_schema, offsetof(penumbra_driver, thing_schema), 16 + 3 * PTR);
SAME(driver_point_schema, offsetof(penumbra_driver, point_schema), 16 + 4 * PTR);
SAME(driver_check, offsetof(penumbra_driver, check), 16 + 5 * PTR);
SAME(driver_open, offsetof(penumbra_driver, open), 16 + 6 * PTR);
SAME(driver_read, offsetof(penumbra_driver, read), 16 + 7 * PTR);
SAME(driver_write, offsetof(penumbra_driver, write), 16 + 8 * PTR);
SAME(driver_close, offsetof(penumbra_driver, close), 16 + 9 * PTR);
SAME(driver_ask, offsetof(penumbra_driver, ask), 16 + 10 * PTR);
SAME(driver_needs, offsetof(penumbra_driver, needs), 16 + 11 * PTR);

SAME(statuses, PENUMBRA_REFUSED, 7);
SAME(types, PENUMBRA_TEXT, 5);
SAME(qualities, PENUMBRA_BAD, 2);
SAME(need_write, PENUMBRA_NEED_WRITE, 4);
SAME(can_write, PENUMBRA_CAN_WRITE, 1);
SAME(can_ask, PENUMBRA_CAN_ASK, 2);
SAME(can_scan, PENUMBRA_CAN_SCAN, 4);
SAME(can_self_test, PENUMBRA_CAN_SELF_TEST, 8);
SAME(can_plan, PENUMBRA_CAN_PLAN, 16);
SAME(can_write_many, PENUMBRA_CAN_WRITE_MANY, 32);

/* What the C++ test compares with its own view. */
const size_t kDriverSizeInC = sizeof(penumbra_driver);
const size_t kHostSizeInC = sizeof(penumbra_host);
const size_t kAskSizeInC = sizeof(penumbra_ask_request);
