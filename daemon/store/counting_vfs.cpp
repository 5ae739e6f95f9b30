#include "store/counting_vfs.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <new>

namespace penumbra {
namespace {

// Our file, with the real one right behind it in the memory that SQLite gives (szOsFile).
struct CountedFile {
  sqlite3_file base;
  CountingVfs* owner;
  sqlite3_file* Real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

CountedFile* Ours(sqlite3_file* file) {
  return reinterpret_cast<CountedFile*>(file);
}
sqlite3_file* Real(sqlite3_file* file) {
  return Ours(file)->Real();
}
const sqlite3_io_methods* Methods(sqlite3_file* file) {
  return Real(file)->pMethods;
}

struct Below {
  sqlite3_vfs* real;
  CountingVfs* owner;
};
sqlite3_vfs* RealVfs(sqlite3_vfs* vfs) {
  return static_cast<Below*>(vfs->pAppData)->real;
}

int Close(sqlite3_file* f) {
  return Methods(f)->xClose(Real(f));
}
int Read(sqlite3_file* f, void* out, int n, sqlite3_int64 at) {
  return Methods(f)->xRead(Real(f), out, n, at);
}
int Write(sqlite3_file* f, const void* data, int n, sqlite3_int64 at) {
  const int code = Methods(f)->xWrite(Real(f), data, n, at);
  if (code == SQLITE_OK) Ours(f)->owner->Count(static_cast<std::uint64_t>(n));
  return code;
}
int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  return Methods(f)->xTruncate(Real(f), size);
}
int Sync(sqlite3_file* f, int flags) {
  return Methods(f)->xSync(Real(f), flags);
}
int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  return Methods(f)->xFileSize(Real(f), size);
}
int Lock(sqlite3_file* f, int level) {
  return Methods(f)->xLock(Real(f), level);
}
int Unlock(sqlite3_file* f, int level) {
  return Methods(f)->xUnlock(Real(f), level);
}
int CheckReservedLock(sqlite3_file* f, int* held) {
  return Methods(f)->xCheckReservedLock(Real(f), held);
}
int FileControl(sqlite3_file* f, int op, void* arg) {
  return Methods(f)->xFileControl(Real(f), op, arg);
}
int SectorSize(sqlite3_file* f) {
  return Methods(f)->xSectorSize(Real(f));
}
int DeviceCharacteristics(sqlite3_file* f) {
  return Methods(f)->xDeviceCharacteristics(Real(f));
}
int ShmMap(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return Methods(f)->xShmMap(Real(f), page, size, extend, out);
}
int ShmLock(sqlite3_file* f, int offset, int n, int flags) {
  return Methods(f)->xShmLock(Real(f), offset, n, flags);
}
void ShmBarrier(sqlite3_file* f) {
  Methods(f)->xShmBarrier(Real(f));
}
int ShmUnmap(sqlite3_file* f, int remove) {
  return Methods(f)->xShmUnmap(Real(f), remove);
}

// Version 2: without memory mapping, which would write behind the counter's back.
constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  CountedFile* counted = new (file) CountedFile{{nullptr}, static_cast<Below*>(vfs->pAppData)->owner};
  const int code = RealVfs(vfs)->xOpen(RealVfs(vfs), name, counted->Real(), flags, out_flags);
  // SQLite closes a file exactly when it has methods.
  if (counted->Real()->pMethods != nullptr) counted->base.pMethods = &kMethods;
  return code;
}
int Delete(sqlite3_vfs* vfs, const char* name, int sync) {
  return RealVfs(vfs)->xDelete(RealVfs(vfs), name, sync);
}
int Access(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
  return RealVfs(vfs)->xAccess(RealVfs(vfs), name, flags, out);
}
int FullPathname(sqlite3_vfs* vfs, const char* name, int n, char* out) {
  return RealVfs(vfs)->xFullPathname(RealVfs(vfs), name, n, out);
}
int Randomness(sqlite3_vfs* vfs, int n, char* out) {
  return RealVfs(vfs)->xRandomness(RealVfs(vfs), n, out);
}
int Sleep(sqlite3_vfs* vfs, int us) {
  return RealVfs(vfs)->xSleep(RealVfs(vfs), us);
}
int CurrentTime(sqlite3_vfs* vfs, double* out) {
  return RealVfs(vfs)->xCurrentTime(RealVfs(vfs), out);
}
int LastError(sqlite3_vfs* vfs, int n, char* out) {
  return RealVfs(vfs)->xGetLastError(RealVfs(vfs), n, out);
}

}  // namespace

CountingVfs::CountingVfs(const std::string& below) : name_(below) {
  sqlite3_vfs* real = sqlite3_vfs_find(below.empty() ? nullptr : below.c_str());
  if (real == nullptr) return;
  // Several stores may be open in one process (tests): the address makes the name unique.
  name_ = fmt::format("penumbra-{}", static_cast<const void*>(this));
  vfs_ = std::make_unique<sqlite3_vfs>();
  vfs_->iVersion = 1;
  vfs_->szOsFile = static_cast<int>(sizeof(CountedFile)) + real->szOsFile;
  vfs_->mxPathname = real->mxPathname;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = new Below{real, this};
  vfs_->xOpen = Open;
  vfs_->xDelete = Delete;
  vfs_->xAccess = Access;
  vfs_->xFullPathname = FullPathname;
  vfs_->xRandomness = Randomness;
  vfs_->xSleep = Sleep;
  vfs_->xCurrentTime = CurrentTime;
  vfs_->xGetLastError = LastError;
  sqlite3_vfs_register(vfs_.get(), 0);
}

CountingVfs::~CountingVfs() {
  if (vfs_ == nullptr) return;
  sqlite3_vfs_unregister(vfs_.get());
  delete static_cast<Below*>(vfs_->pAppData);
}

}  // namespace penumbra
