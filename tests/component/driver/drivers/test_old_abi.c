/* A driver built against the first header of ABI 1, before ask and remember: it must load in every later host. In C, as
 * a driver may be. */
#include <penumbra/driver.h>
#include <stddef.h>
#include <stdint.h>

struct penumbra_bus {
  int reads;
};

static struct penumbra_bus the_bus;

static penumbra_status Open(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char* error,
                            size_t error_size) {
  (void)configuration;
  (void)error;
  (void)error_size;
  host->log(host->context, PENUMBRA_LOG_INFO, "an old driver has opened");
  *bus = &the_bus;
  return PENUMBRA_OK;
}

static penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) {
  uint32_t i;
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

/* The old structure ends here in memory: what follows would be read by a host that does not look at the size. */
static const struct {
  penumbra_driver driver;
  void* poison[8];
} kOld = {{sizeof(penumbra_driver), PENUMBRA_ABI_VERSION, "test_old_abi", "0.1", 0, "{}", "{}", "{}", NULL, Open, Read,
           NULL, Close},
          {(void*)1, (void*)1, (void*)1, (void*)1, (void*)1, (void*)1, (void*)1, (void*)1}};

const penumbra_driver* penumbra_driver_entry(const uint32_t* host_abis, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) {
    if (host_abis[i] == PENUMBRA_ABI_VERSION) return &kOld.driver;
  }
  return NULL;
}
