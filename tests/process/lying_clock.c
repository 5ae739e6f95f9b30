/* LD_PRELOAD shim: a wall clock that a test sets, for the real programs. The file named by LYING_CLOCK_FILE is mapped and holds, in this
 * order: how many nanoseconds the wall clock is off (int64), and whether the kernel says "synchronised" (int64). Beside it, with these endings:
 * .boot_id, and .hctosys (1: a battery clock set the wall clock at boot). CLOCK_BOOTTIME and CLOCK_MONOTONIC stay true. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct lie {
  volatile int64_t off_ns;
  volatile int64_t synchronised;
};

static const struct lie* lie(void) {
  static const struct lie* mapped;
  if (mapped != NULL) return mapped;
  const char* name = getenv("LYING_CLOCK_FILE");
  const int fd = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) abort(); /* a test without its clock would pass for the wrong reason */
  void* at = mmap(NULL, sizeof(struct lie), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) abort();
  return mapped = at;
}

int clock_gettime(clockid_t id, struct timespec* t) {
  static int (*next)(clockid_t, struct timespec*);
  if (next == NULL) next = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  const int result = next(id, t);
  if (result != 0 || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return result;
  int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + lie()->off_ns;
  if (ns < 0) ns = 0;
  t->tv_sec = ns / 1000000000;
  t->tv_nsec = ns % 1000000000;
  return 0;
}

int gettimeofday(struct timeval* restrict t, void* restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at != NULL) *at = now.tv_sec;
  return now.tv_sec;
}

int adjtimex(struct timex* state) {
  if (state->modes != 0) {
    errno = EPERM;
    return -1;
  }
  memset(state, 0, sizeof *state);
  state->status = lie()->synchronised ? STA_PLL : STA_UNSYNC;
  return lie()->synchronised ? TIME_OK : TIME_ERROR;
}

int access(const char* path, int mode) {
  static int (*next)(const char*, int);
  if (next == NULL) next = (int (*)(const char*, int))dlsym(RTLD_NEXT, "access");
  if (strcmp(path, "/run/systemd/timesync/synchronized") != 0) return next(path, mode);
  if (lie()->synchronised) return 0;
  errno = ENOENT;
  return -1;
}

/* libstdc++ opens files with fopen64. What the kernel tells about this boot is read from files beside ours instead. */
FILE* fopen64(const char* restrict path, const char* restrict mode) {
  static FILE* (*next)(const char*, const char*);
  if (next == NULL) next = (FILE * (*)(const char*, const char*))dlsym(RTLD_NEXT, "fopen64");
  const char* ending = NULL;
  if (strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) ending = ".boot_id";
  if (strcmp(path, "/sys/class/rtc/rtc0/hctosys") == 0) ending = ".hctosys";
  if (ending == NULL) return next(path, mode);
  char told[4096];
  snprintf(told, sizeof told, "%s%s", getenv("LYING_CLOCK_FILE"), ending);
  return next(told, mode);
}
