/* Preloaded under penumbrad: while the file PENUMBRA_WEDGE_DISK exists no sync comes back, and while
 * PENUMBRA_WEDGE_LOOP exists the event loop does not get its events. What a dying card and a handler that hangs look
 * like from outside, without a fault in the daemon. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static void wait_while_exists(const char* variable) {
  const char* file = getenv(variable);
  while (file != NULL && access(file, F_OK) == 0) usleep(20000);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_while_exists("PENUMBRA_WEDGE_DISK");
  return real(fd);
}

int fsync(int fd) {
  static int (*real)(int);
  if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_while_exists("PENUMBRA_WEDGE_DISK");
  return real(fd);
}

int epoll_wait(int epoll, struct epoll_event* events, int most, int timeout) {
  static int (*real)(int, struct epoll_event*, int, int);
  if (real == NULL) real = (int (*)(int, struct epoll_event*, int, int))dlsym(RTLD_NEXT, "epoll_wait");
  const int ready = real(epoll, events, most, timeout);
  wait_while_exists("PENUMBRA_WEDGE_LOOP");
  return ready;
}
