// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_MODULE_SYMBOLS_H_
#define PQLEASH_REPORTER_SYMBOLS_MODULE_SYMBOLS_H_

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reporter/symbols/code_segment.h"
#include "reporter/symbols/inlined_frames.h"
#include "reporter/symbols/module_file.h"
#include "reporter/symbols/source_frame.h"
#include "reporter/symbols/unit_index.h"

namespace pqleash::reporter {

// The symbols and debug information of one module, from its file and from separate debug
// information. Of a file that belongs neither to root nor to us, or lies in another root, the
// latter is taken by build id from /usr/lib/debug alone, and nothing that the file names is opened.
// Not thread-safe.
class ModuleSymbols {
 public:
  explicit ModuleSymbols(const ModuleFile& module);

  bool found() const { return module_ != nullptr; }

  // Why there are no symbols; empty where there are.
  const std::string& note() const { return note_; }

  // function, file, line, column and `inlined` of the frames at a return address, innermost first;
  // empty: nothing known.
  std::vector<SourceFrame> At(uint64_t return_address) const;

  // 'name+0x10' of the variable that contains `address`; empty: not known.
  std::string ObjectAt(uint64_t address) const;

  // The first, where there are several; no value: not known.
  std::optional<CodeSegment> Code() const;

 private:
  struct EndSession {
    void operator()(Dwfl* session) const { dwfl_end(session); }
  };

  enum class Outcome { kOpened, kMissing, kOtherBuildId, kNotElf, kLeadsElsewhere };
  Outcome Open(const std::string& path, const std::string& build_id);
  std::string SymbolAt(GElf_Addr address) const;

  std::unique_ptr<Dwfl, EndSession> session_;
  Dwfl_Module* module_ = nullptr;  // belongs to the session
  GElf_Addr bias_ = 0;             // of the session: address there minus address in the file
  std::string note_;
  mutable UnitIndex units_;  // both: what was read already
  mutable InlinedFrames inlined_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_MODULE_SYMBOLS_H_
