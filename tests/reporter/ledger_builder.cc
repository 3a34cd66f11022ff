// SPDX-License-Identifier: Apache-2.0

#include "tests/reporter/ledger_builder.h"

#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace pqleash::reporter {
namespace {

template <size_t kSize>
void Copy(const std::string& text, char (&field)[kSize]) {
  std::strncpy(field, text.c_str(), kSize);
}

uint64_t At(double seconds) {
  return kTestStart + static_cast<uint64_t>(seconds * static_cast<double>(kTestSecond));
}

template <typename Record>
void Lay(ledger::SectionIndex index, const Record* records, size_t count, uint32_t spare,
         ledger::Header* header, std::string* bytes) {
  bytes->resize((bytes->size() + 63) / 64 * 64);
  header->sections[index] = {bytes->size(), sizeof(Record), static_cast<uint32_t>(count) + spare};
  bytes->append(reinterpret_cast<const char*>(records), count * sizeof(Record));
  bytes->resize(bytes->size() + spare * sizeof(Record));
}

}  // namespace

LedgerBuilder::LedgerBuilder() : call_sites(1), targets(1), strings(4, '\0') {
  std::memcpy(header.magic, ledger::kMagic, sizeof header.magic);
  header.version = ledger::kVersion;
  header.header_size = ledger::kHeaderSize;
  header.byte_order = ledger::kByteOrder;
  header.process_state = ledger::kProcessLive;
  header.pid = 4711;
  header.parent_pid = 1;
  header.uid = 1000;
  header.stack_depth = 32;
  header.pid_namespace = 4026531836;
  header.start_ticks = 5000;
  header.created_realtime_ns = 1'763'700'000 * kTestSecond;
  header.created_monotonic_ns = kTestStart;
  Copy("0f1e2d3c-0000-4000-8000-000000000001", header.boot_id);
  Copy("orders", header.service);
  Copy("db-client-7", header.host_name);
  Copy("0.1.0", header.library_version);
  header.exe = AddString("/opt/orders/bin/orders");
  header.unwinder = ledger::kUnwinderCfi;
  header.libpq_copies_used = 1;
  header.libpq_copies[0] = {AddString("/usr/lib/x86_64-linux-gnu/libpq.so.5.15"), 150018,
                            ledger::kWayBound, 0};
}

ledger::StringRef LedgerBuilder::AddString(const std::string& text) {
  const auto reference = static_cast<ledger::StringRef>(strings.size());
  const auto size = static_cast<uint32_t>(text.size());
  strings.append(reinterpret_cast<const char*>(&size), sizeof size);
  strings.append(text).push_back('\0');
  strings.resize((strings.size() + 3) / 4 * 4);
  return reference;
}

uint32_t LedgerBuilder::AddModule(const std::string& path, const std::string& build_id) {
  ledger::Module module = {};
  module.state = ledger::kModuleLoaded;
  module.bias = module.begin = 0x550000000000;
  module.end = module.begin + 0x10000;
  module.path = AddString(path);
  module.build_id_size = static_cast<uint32_t>(build_id.size());
  std::memcpy(module.build_id, build_id.data(), build_id.size());
  modules.push_back(module);
  return static_cast<uint32_t>(modules.size() - 1);
}

uint32_t LedgerBuilder::AddScriptFrame(ledger::Language language, const std::string& function,
                                       const std::string& file, uint32_t line) {
  script_frames.push_back({language, line, AddString(function), AddString(file)});
  return static_cast<uint32_t>(script_frames.size() - 1);
}

uint32_t LedgerBuilder::AddCallSite(uint64_t id, const std::vector<uint64_t>& stack) {
  ledger::CallSite site = {};
  site.id = id;
  site.first_frame = static_cast<uint32_t>(frames.size());
  site.frame_count = static_cast<uint16_t>(stack.size());
  site.first_ns = site.last_ns = kTestStart;
  frames.insert(frames.end(), stack.begin(), stack.end());
  call_sites.push_back(site);
  return static_cast<uint32_t>(call_sites.size() - 1);
}

uint32_t LedgerBuilder::AddTarget(const std::string& host, uint32_t port, const std::string& user,
                                  const std::string& dbname, const std::string& application_name) {
  ledger::Target target = {};
  target.ready = 1;
  target.port = port;
  target.host = AddString(host);
  target.dbname = AddString(dbname);
  target.user = AddString(user);
  target.application_name = AddString(application_name);
  targets.push_back(target);
  return static_cast<uint32_t>(targets.size() - 1);
}

