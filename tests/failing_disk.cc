// A library to preload: the n-th write, fsync or rename below a folder fails, once or from then on.
//
//   PALIMPSEST_FAULT="fsync 12 EIO once" or "write 3 ENOSPC ever"   what fails; "none" only counts
//   PALIMPSEST_FAULT_FOLDER=/results                                files below it (its absolute path)
//   PALIMPSEST_FAULT_COUNTS=FILE                                    how many calls of each kind there were, at the end
//
// It stands between the program and the C library, so that it catches what SQLite, the log and the C++ streams do as well as our own files.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

enum Kind { kWrite, kFsync, kRename };
constexpr const char* kNames[] = {"write", "fsync", "rename"};

struct Fault {
  int kind = -1, error = EIO;
  long nth = 0;
  bool ever = false;
};

std::atomic<long> counted[3];

const std::string& folder() {
  static const std::string path = std::getenv("PALIMPSEST_FAULT_FOLDER") ? std::getenv("PALIMPSEST_FAULT_FOLDER") : "\n";
  return path;
}

Fault read_fault() {
  Fault fault;
  char kind[16] = "", error[16] = "", how[16] = "";
  const char* text = std::getenv("PALIMPSEST_FAULT");
  if (!text || std::sscanf(text, "%15s %ld %15s %15s", kind, &fault.nth, error, how) != 4) return fault;
  for (int i = 0; i < 3; ++i)
    if (std::strcmp(kind, kNames[i]) == 0) fault.kind = i;
  fault.error = std::strcmp(error, "ENOSPC") == 0 ? ENOSPC : EIO;
  fault.ever = std::strcmp(how, "ever") == 0;
  return fault;
}

// Whether this call is the one that fails; sets errno.
bool fails(Kind kind) {
  static const Fault fault = read_fault();
  const long number = ++counted[kind];
  if (fault.kind != kind || !(number == fault.nth || (fault.ever && number > fault.nth))) return false;
  errno = fault.error;
  return true;
}

bool below(const char* path) { return std::strncmp(path, folder().c_str(), folder().size()) == 0; }

bool below(int descriptor) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return below(path);
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

struct Teller {
  ~Teller() {
    const char* file = std::getenv("PALIMPSEST_FAULT_COUNTS");
    if (!file) return;
    std::FILE* out = std::fopen(file, "w");
    if (!out) return;
    for (int i = 0; i < 3; ++i) std::fprintf(out, "%s %ld\n", kNames[i], counted[i].load());
    std::fclose(out);
  }
} teller;

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return below(file) && fails(kWrite) ? -1 : real(file, bytes, size);
}
ssize_t writev(int file, const iovec* parts, int count) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return below(file) && fails(kWrite) ? -1 : real(file, parts, count);
}
ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return below(file) && fails(kWrite) ? -1 : real(file, bytes, size, at);
}
ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return below(file) && fails(kWrite) ? -1 : real(file, bytes, size, at);
}
int fsync(int file) {
  static const auto real = next<int (*)(int)>("fsync");
  return below(file) && fails(kFsync) ? -1 : real(file);
}
int fdatasync(int file) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return below(file) && fails(kFsync) ? -1 : real(file);
}
int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return below(to) && fails(kRename) ? -1 : real(from, to);
}

}  // extern "C"
