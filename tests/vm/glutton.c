/* A driver that keeps 16 MiB more with every read: tests/vm/life provokes the unit's memory limit with it. */
#include <penumbra/driver.h>
#include <stdlib.h>
#include <string.h>

struct penumbra_bus {
  int reads;
  char* newest; /* each block begins with the address of the one before it */
};

static struct penumbra_bus the_bus;

static penumbra_status Open(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char* error,
                            size_t error_size) {
  (void)host, (void)configuration, (void)error, (void)error_size;
  *bus = &the_bus;
  return PENUMBRA_OK;
}

static penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) {
  const size_t more = (size_t)16 << 20;
  char* block = malloc(more);
  uint32_t i;
  if (block != NULL) {
    memset(block, 1, more);
    memcpy(block, &bus->newest, sizeof bus->newest);
    bus->newest = block;
  }
  for (i = 0; i < request->point_count; ++i) {
    values[i].type = PENUMBRA_INT;
    values[i].quality = PENUMBRA_GOOD;
    values[i].as.i = ++bus->reads;
  }
  return PENUMBRA_OK;
}

static void Close(penumbra_bus* bus) {
  (void)bus;
}

static void Needs(const char* configuration, penumbra_need need, void* context) {
  (void)configuration, (void)need, (void)context;
}

static const penumbra_driver kGlutton = {.size = sizeof(penumbra_driver),
                                         .abi_version = PENUMBRA_ABI_VERSION,
                                         .name = "glutton",
                                         .version = "1",
                                         .bus_schema = "{}",
                                         .thing_schema = "{}",
                                         .point_schema = "{}",
                                         .open = Open,
                                         .read = Read,
                                         .close = Close,
                                         .needs = Needs};

const penumbra_driver* penumbra_driver_entry(const uint32_t* host_abis, size_t count) {
  (void)host_abis, (void)count;
  return &kGlutton;
}
