#include "credentials/issue.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/unique_fd.hpp"
#include "credentials/private_key.hpp"

namespace penumbra {
namespace {

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509_REQ* p) const { X509_REQ_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

tl::unexpected<Error> OpenSslFailed(std::string_view what) {
  const unsigned long code = ERR_get_error();
  const char* reason = ERR_reason_error_string(code);
  return Fail(Action::kFatal, fmt::format("{}: {}", what, reason != nullptr ? reason : "unknown failure of OpenSSL"));
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

// Run as root the files must still be the daemon's: they get the owner of the folder they are in.
void GiveToOwnerOf(int fd, const std::filesystem::path& folder) {
  struct stat info {};
  if (::geteuid() != 0 || ::stat(folder.empty() ? "." : folder.c_str(), &info) != 0) return;
  if (info.st_uid != 0 && ::fchown(fd, info.st_uid, info.st_gid) != 0) ::fchmod(fd, 0600);
}

// All of it and onto the disk, or an error and no file.
Status WriteNew(const std::filesystem::path& path, const std::string& bytes, mode_t mode) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) {
    if (errno == EEXIST) {
      return Fail(Action::kGiveUp, fmt::format("{} is there already and is not overwritten", path.string()));
    }
    return Fail(Action::kFixConfig, ErrnoMessage("cannot write " + path.string(), errno));
  }
  GiveToOwnerOf(fd.get(), path.parent_path());
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t n = ::write(fd.get(), bytes.data() + written, bytes.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    written += static_cast<std::size_t>(n);
  }
  if (written == bytes.size() && ::fchmod(fd.get(), mode) == 0 && ::fsync(fd.get()) == 0) return {};
  const Error error{Action::kFixConfig, ErrnoMessage("cannot write " + path.string(), errno)};
  ::unlink(path.c_str());
  return Fail(error);
}

Status SyncFolder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd && ::fsync(fd.get()) == 0) return {};
  return Fail(Action::kFixConfig, ErrnoMessage("cannot sync " + folder.string(), errno));
}

}  // namespace

Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return {};
  std::filesystem::create_directories(folder, error);
  if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) GiveToOwnerOf(fd.get(), folder.parent_path());
  if (error) return Fail(Action::kFixConfig, fmt::format("cannot make {}: {}", folder.string(), error.message()));
  return {};
}

Status MakePrivateKey(const std::filesystem::path& path, KeyKind kind) {
  if (auto made = MakeFolder(path.parent_path()); !made) return made;
  const Owned<EVP_PKEY> key(kind == KeyKind::kRsa2048 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
  if (!key) return OpenSslFailed("making a key");
  const Owned<BIO> pem(BIO_new(BIO_s_mem()));
  if (!pem || PEM_write_bio_PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslFailed("encoding a key");
  }
  std::string text = TextOf(pem.get());
  const Status written = WriteNew(path, text, 0600);
  OPENSSL_cleanse(text.data(), text.size());
  if (!written) return written;
  return SyncFolder(path.parent_path());
}

Result<std::string> MakeCertificateRequest(const std::filesystem::path& path, const std::string& thing) {
  const auto key = LoadPrivateKey(path);
  if (!key) return Fail(key.error());
  const Owned<X509_REQ> request(X509_REQ_new());
  X509_NAME* name = request ? X509_REQ_get_subject_name(request.get()) : nullptr;
  // A longer name does not fit into X.509, and AWS does not look there: it goes by what the certificate is attached to.
  const auto* common_name = reinterpret_cast<const unsigned char*>(thing.c_str());
  const auto length = static_cast<int>(std::min<std::size_t>(thing.size(), ub_common_name));
  const bool made = name != nullptr && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, common_name, length, -1, 0) == 1 &&
                    X509_REQ_set_pubkey(request.get(), key->get()) == 1 &&
                    X509_REQ_sign(request.get(), key->get(), EVP_sha256()) > 0;
  if (!made) return OpenSslFailed("making a certificate request");
  const Owned<BIO> pem(BIO_new(BIO_s_mem()));
  if (!pem || PEM_write_bio_X509_REQ(pem.get(), request.get()) != 1) return OpenSslFailed("encoding a request");
  return TextOf(pem.get());
}

Status InstallFile(const std::filesystem::path& path, const std::string& pem, mode_t mode) {
  if (auto made = MakeFolder(path.parent_path()); !made) return made;
  const std::filesystem::path temporary = path.string() + ".new";
  ::unlink(temporary.c_str());  // of an attempt that was interrupted
  if (auto written = WriteNew(temporary, pem, mode); !written) return written;
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error{Action::kFixConfig, ErrnoMessage("cannot replace " + path.string(), errno)};
    ::unlink(temporary.c_str());
    return Fail(error);
  }
  return SyncFolder(path.parent_path());
}

Status MoveInPlace(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
    return Fail(Action::kFixConfig, ErrnoMessage("cannot replace " + to.string(), errno));
  }
  return SyncFolder(to.parent_path());
}

}  // namespace penumbra
