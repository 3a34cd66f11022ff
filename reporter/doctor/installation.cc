// SPDX-License-Identifier: Apache-2.0

#include "reporter/doctor/installation.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "reporter/launch/child.h"
#include "reporter/launch/preload.h"

namespace pqleash::reporter {
namespace {

constexpr char kHarmless[] = "/bin/true";
constexpr size_t kMaxOutput = 400;  // bytes that are worth showing

std::string ReadBack(int fd) {
  std::string text(kMaxOutput, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

// Asked in a child: what cannot be loaded may do worse than fail.
std::optional<std::string> VersionOf(const std::string& library) {
  const int out = memfd_create("version", MFD_CLOEXEC);
  if (out < 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    void* handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
    using Version = const char* (*)();
    const auto version =
        handle == nullptr ? nullptr : reinterpret_cast<Version>(dlsym(handle, "pqleash_version"));
    const char* text = version == nullptr ? "" : version();
    _exit(dprintf(out, "%s", text) < 0 ? 1 : 0);
  }
  if (child > 0) waitpid(child, nullptr, 0);
  std::string text = ReadBack(out);
  close(out);
  if (text.empty()) return std::nullopt;
  return text;
}

void TryOut(Installation* installation) {
  const int out = memfd_create("output", MFD_CLOEXEC);
  if (out < 0) return;
  const char* existing = std::getenv("LD_PRELOAD");
  const std::string preload = PreloadValue(installation->library, existing ? existing : "");
  const ChildResult result = RunChild({kHarmless}, {{"LD_PRELOAD", preload}}, {out, out});
  installation->tried = true;
  installation->start_error = result.start_error;
  installation->wait_status = result.wait_status;
  installation->output = ReadBack(out);
  close(out);
}

Check JudgeVersion(const Installation& installation) {
  constexpr char kReinstall[] =
      "install tool and library together: a ledger is read only by the version that wrote it";
  if (!installation.version) {
    return Fail("library", fmt::format("{} does not say its version", installation.library),
                kReinstall);
  }
  if (*installation.version != installation.tool_version) {
    return Fail("library",
                fmt::format("{} has version {}, and this tool {}", installation.library,
                            *installation.version, installation.tool_version),
                kReinstall);
  }
  return Ok("library", fmt::format("{}, version {} as this tool", installation.library,
                                   *installation.version));
}

Check JudgeTrial(const Installation& installation) {
  constexpr char kWhat[] = "preload";
  if (!installation.tried || installation.start_error != 0) {
    return Warn(kWhat,
                fmt::format("{} could not be run to try it{}", kHarmless,
                            installation.start_error == 0
                                ? std::string()
                                : fmt::format(": {}", std::strerror(installation.start_error))),
                "try it by hand: LD_PRELOAD=" + installation.library + " true");
  }
  if (!installation.output.empty()) {
    return Fail(kWhat,
                fmt::format("{} under the library wrote '{}'", kHarmless, installation.output),
                "the dynamic linker says what it lacks: install the library that was built for "
                "this system, where every user may read it");
  }
  if (!WIFEXITED(installation.wait_status) || WEXITSTATUS(installation.wait_status) != 0) {
    return Fail(kWhat,
                WIFSIGNALED(installation.wait_status)
                    ? fmt::format("{} under the library was ended by signal {}", kHarmless,
                                  WTERMSIG(installation.wait_status))
                    : fmt::format("{} under the library exited with {}", kHarmless,
                                  WEXITSTATUS(installation.wait_status)),
                "do not use this library; build it on this system, and report what you see");
  }
  return Ok(kWhat, fmt::format("{} runs under the library without a word", kHarmless));
}

}  // namespace

Installation LookAtInstallation(const std::string& library) {
  Installation installation;
  installation.tool_version = PQLEASH_VERSION;
  installation.library = library.empty() ? FindLibrary().value_or("") : library;
  if (installation.library.empty()) return installation;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(installation.library, error);
  if (!error) installation.library = absolute.string();
  installation.problem = LibraryProblem(installation.library).value_or("");
  if (!installation.problem.empty()) return installation;
  installation.version = VersionOf(installation.library);
  TryOut(&installation);
  return installation;
}

std::vector<Check> Judge(const Installation& installation) {
  constexpr char kInstall[] =
      "install the library beside the tool (`cmake --install`), or name it with --library";
  if (installation.library.empty()) {
    return {Fail("library", "libpqleash.so is not beside this tool", kInstall)};
  }
  if (!installation.problem.empty()) return {Fail("library", installation.problem, kInstall)};
  return {JudgeVersion(installation), JudgeTrial(installation)};
}

}  // namespace pqleash::reporter
