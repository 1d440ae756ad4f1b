// The kernels for one kind of processor: this file is compiled once for each, under the name PALIMPSEST_KERNELS and
// with its options.

#include "runtime/kernels_attention.h"
#include "runtime/kernels_circuit.h"
#include "runtime/kernels_rows.h"

namespace palimpsest {

extern const Kernels PALIMPSEST_KERNELS;
const Kernels PALIMPSEST_KERNELS = {quick_gelu,
                                    quick_gelu_backward,
                                    gelu,
                                    gelu_backward,
                                    layer_norm,
                                    layer_norm_backward,
                                    attention,
                                    attention_backward,
                                    sparse_products,
                                    active_rows,
                                    spread,
                                    spread_and_learn,
                                    relax,
                                    add,
                                    add_own_position,
                                    column_means,
                                    less_columns};

}  // namespace palimpsest
