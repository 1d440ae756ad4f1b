#include "sweeps/tensor_snapshot.h"

#include <cstring>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "runtime/error.h"

namespace palimpsest {
namespace {

struct Type {
  const char* name;
  at::ScalarType type;
};
constexpr Type kTypes[] = {{"F32", at::kFloat}, {"F64", at::kDouble}, {"I64", at::kLong}};

const SnapshotPart& part(const Snapshot& snapshot, const std::string& name) {
  const auto found = snapshot.parts.find(name);
  if (found == snapshot.parts.end()) throw InputError("a snapshot without " + name);
  return found->second;
}

}  // namespace

void put(Snapshot& snapshot, const std::string& name, const at::Tensor& tensor) {
  const auto whole = tensor.detach().cpu().contiguous();
  SnapshotPart& out = snapshot.parts[name];
  for (const auto& one : kTypes)
    if (whole.scalar_type() == one.type) out.dtype = one.name;
  out.shape = whole.sizes().vec();
  const auto* first = static_cast<const std::byte*>(whole.const_data_ptr());
  out.bytes.assign(first, first + whole.nbytes());
}

at::Tensor get(const Snapshot& snapshot, const std::string& name) {
  const SnapshotPart& from = part(snapshot, name);
  for (const auto& one : kTypes)
    if (from.dtype == one.name) {
      auto out = at::empty(from.shape, one.type);
      if (out.nbytes() == from.bytes.size()) {
        std::memcpy(out.data_ptr(), from.bytes.data(), from.bytes.size());
        return out;
      }
    }
  throw InputError("a snapshot whose " + name + " is no tensor");
}

void get_into(const Snapshot& snapshot, const std::string& name, at::Tensor out) {
  const auto saved = get(snapshot, name);
  if (saved.sizes() != out.sizes()) throw InputError("a snapshot whose " + name + " has another shape");
  const at::NoGradGuard no_gradient;
  out.detach().copy_(saved);
}

}  // namespace palimpsest
