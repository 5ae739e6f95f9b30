// The opening half of StoreWorker: the lock, migration and recovery, a damaged file that is set aside, and a start on a
// disk that is full.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "store/migrations.hpp"
#include "store/row_sum.hpp"
#include "store/store_worker.hpp"
#include "store/wal_check.hpp"

namespace penumbra {
namespace {

constexpr std::string_view kSalvageNote = ".salvage";
// Kept for a start on a full disk: enough for the sequence mark, SQLite's shared memory and a few pages of WAL.
constexpr std::string_view kReserveFile = ".reserve";
constexpr std::uint64_t kReserveBytes = 64 * 1024;
constexpr std::uint64_t kReserveLeaves = 16;  // the reserve is laid in when this many times its size is free

}  // namespace

Status StoreWorker::TakeLock() {
  std::filesystem::path path = options_.file;
  path += ".lock";
  auto lock = files_.Lock(path);
  if (!lock) {
    return Fail(lock.error().action,
                lock.error().message + "; the state directory must exist and belong to the daemon's user");
  }
  if (!*lock) return Fail(Action::kFixConfig, fmt::format("{} is in use by another penumbrad", options_.file.string()));
  lock_ = std::move(**lock);
  return {};
}

Status StoreWorker::Open() {
  if (const Status locked = TakeLock(); !locked) return locked;
  std::filesystem::path mark = options_.file;
  mark += ".seq";
  vfs_ = std::make_unique<CountingVfs>(options_.vfs);
  mark_ = std::make_unique<SeqMark>(mark, files_);
  words_copy_ = std::make_unique<DictionaryCopy>(DictionaryCopy::Beside(options_.file), files_);
  kept_ = std::make_unique<KeptFiles>(options_.file, options_.settings.max_size, files_);
  retention_ = std::make_unique<Retention>(options_.settings, files_, *kept_);
  Status opened = OpenOrReplace(true);
  if (!opened && NoSpace() && ReleaseReserve()) opened = OpenOrReplace(true);
  if (!opened && NoSpace()) {
    return Fail(Action::kFatal, fmt::format("no space is left in {} ({}); free some: nothing stored is lost",
                                            options_.file.parent_path().string(), opened.error().message));
  }
  if (!opened) return opened;
  LayInReserve();
  if (salvage_ != nullptr) maintain_at_ = Now();
  UpdateStats();
  return {};
}

Status StoreWorker::OpenOrReplace(bool first) {
  bool damaged = false;
  Status opened = OpenOnce(first, damaged);
  if (opened || !damaged) return opened;
  log::Error("store.damaged", opened.error().message, {{"file", options_.file.string()}});
  if (const Status aside = SetAside(); !aside) return aside;
  return OpenOnce(first, damaged);
}

std::filesystem::path StoreWorker::Beside(std::string_view ending) const {
  std::filesystem::path path = options_.file;
  path += ending;
  return path;
}

// What is still needed of what was set aside, and what there is.
Status StoreWorker::LookAtKept() {
  auto in_use = Salvage::Pending(*database_);
  if (!in_use) return Fail(in_use.error());
  kept_->Look(std::move(*in_use), Now());
  return {};
}

void StoreWorker::Abandon() {
  if (database_ != nullptr) database_->KeepWal();
  salvage_.reset();
  journal_.reset();
  database_.reset();
}

Status StoreWorker::OpenOnce(bool first, bool& damaged) {
  Abandon();
  damaged = false;
  // Small stores get a small WAL and small blocks, so that retention removes a small part of them. So do those on a
  // small file system, where what it keeps free must be room enough for a checkpoint.
  const std::uint64_t size = std::min(options_.settings.max_size, files_.SpaceAt(options_.file).total);
  const std::uint64_t wal_bytes = std::clamp<std::uint64_t>(size / 32, 64 * 1024, Database::kWalBytes);
  const std::uint64_t block_bytes = std::clamp<std::uint64_t>(size / 64, 4096, Block::kMaxBytes);
  if (const Status finished = FinishSetAside(); !finished) return finished;
  if (const Status finished = FinishRescue(); !finished) return finished;
  // Only now can be seen what SQLite is about to pass over.
  const auto wal = files_.Read(WalFile());
  const WalCheck wal_check = wal && *wal ? CheckWal(**wal) : WalCheck();
  const bool wal_missing = !wal || !*wal || (*wal)->empty();
  if (files_.Size(options_.file) == 0) {
    damaged = wal_check.committed > 0;
    if (damaged) return Fail(Action::kGiveUp, "the database file is empty, but its WAL is not");
    if (first && mark_->mark() > 0 && !HasSalvageNote()) {
      log::Error("store.began_anew", "readings were stored here before, but the database file is gone or empty",
                 {{"file", options_.file.string()}});
    }
  }
  auto database = Database::Open({.file = options_.file, .vfs = vfs_->name(), .wal_bytes = wal_bytes}, &damaged);
  if (!database) return Fail(database.error());
  database_ = std::move(*database);
  Status ready = Migrate(*database_, EmbeddedMigrations());
  if (ready) ready = database_->WriteAtCommitOnly();
  if (ready) ready = BeginSalvage();
  // After a failure this process still knows what the file may not.
  if (ready && first) ready = times_.Load(*database_);
  if (ready && first) ready = LoadWear();
  if (ready) {
    journal_options_ = {.max_block_bytes = block_bytes,
                        .wal_missing = wal_missing,
                        .wal_doubtful = wal_check.doubtful,
                        .times = &times_};
    auto journal = Journal::Load(*database_, *mark_, journal_options_, first);
    if (journal) {
      journal_ = std::move(*journal);
    } else {
      ready = Fail(journal.error());
    }
  }
  if (ready) {
    auto salvage = Salvage::Resume(*database_, files_);
    if (salvage) {
      salvage_ = std::move(*salvage);
    } else {
      ready = Fail(salvage.error());
    }
  }
  if (ready) ready = LookAtKept();
  if (ready) return {};
  damaged = database_->corrupt() || database_->misfits() || ready.error().action == Action::kGiveUp;
  Abandon();
  return ready;
}

Status StoreWorker::SetAside() {
  std::filesystem::path aside = kept_->NewName(KeptFiles::kDamaged);
  // Where a power cut came between two of the steps below, they go on with the same name.
  if (const auto begun = files_.Read(Beside(kSalvageNote)); begun && *begun) {
    if ((*begun)->starts_with(Beside(KeptFiles::kDamaged).native()) && !files_.Exists(**begun)) aside = **begun;
  }
  // What is to be salvaged must be known before the file is gone. Without room for that note it is kept all the same.
  Status noted = files_.WriteSynced(Beside(kSalvageNote), aside.native());
  if (!noted && ReleaseReserve()) noted = files_.WriteSynced(Beside(kSalvageNote), aside.native());
  if (noted) noted = files_.SyncFolder(options_.file.parent_path());
  if (!noted) log::Error("store.salvage_failed", noted.error().message, {{"file", aside.string()}});
  // Were it left behind, it would count as that of the next database.
  if (const auto words = DictionaryCopy::Beside(options_.file); files_.Exists(words)) {
    if (const Status moved = files_.Rename(words, DictionaryCopy::Beside(aside)); !moved) return moved;
    if (const Status synced = files_.SyncFolder(options_.file.parent_path()); !synced) return synced;
    words_copy_ = std::make_unique<DictionaryCopy>(words, files_);
  }
  // The database first, durably: without its WAL it could be an older state that opens without complaint.
  for (const char* part : {"", "-wal", "-shm"}) {
    std::filesystem::path to = aside;
    to += part;
    const Status moved = files_.Rename(Beside(part), to);
    if (moved) log::Notice("store.set_aside", "kept for salvage", {{"file", to.string()}});
    if (!moved && *part == '\0' && files_.Exists(options_.file))
      return Fail(moved.error().WithContext("cannot move the damaged file aside"));
    if (const Status synced = files_.SyncFolder(options_.file.parent_path()); !synced) return synced;
  }
  return {};
}

bool StoreWorker::HasSalvageNote() const {
  return files_.Size(Beside(kSalvageNote)) > 0;
}

// A power cut may have come between the database and its WAL, which SQLite would remove.
Status StoreWorker::FinishSetAside() {
  if (!HasSalvageNote() || files_.Exists(options_.file)) return {};
  const auto note = files_.Read(Beside(kSalvageNote));
  if (!note) return Fail(note.error());
  const std::filesystem::path wal = **note + "-wal";
  if (!files_.Exists(**note) || !files_.Exists(WalFile()) || files_.Exists(wal)) return {};
  if (const Status moved = files_.Rename(WalFile(), wal); !moved) return moved;
  return files_.SyncFolder(options_.file.parent_path());
}

// The note of SetAside: prepares the new file before it has a row of its own.
Status StoreWorker::BeginSalvage() {
  const auto note = files_.Read(Beside(kSalvageNote));
  if (!note) return Fail(note.error());
  if (!*note || (*note)->empty()) return {};
  const std::filesystem::path aside(**note);
  // A power cut came before the database was moved: it is still in its place, and as damaged as it was. The note says
  // where its names may be by now.
  const std::filesystem::path wal = aside.native() + "-wal";
  if (!files_.Exists(aside) && !files_.Exists(wal)) return {};
  if (files_.Size(aside) > 0 || files_.Size(wal) > 0) {
    if (const Status begun = Salvage::Begin(*database_, *mark_, aside, vfs_->name(), files_); !begun) return begun;
  }
  return files_.WriteSynced(Beside(kSalvageNote), {});
}

Result<std::map<std::string, std::string>> StoreWorker::Settings() {
  std::map<std::string, std::string> settings;
  auto rows = database_->Prepare("SELECT key, value, sum FROM setting");
  if (!rows) return Fail(rows.error());
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return Fail(row.error());
    if (!*row) return settings;
    if (!rows->HasSum(2, PairSum(rows->Bytes(0), rows->Bytes(1)))) {
      log::Error("store.damaged_setting", "a setting is damaged and forgotten", {{"key", rows->Bytes(0)}});
      continue;
    }
    settings.emplace(rows->Bytes(0), rows->Bytes(1));
  }
}

std::uint64_t StoreWorker::ReserveBytes() const {
  return std::clamp<std::uint64_t>(options_.settings.max_size / 16, 4096, kReserveBytes);
}

void StoreWorker::LayInReserve() {
  const std::uint64_t bytes = ReserveBytes();
  if (files_.Size(Beside(kReserveFile)) > 0 || files_.SpaceAt(options_.file).free < kReserveLeaves * bytes) return;
  // Not zeros: a file system may keep them without taking the space.
  std::string content;
  for (std::uint64_t word = 1; content.size() < bytes; word = word * 6364136223846793005 + 1442695040888963407) {
    content.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  if (!files_.WriteSynced(Beside(kReserveFile), content)) ReleaseReserve();
}

bool StoreWorker::ReleaseReserve() {
  if (files_.Size(Beside(kReserveFile)) == 0) return false;
  log::Warning("store.reserve", "no space is left: the reserve is given up",
               {{"file", Beside(kReserveFile).string()}, {"bytes", files_.Size(Beside(kReserveFile))}});
  return files_.WriteSynced(Beside(kReserveFile), {}).has_value();
}

bool StoreWorker::NoSpace() const {
  return files_.SpaceAt(options_.file).free < ReserveBytes();
}

}  // namespace penumbra
