// SPDX-License-Identifier: Apache-2.0
//
// What a capture sees of Python programs, and that they do not notice. Each program loads the probe
// with ctypes: `released` is called without the GIL (CDLL), `held` with it (PyDLL).

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash {
namespace {

using Lines = std::vector<std::string>;

// Beside each program, so that the lines of the program are its own.
constexpr char kPrelude[] = R"(
import ctypes, os, sys
def load(kind):
    library = kind(os.environ['PROBE'])
    for name in 'probe_capture', 'probe_on_c_thread', 'probe_capture_with_pending_error', 'probe_code_module', 'probe_capture_when_cancelled', 'probe_capture_with_mutex':
        getattr(library, name).restype = ctypes.c_char_p
    library.probe_time.restype = ctypes.c_long
    return library
released = load(ctypes.CDLL)
held = load(ctypes.PyDLL)
def show(text):
    sys.stdout.flush()
    os.write(1, text)
)";

std::string Python() {
  const char* chosen = std::getenv("PQLEASH_TEST_PYTHON");
  return chosen != nullptr ? chosen : "/usr/bin/python3";
}

std::string Ask(const std::string& expression) {
  testing::Outcome outcome = testing::RunToEnd(
      {.arguments = {Python(), "-c", "import sys, sysconfig; print(" + expression + ")"}});
  if (outcome.exit_code != 0) ADD_FAILURE() << Python() << ": " << outcome.err;
  while (!outcome.out.empty() && outcome.out.back() == '\n') outcome.out.pop_back();
  return outcome.out;
}

int Minor() {
  static const int minor = std::atoi(Ask("sys.version_info[1]").c_str());
  return minor;
}

// co_qualname is there since 3.11.
std::string Qualified(const std::string& qualified, const std::string& name) {
  return Minor() >= 11 ? qualified : name;
}

Lines Split(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class PythonFrames : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("prelude.py", kPrelude);
    if (Minor() < 9) GTEST_SKIP() << Python() << " is older than what is captured";
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
  }

  // Runs `program`, without its first line break, as program.py.
  testing::Outcome Run(const std::string& program) {
    Write("program.py", program.substr(1));
    testing::Outcome outcome = testing::RunToEnd(
        {.arguments = {Python(), "-W", "ignore::DeprecationWarning", directory_ / "program.py"},
         .environment = {{"PROBE", PQLEASH_PYTHON_PROBE}, {"PYTHONDONTWRITEBYTECODE", "1"}}});
    EXPECT_EQ(outcome.exit_code, 0) << testing::HowItEnded(outcome) << "\n" << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome;
  }

  // What it printed, without the frames of Python's own library, and the directory of the program.
  Lines Own(const testing::Outcome& outcome) {
    Lines own;
    const std::string prefix = directory_ / "";
    for (std::string line : Split(outcome.out)) {
      const size_t file = line.find('|');
      if (file != std::string::npos && line.compare(file + 1, prefix.size(), prefix) == 0) {
        line.erase(file + 1, prefix.size());
      } else if (file != std::string::npos && line[file + 1] == '/') {
        continue;
      }
      own.push_back(line);
    }
    return own;
  }

  Lines OwnFrames(const std::string& program) { return Own(Run(program)); }

  testing::TemporaryDirectory directory_;
};

