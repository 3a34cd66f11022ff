// SPDX-License-Identifier: Apache-2.0
//
// Loads the plugins named as arguments one after the other with RTLD_LOCAL, works through each,
// unloads it. Not linked to libpq itself. The first argument may be 'deepbind', 'global' or 'keep'
// (nothing is unloaded, all are used at the end).

#include <dlfcn.h>

#include <vector>

#include "tests/preload/programs/program.h"

namespace {

struct Plugin {
  void* handle;
  PGconn* (*connect)();
  void (*work)(PGconn*);
  void (*finish)(PGconn*);
  void (*finish_at_once)(PGconn*);
  int (*version)();
};

template <typename Function>
void Find(void* handle, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(handle, name));
  if (*function == nullptr) exit(1);
}

Plugin Load(const char* path, int flags) {
  Plugin plugin = {};
  plugin.handle = dlopen(path, RTLD_NOW | flags);
  if (plugin.handle == nullptr) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  Find(plugin.handle, "PluginConnect", &plugin.connect);
  Find(plugin.handle, "PluginWork", &plugin.work);
  Find(plugin.handle, "PluginFinish", &plugin.finish);
  Find(plugin.handle, "PluginFinishAtOnce", &plugin.finish_at_once);
  Find(plugin.handle, "PluginLibpqVersion", &plugin.version);
  return plugin;
}

}  // namespace

int main(int argc, char** argv) {
  const bool keep = program::Mode(argc, argv, "keep");
  int flags = RTLD_LOCAL;
  if (program::Mode(argc, argv, "deepbind")) flags = RTLD_LOCAL | RTLD_DEEPBIND;
  if (program::Mode(argc, argv, "global")) flags = RTLD_GLOBAL;
  const int first = keep || flags != RTLD_LOCAL ? 2 : 1;
  std::vector<Plugin> kept;
  std::vector<PGconn*> connections;
  for (int i = first; i < argc; ++i) {
    const Plugin plugin = Load(argv[i], flags);
    program::Say("plugin %d: libpq %d", i - first, plugin.version());
    PGconn* conn = plugin.connect();
    plugin.work(conn);
    PGconn* other = plugin.connect();
    plugin.finish_at_once(other);
    if (keep) {
      kept.push_back(plugin);
      connections.push_back(conn);
      continue;
    }
    plugin.finish(conn);
    program::Say("unloaded: %d", dlclose(plugin.handle));
  }
  for (size_t i = 0; i < kept.size(); ++i) {
    kept[i].work(connections[i]);
    kept[i].finish(connections[i]);
  }
  program::SayDescriptors();
}