ledger::ConnectionSlot& LedgerBuilder::AddConnection(uint32_t call_site, uint32_t target,
                                                     double opened_s, double used_s,
                                                     uint64_t commands) {
  ledger::ConnectionSlot slot = {};
  slot.sequence = 2;
  slot.state = ledger::kEstablished;
  slot.handle = 0x55d0c1a2b000 + 0x100 * connections.size();
  slot.call_site = call_site;
  slot.target = target;
  slot.tid = header.pid;
  slot.backend_pid = static_cast<int32_t>(9000 + connections.size());
  slot.opened_ns = At(opened_s);
  slot.established_ns = slot.opened_ns + kTestSecond / 500;
  slot.last_activity_ns = At(used_s);
  Copy("worker", slot.thread_name);
  slot.commands = commands;
  connections.push_back(slot);
  ledger::CallSite& site = call_sites.at(call_site);
  ++site.opened;
  ++site.open;
  ++site.peak;
  site.last_ns = slot.opened_ns;
  ++header.opened;
  ++header.open;
  ++header.peak;
  return connections.back();
}

ledger::ConnectionSlot& LedgerBuilder::AddInherited(uint32_t call_site, uint32_t target,
                                                    int32_t opener_pid, uint32_t touched_site,
                                                    const std::string& touched_by) {
  ledger::ConnectionSlot slot = {};
  slot.sequence = 2;
  slot.state = ledger::kInherited;
  slot.handle = 0x55d0c1a2b000 + 0x100 * connections.size();
  slot.call_site = call_site;
  slot.target = target;
  slot.tid = header.pid;
  slot.backend_pid = static_cast<int32_t>(9000 + connections.size());
  slot.opened_ns = slot.established_ns = At(0);
  slot.last_activity_ns = At(500);
  slot.used_site = touched_site;
  slot.touched_by = AddString(touched_by);
  slot.opener_pid = opener_pid;
  connections.push_back(slot);
  return connections.back();
}

ledger::HistoryPeriod& LedgerBuilder::AddPeriod(double at_s) {
  ledger::HistoryPeriod period = {};
  period.period = At(at_s) / ledger::kHistoryPeriodNs;
  history.push_back(period);
  return history.back();
}

std::string LedgerBuilder::Bytes() const {
  ledger::Header final = header;
  std::string bytes(ledger::kHeaderSize, '\0');
  Lay(ledger::kConnections, connections.data(), connections.size(), spare, &final, &bytes);
  Lay(ledger::kCallSites, call_sites.data(), call_sites.size(), spare, &final, &bytes);
  Lay(ledger::kFrames, frames.data(), frames.size(), spare, &final, &bytes);
  Lay(ledger::kScriptFrames, script_frames.data(), script_frames.size(), spare, &final, &bytes);
  Lay(ledger::kModules, modules.data(), modules.size(), spare, &final, &bytes);
  Lay(ledger::kTargets, targets.data(), targets.size(), spare, &final, &bytes);
  Lay(ledger::kStrings, strings.data(), strings.size(), spare, &final, &bytes);
  Lay(ledger::kHistory, history.data(), history.size(), spare, &final, &bytes);
  Lay(ledger::kBoard, board.data(), board.size(), spare, &final, &bytes);
  final.connections_high_water = static_cast<uint32_t>(connections.size());
  final.call_sites_used = static_cast<uint32_t>(call_sites.size());
  final.frames_used = static_cast<uint32_t>(frames.size());
  final.script_frames_used = static_cast<uint32_t>(script_frames.size());
  final.modules_used = static_cast<uint32_t>(modules.size());
  final.targets_used = static_cast<uint32_t>(targets.size());
  final.strings_used = static_cast<uint32_t>(strings.size());
  final.file_size = bytes.size();
  std::memcpy(bytes.data(), &final, sizeof final);
  return bytes;
}

void LedgerBuilder::WriteTo(const std::string& path) const { WriteFile(path, Bytes()); }

uint64_t ModuleFrame(uint32_t module, uint64_t offset) {
  return ledger::EncodeFrame(uint64_t{module} + 1, offset);
}

uint64_t ScriptFrameAt(uint32_t script_frame) {
  return ledger::EncodeFrame(ledger::kFrameScript, script_frame);
}

