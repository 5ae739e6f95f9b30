#include "support/model_disk.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace penumbra::test {
namespace {

// What an open file of SQLite's is. SQLite brings the memory (szOsFile) and knows only `base`.
struct Handle {
  sqlite3_file base;
  ModelDisk* disk;
  std::shared_ptr<ModelDisk::File> file;
  bool sync_folder;      // SQLite's own VFS syncs the folder with the first sync of a journal or WAL
  bool delete_on_close;  // a temporary file
  bool uses_index;
};

Handle& Of(sqlite3_file* file) {
  return *reinterpret_cast<Handle*>(file);
}

int Code(ModelDisk::Fault fault, int io_error) {
  switch (fault) {
    case ModelDisk::Fault::kNone:
      return SQLITE_OK;
    case ModelDisk::Fault::kFull:
      return SQLITE_FULL;
    case ModelDisk::Fault::kIoError:
      return io_error;
  }
  return io_error;
}

int Close(sqlite3_file* f) {
  Of(f).~Handle();
  return SQLITE_OK;
}

int Read(sqlite3_file* f, void* out, int n, sqlite3_int64 at) {
  const std::string& bytes = Of(f).file->bytes;
  const auto wanted = static_cast<std::size_t>(n);
  const auto from = static_cast<std::size_t>(at);
  const std::size_t there = from < bytes.size() ? std::min(wanted, bytes.size() - from) : 0;
  if (there > 0) std::memcpy(out, bytes.data() + from, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(out) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* f, const void* data, int n, sqlite3_int64 at) {
  const std::string_view bytes(static_cast<const char*>(data), static_cast<std::size_t>(n));
  return Code(Of(f).disk->WriteAt(*Of(f).file, static_cast<std::uint64_t>(at), bytes), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  return Code(Of(f).disk->Truncate(*Of(f).file, static_cast<std::uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* f, int) {
  const int code = Code(Of(f).disk->Sync(*Of(f).file), SQLITE_IOERR_FSYNC);
  // SQLite's own VFS does not look at the outcome either.
  if (code == SQLITE_OK && std::exchange(Of(f).sync_folder, false)) static_cast<void>(Of(f).disk->SyncFolder({}));
  return code;
}

int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(Of(f).file->bytes.size());
  return SQLITE_OK;
}

int Lock(sqlite3_file*, int) {
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file*, int* held) {
  *held = 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}

int SectorSize(sqlite3_file*) {
  return 4096;  // what SQLite's own VFS says
}

int DeviceCharacteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;  // likewise
}

int ShmMap(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  Handle& handle = Of(f);
  if (!handle.uses_index) {
    handle.uses_index = true;
    ++handle.file->index_users;
  }
  auto& index = handle.file->index;
  const auto wanted = static_cast<std::size_t>(page);
  *out = nullptr;
  if (index.size() <= wanted && extend == 0) return SQLITE_OK;
  while (index.size() <= wanted) index.emplace_back(static_cast<std::size_t>(size), '\0');
  *out = index[wanted].data();
  return SQLITE_OK;
}

int ShmLock(sqlite3_file*, int, int, int) {
  return SQLITE_OK;
}

void ShmBarrier(sqlite3_file*) {}

int ShmUnmap(sqlite3_file* f, int) {
  Handle& handle = Of(f);
  if (std::exchange(handle.uses_index, false) && --handle.file->index_users == 0) handle.file->index.clear();
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Lock,
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

ModelDisk& Disk(sqlite3_vfs* vfs) {
  return *static_cast<ModelDisk*>(vfs->pAppData);
}

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  std::shared_ptr<ModelDisk::File> found;
  if (name == nullptr) {
    found = std::make_shared<ModelDisk::File>();  // temporary: of no interest after a power cut
  } else {
    found = Disk(vfs).Find(name);
    if (found == nullptr && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
    if (found == nullptr) found = Disk(vfs).Create(name);
  }
  const bool journal = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
  new (file) Handle{{&kMethods},
                    &Disk(vfs),
                    std::move(found),
                    journal && (flags & SQLITE_OPEN_CREATE) != 0,
                    (flags & SQLITE_OPEN_DELETEONCLOSE) != 0,
                    false};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  if (!Disk(vfs).Unlink(name)) return SQLITE_IOERR_DELETE_NOENT;
  if (sync_folder != 0 && !Disk(vfs).SyncFolder({})) return SQLITE_IOERR_DIR_FSYNC;
  return SQLITE_OK;
}

int Access(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
  const auto file = Disk(vfs).Find(name);
  // As SQLite's own VFS: an empty file does not count as there.
  *out = file != nullptr && (flags != SQLITE_ACCESS_EXISTS || !file->bytes.empty()) ? 1 : 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs*, const char* name, int n, char* out) {
  sqlite3_snprintf(n, out, "%s", name);
  return SQLITE_OK;
}

int Randomness(sqlite3_vfs* vfs, int n, char* out) {
  Disk(vfs).Randomness(out, n);
  return n;
}

int Sleep(sqlite3_vfs*, int us) {
  return us;
}

int CurrentTime(sqlite3_vfs*, double* out) {
  *out = 2460000.5;
  return SQLITE_OK;
}

int LastError(sqlite3_vfs*, int, char*) {
  return 0;
}

tl::unexpected<Error> Failed(ModelDisk::Fault fault, const std::string& name) {
  return Fail(Action::kFatal,
              fmt::format("cannot write {}: {}", name,
                          fault == ModelDisk::Fault::kFull ? "No space left on device" : "Input/output error"));
}

}  // namespace

std::uint64_t HashOf(const DiskImage& image) {
  std::uint64_t hash = 0x9e3779b97f4a7c15;
  const auto mix = [&hash](std::uint64_t word) {
    const auto product = static_cast<unsigned __int128>(hash ^ word) * 0xd6e8feb86659fd93;
    hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  const auto add = [&mix](std::string_view bytes) {
    mix(bytes.size() + 1);
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data(), 8);
      mix(word + 1);
    }
    std::uint64_t rest = 0;
    if (!bytes.empty()) std::memcpy(&rest, bytes.data(), bytes.size());
    mix(rest + 1);
  };
  for (const auto& [name, bytes] : image) {
    add(name);
    add(bytes);
  }
  return hash;
}

// ---- the disk ----

ModelDisk::ModelDisk(const DiskImage& image)
    : name_(fmt::format("model-disk-{}", static_cast<const void*>(this))), vfs_(std::make_unique<sqlite3_vfs>()) {
  for (const auto& [name, bytes] : image) {
    Create(name)->bytes = bytes;
  }
  log_.clear();
  vfs_->iVersion = 1;
  vfs_->szOsFile = sizeof(Handle);
  vfs_->mxPathname = 512;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = Open;
  vfs_->xDelete = Delete;
  vfs_->xAccess = Access;
  vfs_->xFullPathname = FullPathname;
  vfs_->xRandomness = test::Randomness;
  vfs_->xSleep = Sleep;
  vfs_->xCurrentTime = CurrentTime;
  vfs_->xGetLastError = LastError;
  sqlite3_vfs_register(vfs_.get(), 0);
}

ModelDisk::~ModelDisk() {
  sqlite3_vfs_unregister(vfs_.get());
}

DiskImage ModelDisk::Contents() const {
  DiskImage image;
  for (const auto& [name, file] : names_) image[name] = file->bytes;
  return image;
}

int ModelDisk::NumberOf(const File& file) const {
  const auto it = numbers_.find(&file);
  return it == numbers_.end() ? -1 : it->second;
}

std::uint64_t ModelDisk::Used() const {
  std::uint64_t used = 0;
  for (const auto& [name, file] : names_) used += file->bytes.size();
  return used;
}

ModelDisk::Fault ModelDisk::Ask(Kind kind, const File& file, std::size_t bytes) {
  return on_operation && NumberOf(file) >= 0 ? on_operation(kind, file.name, bytes) : Fault::kNone;
}

std::shared_ptr<ModelDisk::File> ModelDisk::Find(const std::string& name) const {
  const auto it = names_.find(name);
  return it == names_.end() ? nullptr : it->second;
}

std::shared_ptr<ModelDisk::File> ModelDisk::Create(const std::string& name) {
  auto file = std::make_shared<File>();
  file->name = name;
  const int number = static_cast<int>(files_.size());
  numbers_[file.get()] = number;
  files_.push_back(file);
  names_[name] = file;
  log_.push_back({.kind = Kind::kCreate, .file = number, .name = name});
  return file;
}

ModelDisk::Fault ModelDisk::WriteAt(File& file, std::uint64_t at, std::string_view bytes) {
  if (const Fault fault = Ask(Kind::kWrite, file, bytes.size()); fault != Fault::kNone) return fault;
  const std::uint64_t end = at + bytes.size();
  if (end > file.bytes.size()) {
    if (NumberOf(file) >= 0 && capacity != UINT64_MAX && Used() + (end - file.bytes.size()) > capacity) {
      return Fault::kFull;
    }
    file.bytes.resize(end, '\0');
  }
  file.bytes.replace(at, bytes.size(), bytes);
  if (NumberOf(file) < 0) return Fault::kNone;
  log_.push_back({.kind = Kind::kWrite, .file = NumberOf(file), .at = at, .bytes = std::string(bytes)});
  return Fault::kNone;
}

ModelDisk::Fault ModelDisk::Truncate(File& file, std::uint64_t size) {
  if (const Fault fault = Ask(Kind::kTruncate, file, 0); fault != Fault::kNone) return fault;
  file.bytes.resize(size, '\0');
  if (NumberOf(file) >= 0) log_.push_back({.kind = Kind::kTruncate, .file = NumberOf(file), .at = size});
  return Fault::kNone;
}

ModelDisk::Fault ModelDisk::Sync(File& file) {
  if (NumberOf(file) < 0 || ignore_syncs) return Fault::kNone;
  const Fault fault = Ask(Kind::kSync, file, 0);
  log_.push_back({.kind = fault == Fault::kNone ? Kind::kSync : Kind::kFailedSync, .file = NumberOf(file)});
  return fault;
}

bool ModelDisk::Unlink(const std::string& name) {
  if (names_.erase(name) == 0) return false;
  log_.push_back({.kind = Kind::kRemove, .name = name});
  return true;
}

void ModelDisk::Randomness(char* out, int n) {
  for (int i = 0; i < n; ++i) out[i] = static_cast<char>(random_());
}

Result<std::optional<std::string>> ModelDisk::Read(const std::filesystem::path& path) {
  const auto file = Find(path.string());
  if (file == nullptr) return std::nullopt;
  return std::optional(file->bytes);
}

Result<std::string> ModelDisk::ReadPart(const std::filesystem::path& path, std::uint64_t at, std::size_t size) {
  const auto file = Find(path.string());
  if (file == nullptr || at >= file->bytes.size()) return std::string();
  return file->bytes.substr(at, size);
}

Status ModelDisk::WriteSynced(const std::filesystem::path& path, std::string_view bytes) {
  auto file = Find(path.string());
  if (file == nullptr) file = Create(path.string());
  Fault fault = Truncate(*file, 0);
  if (fault == Fault::kNone) fault = WriteAt(*file, 0, bytes);
  if (fault == Fault::kNone) fault = Sync(*file);
  if (fault != Fault::kNone) return Failed(fault, path.string());
  return {};
}

Status ModelDisk::Rewrite(const std::filesystem::path& path) {
  const auto file = Find(path.string());
  if (file == nullptr) return {};
  const std::string bytes = file->bytes;
  Fault fault = bytes.empty() ? Fault::kNone : WriteAt(*file, 0, bytes);
  if (fault == Fault::kNone) fault = Sync(*file);
  if (fault != Fault::kNone) return Failed(fault, path.string());
  return {};
}

Status ModelDisk::Rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto file = Find(from.string());
  if (file == nullptr) return Fail(Action::kFatal, fmt::format("cannot replace {}: no {}", to.string(), from.string()));
  names_[to.string()] = file;
  names_.erase(from.string());
  log_.push_back({.kind = Kind::kRename, .file = NumberOf(*file), .name = from.string(), .target = to.string()});
  return {};
}

Status ModelDisk::Remove(const std::filesystem::path& path) {
  if (Unlink(path.string())) return {};
  return Fail(Action::kFatal, fmt::format("cannot remove {}: there is none", path.string()));
}

std::vector<std::string> ModelDisk::List(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& [name, file] : names_) {
    const std::filesystem::path path(name);
    if (path.parent_path() == folder) names.push_back(path.filename().string());
  }
  return names;
}

