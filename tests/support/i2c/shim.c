/* Puts an emulated I2C bus in the place of a device node, at the system call boundary: open, close, flock and ioctl of
 * the path in $I2C_SHIM_DEVICE go to the simulator at the Unix socket $I2C_SHIM_SOCKET (simulator_server.hpp), all else
 * goes to the kernel. The program between knows nothing of it: what it does on a real bus it does here. Preloaded
 * (LD_PRELOAD) or linked into a test. $I2C_SHIM_SMBUS=1: an adapter that speaks only SMBus.
 *
 * flock is a real lock, on PATH.lock beside the socket, so that several processes exclude each other as they would. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE /* it defines open() itself */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { kMaxFd = 1024, kMaxPacket = 8192 };

/* Per descriptor: 0 not ours, else the lock's descriptor + 1; and the address of I2C_SLAVE. */
static int locks[kMaxFd];
static uint8_t addresses[kMaxFd];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static int Ours(const char* path) {
  const char* device = getenv("I2C_SHIM_DEVICE");
  return path != NULL && device != NULL && strcmp(path, device) == 0;
}
static int IsBus(int fd) {
  return fd >= 0 && fd < kMaxFd && locks[fd] != 0;
}

static int RealClose(int fd) {
  static int (*real)(int);
  if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "close");
  return real(fd);
}
static int RealOpen(const char* path, int flags, mode_t mode) {
  static int (*real)(const char*, int, ...);
  if (real == NULL) real = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open");
  return real(path, flags, mode);
}

/* One packet there and one back: an errno and the answer's bytes. */
static int Exchange(int fd, const uint8_t* request, size_t size, uint8_t* answer, size_t* answer_size) {
  uint8_t packet[kMaxPacket];
  ssize_t got = -1;
  pthread_mutex_lock(&guard);
  if (send(fd, request, size, MSG_NOSIGNAL) == (ssize_t)size) got = recv(fd, packet, sizeof packet, 0);
  pthread_mutex_unlock(&guard);
  if (got < 4) return EIO;
  if (answer != NULL) {
    *answer_size = (size_t)got - 4;
    memcpy(answer, packet + 4, *answer_size);
  }
  return packet[0] | packet[1] << 8 | packet[2] << 16 | packet[3] << 24;
}

/* The way to the simulator: one connection and one lock file a process, made before main(), because a driver host may
 * make no sockets and open no files of its own later. */
static int base = -1, base_lock = -1;