TEST_F(PythonFrames, AreTheCallersOfTheFunctionInnermostFirst) {
  for (const char* library : {"released", "held"}) {
    SCOPED_TRACE(library);
    EXPECT_EQ(OwnFrames(std::string(R"(
from prelude import *
probe = )") + library + R"(

def inner():
    text = probe.probe_capture(
        64)
    return text
def outer(): return inner()
show(outer())
)"),
              (Lines{"inner|program.py|5", "outer|program.py|8", "<module>|program.py|9"}));
  }
}

TEST_F(PythonFrames, HaveQualifiedNamesSince311) {
  EXPECT_EQ(
      OwnFrames(R"(
from prelude import *
class Orders:
    def load(self):
        return released.probe_capture(64)
    @staticmethod
    def each():
        return [row for row in generate()]
def generate():
    def nested():
        yield Orders().load()
    yield from nested()
anonymous = lambda: Orders.each()
show(anonymous()[0])
)"),
      (Minor() >= 12  // comprehensions are part of their function (PEP 709)
           ? Lines{"Orders.load|program.py|4", "generate.<locals>.nested|program.py|10",
                   "generate|program.py|11", "Orders.each|program.py|7", "<lambda>|program.py|12",
                   "<module>|program.py|13"}
           : Lines{Qualified("Orders.load", "load") + "|program.py|4",
                   Qualified("generate.<locals>.nested", "nested") + "|program.py|10",
                   "generate|program.py|11",
                   Qualified("Orders.each.<locals>.<listcomp>", "<listcomp>") + "|program.py|7",
                   Qualified("Orders.each", "each") + "|program.py|7", "<lambda>|program.py|12",
                   "<module>|program.py|13"}));
}

TEST_F(PythonFrames, OfCoroutinesAreThoseThatAwaitAndTheLoop) {
  EXPECT_EQ(OwnFrames(R"(
import asyncio
from prelude import *
async def connect():
    await asyncio.sleep(0)
    return released.probe_capture(64)
async def handler():
    return await connect()
async def main():
    return await asyncio.create_task(handler())
show(asyncio.run(main()))
)"),
            (Lines{"connect|program.py|5", "handler|program.py|7", "<module>|program.py|10"}));
}

TEST_F(PythonFrames, OfAThreadAreItsOwn) {
  EXPECT_EQ(OwnFrames(R"(
import threading
from prelude import *
def connect(probe): show(probe.probe_capture(64))
def start(probe):
    thread = threading.Thread(target=connect, args=(probe,))
    thread.start()
    thread.join()
start(released)
start(held)
)"),
            (Lines{"connect|program.py|3", "connect|program.py|3"}));
}

TEST_F(PythonFrames, AreNoneOnAThreadThatPythonDoesNotKnow) {
  EXPECT_EQ(Run(R"(
import sys, threading
from prelude import *
show(b'[' + released.probe_on_c_thread() + b']')
# It does not ask for the GIL either, for which it would wait for ever.
show(b'[' + held.probe_on_c_thread() + b']')
)")
                .out,
            "[][]");
}

TEST_F(PythonFrames, OfAGreenletAreThoseThatItRuns) {
  if (Ask("__import__('importlib.util').util.find_spec('greenlet') is not None") != "True") {
    GTEST_SKIP() << "greenlet is not installed for " << Python();
  }
  EXPECT_EQ(OwnFrames(R"(
import greenlet
from prelude import *
def first():
    second_greenlet.switch()
    show(held.probe_capture(64))
def second():
    show(released.probe_capture(64))
    first_greenlet.switch()
first_greenlet = greenlet.greenlet(first)
second_greenlet = greenlet.greenlet(second)
def run(): first_greenlet.switch()
run()
)"),
            // A greenlet's chain ends where it began, and not at who switched to it.
            (Lines{"second|program.py|7", "first|program.py|5"}));
}

TEST_F(PythonFrames, StopWhenTheSinkHasEnough) {
  EXPECT_EQ(OwnFrames(R"(
from prelude import *
def recurse(depth, limit):
    if depth == 0: return released.probe_capture(limit)
    return recurse(depth - 1, limit)
for limit in 1, 2, 300, 301, 302, 1000:
    frames = recurse(300, limit).decode().splitlines()
    print(limit, len(frames), frames[0].split('|')[2], frames[-1].split('|')[0])
)"),
            (Lines{"1 1 3 recurse", "2 2 3 recurse", "300 300 3 recurse", "301 301 3 recurse",
                   "302 302 3 <module>", "1000 302 3 <module>"}));
}

TEST_F(PythonFrames, HaveTheBytesOfTheirNames) {
  EXPECT_EQ(Run(R"(
from prelude import *
def named(**names):
    def body(): return released.probe_capture(1)
    code = body.__code__.replace(**names)
    return type(body)(code, globals(), closure=body.__closure__)
for file in 'caf\u00e9.py', 'caf\udce9.py', 'odd\ud800.py', '\U0001f40d.py', '':
    show(named(co_filename=file)().partition(b'|')[2])
qualified = {'co_qualname': 'z\u00e4hle'} if sys.version_info >= (3, 11) else {}
show(named(co_filename='f', co_name='z\u00e4hle', **qualified)())
)")
                .out,
            "caf\xc3\xa9.py|3\ncaf\xe9.py|3\nodd\\ud800.py|3\n\xf0\x9f\x90\x8d.py|3\n|3\n"
            "z\xc3\xa4hle|f|3\n");
}

TEST_F(PythonFrames, WithoutALineHaveLineZero) {
  if (Minor() < 10) GTEST_SKIP() << "co_linetable is there since 3.10";
  // An entry of PEP 626, or of the table of 3.11, that covers all code and has no line.
  EXPECT_EQ(Run(R"(
from prelude import *
def body(): return released.probe_capture(1)
table = bytes([0xf8 | 7]) * 64 if sys.version_info >= (3, 11) else bytes([254, 128])
show(type(body)(body.__code__.replace(co_linetable=table, co_filename='f'), globals())())
)")
                .out,
            "body|f|0\n");
}

TEST_F(PythonFrames, AreSeenInAtExitHandlers) {
  EXPECT_EQ(OwnFrames(R"(
import atexit
from prelude import *
def leave():
    show(released.probe_capture(64))
    show(held.probe_capture(64))
atexit.register(leave)
)"),
            (Lines{"leave|program.py|4", "leave|program.py|5"}));
}

TEST_F(PythonFrames, AreNoneWhileTheInterpreterEnds) {
  EXPECT_EQ(Run(R"(
from prelude import *
class Connection:
    def __init__(self): self.needs = os, released, held
    def __del__(self):
        os, released, held = self.needs
        os.write(1, b'[' + released.probe_capture(64) + held.probe_capture(64) + b']')
cycle = Connection()
cycle.itself = cycle
survivor = Connection()
)")
                .out,
            "[][]");
}

TEST_F(PythonFrames, AreSeenInForkedChildren) {
  const Lines expected = {"connect|program.py|4", "child|program.py|7", "<module>|program.py|12"};
  EXPECT_EQ(OwnFrames(R"(
import os, threading
from prelude import *
def connect():
    show(released.probe_capture(64))
connect_in_parent = released.probe_capture(64)
def child():
    connect()
busy = threading.Event()
threading.Thread(target=busy.wait).start()
pid = os.fork()
if pid == 0:
    child()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
busy.set()
)"),
            expected);
  for (const char* method : {"fork", "spawn", "forkserver"}) {
    SCOPED_TRACE(method);
    EXPECT_EQ(OwnFrames(std::string(R"(
import multiprocessing
from prelude import *
def connect(results):
    results.put([held.probe_capture(1), released.probe_capture(1)])
if __name__ == '__main__':
    context = multiprocessing.get_context(')") +
                        method + R"(')
    results = context.SimpleQueue()
    process = context.Process(target=connect, args=(results,))
    process.start()
    for text in results.get(): show(text)
    process.join()
)"),
              (Lines{"connect|program.py|4", "connect|program.py|4"}));
  }
}

TEST_F(PythonFrames, OfTheMainInterpreterAloneAreSeen) {
  const std::string frame = "<module>|program.py|";
  Lines expected = {"sub-interpreter: ", "its thread: ", frame + "22", "main, released:",
                    "main, after:",      frame + "27",   frame + "28"};
  // Since 3.12 a thread that has released the GIL can tell in which interpreter it is.
  if (Minor() >= 12) expected.insert(expected.begin() + 4, frame + "24");
  // With the main interpreter's GIL, and with one of its own.
  const Lines kinds =
      Minor() >= 13 ? Lines{"_interpreters.create('legacy')", "_interpreters.create('isolated')"}
                    : Lines{"_xxsubinterpreters.create(isolated=False)"};
  for (const std::string& kind : kinds) {
    SCOPED_TRACE(kind);
    const std::string module = kind.substr(0, kind.find('.'));
    EXPECT_EQ(OwnFrames("\nimport " + module + " as interpreters\n" + "name = interpreters" +
                        kind.substr(module.size()) + R"(
from prelude import *
program = '''
import os, sys, _thread
sys.path.insert(0, %r)
from prelude import *
def connect():
    return released.probe_capture(64) + held.probe_capture(64)
os.write(1, b'sub-interpreter: ' + connect() + b'\\n')
done = _thread.allocate_lock()
done.acquire()
def body():
    try: os.write(1, b'its thread: ' + connect() + b'\\n')
    finally: done.release()
_thread.start_new_thread(body, ())
done.acquire()
''' % os.path.dirname(__file__)
def run(): interpreters.run_string(name, program)
run()
# Another interpreter exists. With the GIL held the frame is certain.
show(held.probe_capture(64))
print('main, released:', flush=True)
show(released.probe_capture(64))
interpreters.destroy(name)
print('main, after:', flush=True)
show(held.probe_capture(64))
show(released.probe_capture(64))
)"),
              expected);
  }
}

TEST_F(PythonFrames, LeaveExceptionsAndErrnoAlone) {
  EXPECT_EQ(Run(R"(
from prelude import *
def check(probe):
    try:
        raise KeyError('handled')
    except KeyError as error:
        before = sys.exc_info()
        traceback = error.__traceback__
        assert probe.probe_capture(64)
        assert sys.exc_info() == before and error.__traceback__ is traceback
        assert error.__context__ is None
    assert probe.probe_errno() == 77
    assert probe.probe_thread_is_untouched()
check(released)
check(held)
# Names that raise inside: this leaves nothing behind, and takes nothing away.
def odd(body): return type(body)(body.__code__.replace(co_filename='\ud800'), globals())
def capture(): return held.probe_capture(1)
def capture_with_pending_error(): return held.probe_capture_with_pending_error()
print(odd(capture)().decode().split('|')[1])
for call in capture_with_pending_error, odd(capture_with_pending_error):
    try:
        call()
        print('lost')
    except ValueError as error:
        print(error, error.__context__)
print(held.probe_code_module().decode())
)")
                .out,
            "\\ud800\npending before the capture None\npending before the capture None\n"
            "_PyEval_EvalFrameDefault\n");
}

TEST_F(PythonFrames, RunNoFinaliserTraceFunctionOrSignalHandler) {
  // Until 3.11 an allocation collects garbage at once; each new frame object is one.
  EXPECT_EQ(Run(R"(
import gc, signal
from prelude import *
inside = ctypes.c_int.in_dll(held, 'probe_inside')
ran = {}
def note(what):
    ran[what] = ran.get(what, 0) + 1
    if inside.value: print(what, 'ran inside of a capture')
class Garbage:
    def __init__(self): self.itself = self
    def __del__(self): note('finaliser')
def recurse(depth, probe):
    if depth: return recurse(depth - 1, probe)
    Garbage()
    os.kill(os.getpid(), signal.SIGUSR1)
    return probe.probe_capture(64)
signal.signal(signal.SIGUSR1, lambda *_: note('signal handler'))
gc.set_threshold(3, 1, 1)
def check():
    for turn in range(200):
        assert len(recurse(50, held if turn % 2 else released).splitlines()) == 53
        assert gc.isenabled()
check()
sys.setprofile(lambda *_: note('profiler'))
check()
sys.setprofile(None)
gc.disable()
recurse(5, held)
assert not gc.isenabled()
print(sorted(ran))
)")
                .out,
            "['finaliser', 'profiler', 'signal handler']\n");
}

TEST_F(PythonFrames, OfOneThreadAreRightWhileOthersCompute) {
  EXPECT_EQ(Run(R"(
import threading, time
from prelude import *
end = time.monotonic() + 2
def compute():
    while time.monotonic() < end: sum(range(1000))
def recurse(depth, probe):
    if depth: return recurse(depth - 1, probe)
    return probe.probe_capture(64)
seen = set()
def work(probe):
    while time.monotonic() < end: seen.add(recurse(10, probe))
threads = [threading.Thread(target=compute) for _ in range(2)]
threads += [threading.Thread(target=work, args=(probe,)) for probe in (released, held) * 2]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(seen), [text.count(b'recurse|') for text in seen])
)")
                .out,
            "1 [11]\n");
}

TEST_F(PythonFrames, AreTakenWithoutTheGil) {
  // The thread that holds it waits for the one that connects.
  EXPECT_EQ(OwnFrames(R"(
import threading
from prelude import *
def connect(): show(released.probe_capture_with_mutex())
thread = threading.Thread(target=connect)
thread.start()
held.probe_wait_for_mutex()
thread.join()
)"),
            (Lines{"connect|program.py|3"}));
}

TEST_F(PythonFrames, OfACancelledThreadAreReadToTheEnd) {
  // No read is a place where it ends, in the middle of a capture.
  EXPECT_EQ(Run(R"(
import threading
from prelude import *
done = False
def compute():
    while not done: sum(range(1000))
texts = []
def work():
    for _ in range(20): texts.append(released.probe_capture_when_cancelled())
threading.Thread(target=compute).start()
thread = threading.Thread(target=work, daemon=True)
thread.start()
thread.join(20)
done = True
print(len(texts), [text.count(b'work|') for text in set(texts)])
)")
                .out,
            "20 [1]\n");
}

TEST_F(PythonFrames, OfDaemonThreadsDoNotDisturbTheEnd) {
  for (int round = 0; round < 20; ++round) {
    const testing::Outcome outcome = Run(R"(
import threading
from prelude import *
started = threading.Barrier(5)
def work():
    started.wait()
    while True: released.probe_capture(64)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
started.wait()
print('end')
)");
    ASSERT_EQ(outcome.out, "end\n");
    if (HasFailure()) break;
  }
}

TEST_F(PythonFrames, KeepNoReference) {
  EXPECT_EQ(Run(R"(
import gc, weakref
from prelude import *
class Local: pass
def body():
    local = Local()
    dead.append(weakref.ref(local))
    return held.probe_capture(64)
dead = []
names = [body.__code__.co_filename, body.__code__.co_name]
before = [sys.getrefcount(object) for object in names + [body.__code__]]
gc.disable()
for _ in range(1000): body()
after = [sys.getrefcount(object) for object in names + [body.__code__]]
print(before == after or (before, after), any(reference() for reference in dead))
)")
                .out,
            "True False\n");
}

TEST_F(PythonFrames, AreFoundInALibraryLoadedLocally) {
  const std::string library =
      Ask("sysconfig.get_config_var('LIBDIR') + '/' + sysconfig.get_config_var('INSTSONAME')");
  if (!std::ifstream(library)) GTEST_SKIP() << "no " << library;
  const testing::Outcome outcome = testing::RunToEnd(
      {.arguments = {PQLEASH_PYTHON_EMBEDDING_HOST, PQLEASH_PYTHON_PROBE, library},
       .environment = {{"PYTHONHOME", Ask("sys.base_prefix")}}});
  std::string expected = "not loaded:\nnot found\nnot initialised:\n";
  for (int round = 0; round < 3; ++round) {
    const std::string frames = "outer|<string>|2\n<module>|<string>|3\n";
    expected +=
        "held:\n" + frames + "released:\n" + frames + "foreign thread:\nidle:\nfinalised:\n";
  }
  EXPECT_EQ(outcome.out, expected) << testing::HowItEnded(outcome) << outcome.err;
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_F(PythonFrames, CostMicroseconds) {
  // New frames for each capture: since 3.11 the first look at a frame is the dear one.
  const testing::Outcome outcome = Run(R"(
from prelude import *
def recurse(depth, probe):
    if depth: return recurse(depth - 1, probe)
    return probe.probe_time()
for probe in released, held:
    times = sorted(recurse(20, probe) for _ in range(1000))
    assert times[0] > 0
    print(times[500])
)");
  const Lines medians = Split(outcome.out);
  ASSERT_EQ(medians.size(), 2u);
  std::cout << "20 frames of Python 3." << Minor() << ": " << medians[0]
            << " ns with the GIL released, " << medians[1] << " ns with it held\n";
  // The target is 30 us on a quiet machine.
  for (const std::string& median : medians) EXPECT_LT(std::atol(median.c_str()), 300'000);
}

}  // namespace
}  // namespace pqleash