LedgerBuilder ExampleLedger() {
  LedgerBuilder ledger;
  const uint32_t program = ledger.AddModule("/opt/orders/bin/orders", "\x01\x02\x03");
  const uint32_t driver = ledger.AddModule("/usr/lib/x86_64-linux-gnu/libdriver.so.1", "\x04\x05");
  const uint32_t script =
      ledger.AddScriptFrame(ledger::kPython, "handle_order", "/srv/orders/views.py", 42);
  const uint32_t server = ledger.AddTarget("10.0.0.3", 5432, "app", "shop", "orders-web");

  const uint32_t leak = ledger.AddCallSite(
      0x1111,
      {ModuleFrame(driver, 0x1234), ModuleFrame(program, 0x5678), ModuleFrame(program, 0x9abc)});
  for (int i = 0; i < 7; ++i) {
    ledger::ConnectionSlot& slot = ledger.AddConnection(leak, server, 10 * i, 10 * i + 1, 3);
    slot.libpq = 0;
    slot.use_counts[0] = 3;
  }
  const uint32_t pool = ledger.AddCallSite(0x2222, {ScriptFrameAt(script)});
  ledger.AddConnection(pool, server, 1, 1990, 500).transaction = ledger::kTransactionOpen;
  ledger.AddConnection(pool, server, 2, 1995, 700).in_call = ledger.AddString("PQexec");
  ledger.connections.back().transaction = ledger::kTransactionActive;
  ledger.AddConnection(pool, server, 3, 3, 0);

  const uint32_t failing = ledger.AddCallSite(0x3333, {ledger::EncodeFrame(0, 0x7f0012345678)});
  ledger::ConnectionSlot& failed = ledger.AddConnection(failing, 0, 100, 101, 0);
  failed.state = ledger::kFailed;
  failed.established_ns = 0;
  failed.backend_pid = 0;
  failed.transaction = ledger::kTransactionUnknown;
  ledger::CallSite& site = ledger.call_sites[failing];
  site.opened = 0;
  site.open = site.peak = 0;
  site.failed = 1;
  ledger.header.opened = ledger.header.open = ledger.header.peak = 10;
  ledger.header.failed = 1;

  ledger.connections[7].busy_since_ns = At(1'985);
  ledger.connections[8].busy_since_ns = At(1'995);
  ledger.connections[8].busy_ns = 800 * kTestSecond;
  ledger.connections[8].use_counts[0] = 690;
  ledger.connections[8].use_counts[7] = 10;
  ledger.call_sites[leak].in_use_peak = 1;
  ledger.call_sites[leak].opened_beside_idle = 6;
  ledger.call_sites[leak].busy_ns = 7 * kTestSecond;
  ledger.call_sites[pool].in_use = ledger.call_sites[pool].in_use_peak = 2;
  ledger.call_sites[pool].busy_ns = 1'000 * kTestSecond;
  ledger.header.in_use = 2;
  ledger.header.in_use_peak = 3;
  ledger.header.create_time = {10 * kTestSecond / 500, {}};
  ledger.header.create_time.buckets[11] = 10;
  ledger::HistoryPeriod& begin = ledger.AddPeriod(0);  // older than the history that is shown
  begin.opened = 4;
  begin.open_peak = 4;
  ledger::HistoryPeriod& now = ledger.AddPeriod(1'995);
  now.open_peak = 10;
  now.in_use_peak = 2;
  now.busy_ns = 6 * kTestSecond;
  now.uses = 12;
  return ledger;
}

LedgerBuilder ExampleChildLedger() {
  LedgerBuilder ledger = ExampleLedger();
  ledger.header.pid = 4720;
  ledger.header.parent_pid = 4711;
  ledger.header.open = ledger.header.opened = ledger.header.failed = ledger.header.peak = 0;
  ledger.header.in_use = ledger.header.in_use_peak = 0;
  ledger.header.create_time = {};
  ledger.history.clear();
  ledger.header.intercepted = ledger::kInterceptLookUps;
  ledger.header.interpreters = 1u << ledger::kPython;
  ledger.connections.clear();
  for (ledger::CallSite& site : ledger.call_sites) {
    site.open = site.peak = 0;
    site.opened = site.closed = site.failed = 0;
    site.in_use = site.in_use_peak = 0;
    site.busy_ns = site.opened_beside_idle = 0;
  }
  const uint32_t worker =
      ledger.AddScriptFrame(ledger::kPython, "worker", "/srv/orders/tasks.py", 17);
  const uint32_t touched = ledger.AddCallSite(
      0x5555, {ModuleFrame(0, 0x777), ScriptFrameAt(worker), ModuleFrame(0, 0x888)});
  ledger.AddInherited(1, 1, 4711, touched, "PQexec");
  ledger.AddInherited(1, 1, 4711, touched, "PQfinish").inherited = ledger::kFinishedHere;
  return ledger;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

}  // namespace pqleash::reporter