static void Connect(void) {
  const char* path = getenv("I2C_SHIM_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (base >= 0) RealClose(base);
  if (base_lock >= 0) RealClose(base_lock);
  base = base_lock = -1;
  if (path == NULL || strlen(path) + 6 > sizeof address.sun_path) return;
  strcpy(address.sun_path, path);
  base = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (base >= 0 && connect(base, (const struct sockaddr*)&address, sizeof address) != 0) {
    RealClose(base);
    base = -1;
    return;
  }
  strcat(address.sun_path, ".lock");
  base_lock = RealOpen(address.sun_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void Prepare(void) {
  if (getenv("I2C_SHIM_DEVICE") != NULL) Connect();
}

static int OpenBus(void) {
  int error = base < 0 ? EIO : Exchange(base, (const uint8_t*)"P", 1, NULL, NULL);
  if (error == EIO) { /* not connected yet, or to a simulator that has ended */
    Connect();
    error = base < 0 ? ENOENT : Exchange(base, (const uint8_t*)"P", 1, NULL, NULL);
  }
  if (error != 0) return errno = error, -1;
  const int fd = fcntl(base, F_DUPFD_CLOEXEC, 0);
  const int lock = fcntl(base_lock, F_DUPFD_CLOEXEC, 0);
  if (fd < 0 || fd >= kMaxFd || lock < 0) return errno = EMFILE, -1;
  locks[fd] = lock + 1;
  return fd;
}

#define MODE_ARGUMENT                       \
  va_list list;                             \
  va_start(list, flags);                    \
  const mode_t mode = va_arg(list, mode_t); \
  va_end(list)

int open(const char* path, int flags, ...) {
  MODE_ARGUMENT;
  return Ours(path) ? OpenBus() : RealOpen(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE_ARGUMENT;
  return Ours(path) ? OpenBus() : RealOpen(path, flags | O_LARGEFILE, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  MODE_ARGUMENT;
  static int (*real)(int, const char*, int, ...);
  if (real == NULL) real = (int (*)(int, const char*, int, ...))dlsym(RTLD_NEXT, "openat");
  return Ours(path) ? OpenBus() : real(folder, path, flags, mode);
}
int __open_2(const char* path, int flags) {
  return Ours(path) ? OpenBus() : RealOpen(path, flags, 0);
}
int __open64_2(const char* path, int flags) {
  return Ours(path) ? OpenBus() : RealOpen(path, flags, 0);
}

int close(int fd) {
  if (IsBus(fd)) {
    Exchange(fd, (const uint8_t*)"X", 1, NULL, NULL);
    RealClose(locks[fd] - 1);
    locks[fd] = 0;
  }
  return RealClose(fd);
}

int flock(int fd, int operation) {
  static int (*real)(int, int);
  if (real == NULL) real = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
  return real(IsBus(fd) ? locks[fd] - 1 : fd, operation);
}

static int Transaction(int fd, struct i2c_msg* messages, size_t count) {
  uint8_t request[kMaxPacket], answer[kMaxPacket];
  size_t at = 0, answer_size = 0;
  request[at++] = 'T';
  request[at++] = (uint8_t)messages[0].addr;
  request[at++] = (uint8_t)count;
  for (size_t i = 0; i < count; ++i) {
    const int reads = (messages[i].flags & I2C_M_RD) != 0;
    if (at + 3 + messages[i].len > sizeof request) return EINVAL;
    request[at++] = (uint8_t)reads;
    request[at++] = (uint8_t)messages[i].len;
    request[at++] = (uint8_t)(messages[i].len >> 8);
    if (!reads && messages[i].len > 0) memcpy(request + at, messages[i].buf, messages[i].len);
    if (!reads) at += messages[i].len;
  }
  const int error = Exchange(fd, request, at, answer, &answer_size);
  size_t from = 0;
  for (size_t i = 0; i < count && error == 0; ++i) {
    if ((messages[i].flags & I2C_M_RD) == 0) continue;
    if (from + messages[i].len > answer_size) return EIO;
    memcpy(messages[i].buf, answer + from, messages[i].len);
    from += messages[i].len;
  }
  return error;
}

static int Smbus(int fd, const struct i2c_smbus_ioctl_data* call) {
  uint8_t out[34] = {call->command};
  uint8_t in[34] = {0};
  struct i2c_msg messages[2] = {{.addr = addresses[fd], .len = 1, .buf = out},
                                {.addr = addresses[fd], .flags = I2C_M_RD, .len = 1, .buf = in}};
  const int reads = call->read_write == I2C_SMBUS_READ;
  union i2c_smbus_data* data = call->data;
  int error = 0;
  switch (call->size) {
    case I2C_SMBUS_QUICK:
      messages[0].len = 0;
      return reads ? EOPNOTSUPP : Transaction(fd, messages, 1);
    case I2C_SMBUS_BYTE:
      error = Transaction(fd, reads ? messages + 1 : messages, 1);
      if (reads && error == 0) data->byte = in[0];
      return error;
    case I2C_SMBUS_BYTE_DATA:
      if (!reads) {
        out[1] = data->byte;
        messages[0].len = 2;
      }
      error = Transaction(fd, messages, reads ? 2 : 1);
      if (reads && error == 0) data->byte = in[0];
      return error;
    case I2C_SMBUS_WORD_DATA:
      if (!reads) return EOPNOTSUPP;
      messages[1].len = 2;
      error = Transaction(fd, messages, 2);
      if (error == 0) data->word = (uint16_t)(in[0] | in[1] << 8);
      return error;
    case I2C_SMBUS_I2C_BLOCK_DATA:
      if (data->block[0] > I2C_SMBUS_BLOCK_MAX) return EINVAL;
      if (!reads) {
        memcpy(out + 1, data->block + 1, data->block[0]);
        messages[0].len = (uint16_t)(data->block[0] + 1);
        return Transaction(fd, messages, 1);
      }
      messages[1].len = data->block[0];
      error = Transaction(fd, messages, 2);
      if (error == 0) memcpy(data->block + 1, in, data->block[0]);
      return error;
    default:
      return EOPNOTSUPP;
  }
}

static int BusIoctl(int fd, unsigned long request, void* argument) {
  const int smbus_only = getenv("I2C_SHIM_SMBUS") != NULL;
  const uint8_t select[2] = {'S', (uint8_t)(uintptr_t)argument};
  switch (request) {
    case I2C_FUNCS:
      *(unsigned long*)argument = I2C_FUNC_SMBUS_EMUL | (smbus_only ? 0 : I2C_FUNC_I2C);
      return 0;
    case I2C_SLAVE: {
      const int error = Exchange(fd, select, sizeof select, NULL, NULL);
      if (error == 0) addresses[fd] = select[1];
      return error;
    }
    case I2C_SMBUS:
      return Smbus(fd, argument);
    case I2C_RDWR: {
      const struct i2c_rdwr_ioctl_data* all = argument;
      return smbus_only ? EOPNOTSUPP : Transaction(fd, all->msgs, all->nmsgs);
    }
    default:
      return ENOTTY;
  }
}

int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  static int (*real)(int, unsigned long, ...);
  if (real == NULL) real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  if (!IsBus(fd)) return real(fd, request, argument);
  const int error = BusIoctl(fd, request, argument);
  if (error != 0) return errno = error, -1;
  return request == I2C_RDWR ? (int)((const struct i2c_rdwr_ioctl_data*)argument)->nmsgs : 0;
}
