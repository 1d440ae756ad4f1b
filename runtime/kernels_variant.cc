// The kernels for one kind of processor: this file is compiled once for each, under the name PALIMPSEST_KERNELS and
// with its options.

#include "runtime/kernels_attention.h"
#include "runtime/kernels_circuit.h"
#include "runtime/kernels_product.h"
#include "runtime/kernels_random.h"
#include "runtime/kernels_rows.h"

namespace palimpsest {

extern const Kernels PALIMPSEST_KERNELS;
const Kernels PALIMPSEST_KERNELS = {.product = product,
                                    .right_of_rows = right_of_rows,
                                    .right_of_transposed = right_of_transposed,
                                    .left_of_transposed = left_of_transposed,
                                    .column_sums = column_sums,
                                    .quick_gelu = quick_gelu,
                                    .quick_gelu_backward = quick_gelu_backward,
                                    .gelu = gelu,
                                    .gelu_backward = gelu_backward,
                                    .layer_norm = layer_norm,
                                    .layer_norm_backward = layer_norm_backward,
                                    .attention = attention,
                                    .attention_backward = attention_backward,
                                    .dropout = dropout,
                                    .adamw = adamw,
                                    .patches = patches,
                                    .sparse_products = sparse_products,
                                    .active_rows = active_rows,
                                    .spread = spread,
                                    .spread_and_learn = spread_and_learn,
                                    .relax = relax,
                                    .add = add,
                                    .add_own_position = add_own_position,
                                    .column_means = column_means,
                                    .less_columns = less_columns};

}  // namespace palimpsest
