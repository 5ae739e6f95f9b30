// What StoreWorker does when its files are taken away while it uses them: by somebody who cleans up, a backup copied
// over a running store, a state directory mounted over. The connection goes on without a complaint, into files that
// nobody finds again; but it also still has everything, and a copy of that takes the old place.
//
// A file that lies under our name and is not ours is kept as <database>.foreign-<date>: nobody can tell here whether it
// is worth something. Until there is a copy nothing is committed, because a commit would promise what a power cut
// breaks.
#include "base/log.hpp"
#include "store/store_worker.hpp"

namespace penumbra {
namespace {

constexpr std::string_view kRescued = ".rescued";

}  // namespace

// Looked at before each commit: two system calls.
bool StoreWorker::IsDetached() const {
  return database_ != nullptr && (database_->HasMoved() || (database_->wal_bytes() > 0 && !files_.Exists(WalFile())));
}

// Leaves the connection closed and everything under the database's name, or, with an error, as it was.
Status StoreWorker::Rescue() {
  // Whoever has removed everything may have started another daemon as well.
  if (!files_.Exists(Beside(".lock"))) {
    if (const Status locked = TakeLock(); !locked) return locked;
  }
  if (!database_->HasMoved()) return RescueWal();
  const std::filesystem::path rescued = Beside(kRescued);
  Status done = files_.WriteSynced(rescued, {});
  if (done) done = database_->CopyTo(rescued);
  if (done) done = files_.Rewrite(rescued);
  if (!done && database_->corrupt()) {  // then there is no more to it than to begin anew
    log::Error("store.rescue_failed", done.error().message, {{"file", options_.file.string()}});
    done = files_.WriteSynced(rescued, {});
  }
  if (!done) return Fail(done.error().WithContext("copying the store to where it was"));
  if (const Status moved = MoveForeignAway(); !moved) return moved;
  RememberUnsent();
  Abandon();
  done = FinishRescue();
  if (!done) return done;
  words_copy_ = std::make_unique<DictionaryCopy>(DictionaryCopy::Beside(options_.file), files_);
  log::Warning("store.rescued", "the database file had been removed or replaced; all of it is back in its place",
               {{"file", options_.file.string()}});
  return mark_->Renew();
}

// Only the WAL is gone: what is in it goes into the file.
Status StoreWorker::RescueWal() {
  if (const Status done = database_->Checkpoint(true); !done) return done;
  if (database_->wal_bytes() > 0) return Fail(Action::kRetry, "the WAL was removed while somebody reads from it");
  RememberUnsent();
  Abandon();
  log::Warning("store.rescued", "the WAL had been removed; all of it is in the database file",
               {{"file", options_.file.string()}});
  return {};
}

Status StoreWorker::MoveForeignAway() {
  const std::filesystem::path foreign = kept_->NewName(KeptFiles::kForeign);
  // A WAL that stayed would be taken for that of the copy. The database last: without it the copy takes its place.
  for (const char* part : {"-wal", "-shm", ""}) {
    if (!files_.Exists(Beside(part))) continue;
    std::filesystem::path to = foreign;
    to += part;
    if (const Status moved = files_.Rename(Beside(part), to); !moved) return moved;
    if (*part != '\0') continue;
    log::Warning("store.foreign", "a file that is not the store's lay under its name; it is kept",
                 {{"file", to.string()}});
  }
  return files_.SyncFolder(options_.file.parent_path());
}

// Also at a start: the power may have been cut before the copy got its name. One that was not finished is as good as a
// damaged file, which can be salvaged. Where another file has the name by now nobody can tell which of the two is
// wanted: that one is used, and the copy kept.
Status StoreWorker::FinishRescue() {
  const std::filesystem::path rescued = Beside(kRescued);
  if (files_.Size(rescued) == 0) return {};
  if (files_.Exists(options_.file)) {
    const std::filesystem::path kept = kept_->NewName(KeptFiles::kDamaged);
    log::Warning("store.rescue_interrupted",
                 "a copy of the store had not been put in its place, where another file is now",
                 {{"file", kept.string()}});
    if (const Status moved = files_.Rename(rescued, kept); !moved) return moved;
    return files_.SyncFolder(options_.file.parent_path());
  }
  if (const Status moved = MoveForeignAway(); !moved) return moved;
  if (const Status moved = files_.Rename(rescued, options_.file); !moved) return moved;
  return files_.SyncFolder(options_.file.parent_path());
}

}  // namespace penumbra
