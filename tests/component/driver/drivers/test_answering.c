/* A driver that answers questions, in plain C: each day's work by the name of the question. */
#include <penumbra/driver.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct penumbra_bus {
  const penumbra_host* host;
  int opens_known; /* the fact of the open before this one */
};

static struct penumbra_bus the_bus;

static penumbra_status Open(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char* error,
                            size_t error_size) {
  const char* facts = strstr(configuration, "\"facts\":{\"opens\":");
  char json[32];
  (void)error;
  (void)error_size;
  the_bus.host = host;
  the_bus.opens_known = 0;
  if (facts != NULL) sscanf(facts, "\"facts\":{\"opens\":%d", &the_bus.opens_known);
  snprintf(json, sizeof json, "%d", the_bus.opens_known + 1);
  if (PENUMBRA_HOST_HAS(host, remember)) host->remember(host->context, "opens", json);
  *bus = &the_bus;
  return PENUMBRA_OK;
}

static penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) {
  uint32_t i;
  for (i = 0; i < request->point_count; ++i) {
    values[i].type = PENUMBRA_INT;
    values[i].quality = PENUMBRA_GOOD;
    values[i].as.i = bus->opens_known;
  }
  return PENUMBRA_OK;
}

static int Asks(const penumbra_ask_request* request, const char* name) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "\"ask\":\"%s\"", name);
  return strstr(request->question, wanted) != NULL;
}

static void Flood(const penumbra_host* host) {
  char json[32];
  int i;
  for (i = 0; i < 100000; ++i) {
    snprintf(json, sizeof json, "%d", i);
    host->remember(host->context, "flood", json);
  }
}

static penumbra_status Ask(penumbra_bus* bus, const penumbra_ask_request* request, char* error, size_t error_size) {
  static char large[70 * 1024];
  volatile int* volatile wild = (int*)8;
  struct pollfd cancel;
  if (Asks(request, "plan")) {
    request->answer(request->context, "{\"unit\":1,\"table\":\"input\",\"from\":0,\"to\":3}");
    request->answer(request->context, "{\"unit\":2,\"table\":\"holding\",\"from\":7,\"to\":7}");
    return PENUMBRA_OK;
  }
  if (Asks(request, "no_json")) {
    request->answer(request->context, "{\"unit\":");
    return PENUMBRA_OK;
  }
  if (Asks(request, "large")) {
    memset(large, 'x', sizeof large - 1);
    request->answer(request->context, large);
    return PENUMBRA_OK;
  }
  if (Asks(request, "wait")) { /* ignores its deadline, not its cancel descriptor */
    cancel.fd = request->cancel_fd;
    cancel.events = POLLIN;
    if (poll(&cancel, 1, 10000) == 1) return PENUMBRA_CANCELLED;
    return PENUMBRA_TIMEOUT;
  }
  if (Asks(request, "crash")) *wild = 1;
  if (Asks(request, "flood_facts")) Flood(bus->host);
  if (Asks(request, "bad_facts")) {
    snprintf(error, error_size, "%d %d %d", bus->host->remember(bus->host->context, "not a key", "1"),
             bus->host->remember(bus->host->context, "no_json", "{"), bus->host->remember(bus->host->context, "k", ""));
    return PENUMBRA_REFUSED;
  }
  snprintf(error, error_size, "what is that?");
  return PENUMBRA_UNSUPPORTED;
}

static void Close(penumbra_bus* bus) {
  (void)bus;
}

static const penumbra_driver kDriver = {sizeof(penumbra_driver),
                                        PENUMBRA_ABI_VERSION,
                                        "test_answering",
                                        "0.1",
                                        PENUMBRA_CAN_ASK | PENUMBRA_CAN_PLAN,
                                        "{\"type\":\"object\",\"properties\":{}}",
                                        "{}",
                                        "{}",
                                        NULL,
                                        Open,
                                        Read,
                                        NULL,
                                        Close,
                                        Ask,
                                        NULL};

const penumbra_driver* penumbra_driver_entry(const uint32_t* host_abis, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) {
    if (host_abis[i] == PENUMBRA_ABI_VERSION) return &kDriver;
  }
  return NULL;
}
