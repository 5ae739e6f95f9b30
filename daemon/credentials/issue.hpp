// Makes a thing's private key and the request for its certificate, on the device: the key is written once, readable by
// its owner only, and never leaves. Deliberately does not talk to anybody: the request is for `penumbra provision`, for
// Terraform or for the AWS command line. Blocking; any thread. Source: RFC 2986; aws-iot-core.md sections 1 and 4.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace penumbra {

enum class KeyKind { kP256, kRsa2048 };

// A new key at `path`, mode 0600, on disk when this returns; the folder is made (0700) when it is missing. Errors:
// kGiveUp when there is a file already (a key is never overwritten), kFixConfig when the place cannot be written.
Status MakePrivateKey(const std::filesystem::path& path, KeyKind kind);

// The certificate request (PEM) for the key at `path` (a file or a pkcs11: URI), subject CN = `thing`, or its first 64
// characters. Errors:
// kFixConfig: no such key, or not one that OpenSSL can use.
Result<std::string> MakeCertificateRequest(const std::filesystem::path& path, const std::string& thing);

// Writes `pem` to `path` as a whole or not at all (temporary file, fsync, rename, fsync of the folder).
Status InstallFile(const std::filesystem::path& path, const std::string& pem, mode_t mode = 0644);

// A folder of mode 0700, unless it is there already. kFixConfig where it cannot be made.
Status MakeFolder(const std::filesystem::path& folder);

// rename(2) and fsync of the folder. kFixConfig where that fails; a `from` that is not there is no error: it was done.
Status MoveInPlace(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace penumbra
