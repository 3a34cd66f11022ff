// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/frame_description.h"

#include <dlfcn.h>

#include <cinttypes>

namespace pqleash::tracker {

FrameDescription DescribeFrame(const Process& process, uint64_t frame) noexcept {
  FrameDescription description = {};
  const uint64_t kind = ledger::FrameKind(frame);
  description.offset = ledger::FrameValue(frame);
  if (kind == ledger::kFrameNoModule) return description;
  if (kind == ledger::kFrameScript) {
    const ledger::ScriptFrame& script =
        process.script_frames.At(static_cast<uint32_t>(description.offset));
    description.language = static_cast<ledger::Language>(script.language);
    description.function = process.script_frames.Text(script.function);
    description.file = process.script_frames.Text(script.file);
    description.line = script.line;
    description.offset = 0;
    return description;
  }
  ledger::Module module = {};
  if (!ledger::ReadWhole(
          process.ledger.At<ledger::Module>(ledger::kModules, static_cast<uint32_t>(kind - 1)),
          &module)) {
    return description;
  }
  description.module = process.strings.Get(module.path);
  // The call is before the return address.
  const auto* address = reinterpret_cast<const char*>(module.bias + description.offset -
                                                      1);  // NOLINT: an address, not an object
  Dl_info symbol = {};
  if (module.state == ledger::kModuleLoaded && dladdr(address, &symbol) != 0 &&
      symbol.dli_sname != nullptr) {
    description.function = symbol.dli_sname;
  }
  return description;
}

void PrintFrame(const FrameDescription& frame, BoundedText* text) noexcept {
  text->AppendPrintable(frame.function.empty() ? "?" : frame.function);
  text->Append("  ");
  if (frame.language != ledger::kNative) {
    text->AppendPrintable(frame.file);
    if (frame.line != 0) text->Print(":%u", frame.line);
    return;
  }
  text->AppendPrintable(frame.module);
  text->Print("%s0x%" PRIx64, frame.module.empty() ? "" : "+", frame.offset);
}

}  // namespace pqleash::tracker
