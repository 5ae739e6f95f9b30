/* LD_PRELOAD shim: while the file named by SLOW_LOOKUP_FILE exists, every getaddrinfo takes five seconds and fails, as with a name server
 * that does not answer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

typedef int (*getaddrinfo_fn)(const char*, const char*, const struct addrinfo*, struct addrinfo**);

int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints, struct addrinfo** result) {
  const char* file = getenv("SLOW_LOOKUP_FILE");
  if (file != NULL && access(file, F_OK) == 0) {
    sleep(5);
    return EAI_AGAIN;
  }
  getaddrinfo_fn next = (getaddrinfo_fn)dlsym(RTLD_NEXT, "getaddrinfo");
  return next(node, service, hints, result);
}