Status ModelDisk::SyncFolder(const std::filesystem::path&) {
  if (ignore_syncs) return {};
  log_.push_back({.kind = Kind::kSyncFolder});
  return {};
}

bool ModelDisk::Exists(const std::filesystem::path& path) {
  return Find(path.string()) != nullptr;
}

std::uint64_t ModelDisk::Size(const std::filesystem::path& path) {
  const auto file = Find(path.string());
  return file == nullptr ? 0 : file->bytes.size();
}

Files::Space ModelDisk::SpaceAt(const std::filesystem::path&) {
  if (capacity == UINT64_MAX) return {};
  const std::uint64_t used = Used();
  return {used < capacity ? capacity - used : 0, capacity};
}

Result<std::optional<UniqueFd>> ModelDisk::Lock(const std::filesystem::path&) {
  return std::optional(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
}

// ---- the power cut ----

PowerCut::PowerCut(const ModelDisk& disk, const DiskImage& began) : disk_(disk) {
  int number = 0;
  for (const auto& [name, bytes] : began) {
    files_[number] = {.live = bytes, .name = name, .sectors = {}, .sizes = {bytes.size()}};
    names_[name] = number++;
  }
}

void PowerCut::Advance(std::size_t point) {
  for (; point_ < point; ++point_) Apply(disk_.log()[point_]);
}

void PowerCut::Apply(const ModelDisk::Operation& operation) {
  using Kind = ModelDisk::Kind;
  switch (operation.kind) {
    case Kind::kCreate:
      files_[operation.file] = {.live = {}, .name = operation.name, .sectors = {}, .sizes = {0}};
      changes_.push_back({operation.name, operation.file, {}});
      break;
    case Kind::kRemove:
      changes_.push_back({operation.name, -1, {}});
      break;
    case Kind::kRename:
      changes_.push_back({operation.target, operation.file, operation.name});
      break;
    case Kind::kWrite:
      Write(files_[operation.file], operation);
      break;
    case Kind::kTruncate: {
      Durable& file = files_[operation.file];
      // What is cut off is still on the disk for as long as the cut is not.
      for (std::uint64_t n = operation.at / ModelDisk::kSector; n * ModelDisk::kSector < file.live.size(); ++n) {
        Sector& sector = file.sectors[n];
        if (sector.versions.empty())
          sector.versions.push_back(file.live.substr(n * ModelDisk::kSector, ModelDisk::kSector));
        sector.dirty = true;
      }
      file.live.resize(operation.at, '\0');
      file.sizes.push_back(operation.at);
      break;
    }
    case Kind::kSync: {
      Durable& file = files_[operation.file];
      std::erase_if(file.sectors, [](const auto& sector) { return sector.second.dirty; });
      file.sizes = {file.live.size()};
      break;
    }
    case Kind::kFailedSync:
      for (auto& [number, sector] : files_[operation.file].sectors) sector.dirty = false;
      break;
    case Kind::kSyncFolder:
      for (const NameChange& change : changes_) {
        if (!change.old_name.empty()) names_.erase(change.old_name);
        if (change.file < 0) {
          names_.erase(change.name);
        } else {
          names_[change.name] = change.file;
        }
      }
      changes_.clear();
      break;
  }
}

void PowerCut::Write(Durable& file, const ModelDisk::Operation& operation) {
  if (operation.bytes.empty()) return;  // touches no sector: the reserve that is given up is written with nothing
  const std::uint64_t end = operation.at + operation.bytes.size();
  const std::uint64_t first = operation.at / ModelDisk::kSector;
  const std::uint64_t last = (end - 1) / ModelDisk::kSector;
  const auto sector_of = [&file](std::uint64_t number) {
    const std::uint64_t at = number * ModelDisk::kSector;
    return at < file.live.size() ? file.live.substr(at, ModelDisk::kSector) : std::string();
  };
  for (std::uint64_t number = first; number <= last; ++number) {
    Sector& sector = file.sectors[number];
    if (sector.versions.empty()) sector.versions.push_back(sector_of(number));
    sector.dirty = true;
  }
  if (end > file.live.size()) file.live.resize(end, '\0');
  file.live.replace(operation.at, operation.bytes.size(), operation.bytes);
  if (file.sizes.back() != file.live.size()) file.sizes.push_back(file.live.size());
  for (std::uint64_t number = first; number <= last; ++number) {
    file.sectors[number].versions.push_back(sector_of(number));
  }
}

bool PowerCut::open() const {
  if (!changes_.empty()) return true;
  return std::any_of(files_.begin(), files_.end(),
                     [](const auto& file) { return !file.second.sectors.empty() || file.second.sizes.size() > 1; });
}

std::string PowerCut::Contents(const Durable& file, Survivors survivors, std::mt19937_64& random) const {
  std::string bytes = file.live;
  const bool arbitrary = survivors == Survivors::kArbitrary;
  std::uint64_t size = survivors == Survivors::kNothing ? file.sizes.front() : file.sizes.back();
  if (arbitrary) size = file.sizes[random() % file.sizes.size()];
  // How much of it survives is a matter of luck too: nearly all, half, or hardly anything.
  const unsigned percent = arbitrary ? std::array{10U, 50U, 90U}[random() % 3] : 0;
  const char fresh = arbitrary && random() % 2 == 0 ? '\xA5' : '\0';
  for (const auto& [number, sector] : file.sectors) {
    const std::uint64_t at = number * ModelDisk::kSector;
    const auto& versions = sector.versions;
    std::size_t chosen = survivors == Survivors::kNothing ? 0 : versions.size() - 1;
    if (arbitrary && random() % 100 >= percent) chosen = random() % versions.size();
    std::string version = versions[chosen];
    version.resize(ModelDisk::kSector, chosen == 0 ? fresh : '\0');
    if (bytes.size() < at + ModelDisk::kSector) bytes.resize(at + ModelDisk::kSector, '\0');
    bytes.replace(at, ModelDisk::kSector, version);
  }
  bytes.resize(size, '\0');
  return bytes;
}

DiskImage PowerCut::Image(Survivors survivors, std::mt19937_64& random) const {
  std::map<std::string, int> names = names_;
  for (const NameChange& change : changes_) {
    if (survivors == Survivors::kNothing) break;
    if (survivors == Survivors::kArbitrary && random() % 2 == 0) continue;
    if (!change.old_name.empty()) names.erase(change.old_name);
    if (change.file < 0) {
      names.erase(change.name);
    } else {
      names[change.name] = change.file;
    }
  }
  DiskImage image;
  for (const auto& [name, number] : names) image[name] = Contents(files_.at(number), survivors, random);
  return image;
}

}  // namespace penumbra::test
