// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <optional>

namespace pqleash::reporter {
namespace {

// As PostgreSQL does with its private keys: nobody but the owner, or root's and readable by its
// group, which is how orchestrators hand secrets out.
mode_t ClosedBits(const struct stat& status) { return status.st_uid == 0 ? 037 : 077; }

constexpr size_t kMaxFileBytes = 64 << 10;
constexpr size_t kMaxCredentials = 100;

std::string Base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

std::string_view Trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

struct Scheme {
  std::string name;  // in lower case
  std::string_view rest;
};

Scheme SchemeOf(std::string_view text) {
  text = Trim(text);
  const size_t space = std::min(text.find(' '), text.size());
  Scheme scheme;
  for (const char c : text.substr(0, space)) {
    scheme.name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  scheme.rest = Trim(text.substr(space));
  return scheme;
}

// As a client sends it. No value: the line is wrong.
std::optional<std::string> HeaderFor(std::string_view line) {
  const Scheme scheme = SchemeOf(line);
  if (scheme.rest.empty()) return std::nullopt;
  if (scheme.name == "bearer" && scheme.rest.find(' ') == std::string_view::npos) {
    return "bearer " + std::string(scheme.rest);
  }
  const size_t colon = scheme.rest.find(':');
  const bool whole = colon != std::string_view::npos && colon > 0 && colon + 1 < scheme.rest.size();
  if (scheme.name == "basic" && whole) return "basic " + Base64(scheme.rest);
  return std::nullopt;
}

std::string Problem(const std::string& path, const std::string& what) {
  return fmt::format("the file of credentials {} {}", path, what);
}

}  // namespace

Credentials::Digest Credentials::DigestOf(std::string_view authorization) {
  const Scheme scheme = SchemeOf(authorization);
  const std::string normal = scheme.name + ' ' + std::string(scheme.rest);
  Digest digest = {};
  SHA256(reinterpret_cast<const unsigned char*>(normal.data()), normal.size(), digest.data());
  return digest;
}

bool Credentials::Accept(std::string_view authorization) const {
  const Digest given = DigestOf(authorization);
  bool accepted = false;
  // All of them, so that the time says nothing about which one it was.
  for (const Digest& digest : digests_) {
    accepted |= CRYPTO_memcmp(digest.data(), given.data(), digest.size()) == 0;
  }
  return accepted;
}

std::variant<Credentials, std::string> ParseCredentials(std::string_view text) {
  Credentials credentials;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::optional<std::string> header = HeaderFor(line);
    if (!header) {
      return fmt::format("has a line {} that is neither 'basic USER:PASSWORD' nor 'bearer TOKEN'",
                         number);
    }
    if (credentials.digests_.size() == kMaxCredentials) {
      return fmt::format("has more than {} lines", kMaxCredentials);
    }
    credentials.digests_.push_back(Credentials::DigestOf(*header));
  }
  if (credentials.empty()) {
    return "names nobody, expected a line 'basic USER:PASSWORD' or 'bearer TOKEN'";
  }
  return credentials;
}

std::variant<Credentials, std::string> ReadCredentials(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Problem(path, fmt::format("cannot be opened: {}", std::strerror(errno)));
  struct stat status = {};
  std::string problem;
  std::string text(kMaxFileBytes + 1, '\0');
  ssize_t size = 0;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    problem = "is no regular file";
  } else if (status.st_uid != geteuid() && status.st_uid != 0) {
    problem = "belongs to somebody else, expected this user or root";
  } else if ((status.st_mode & ClosedBits(status)) != 0) {
    problem = fmt::format(
        "is open to others (mode {:04o}), expected 0600, or 0640 where root owns "
        "it: `chmod 600` it",
        status.st_mode & 07777);
  } else {
    size = read(fd, text.data(), text.size());
    if (size < 0) problem = fmt::format("cannot be read: {}", std::strerror(errno));
    if (size > static_cast<ssize_t>(kMaxFileBytes)) problem = "is larger than 64 KiB";
  }
  close(fd);
  if (!problem.empty()) return Problem(path, problem);
  text.resize(static_cast<size_t>(size));
  auto parsed = ParseCredentials(text);
  OPENSSL_cleanse(text.data(), text.size());
  if (const auto* clause = std::get_if<std::string>(&parsed)) return Problem(path, *clause);
  return parsed;
}

}  // namespace pqleash::reporter
