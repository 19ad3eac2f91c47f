/* The numbers and arrays that describe a layer; mapper/kernels/structs.py has the same names.
 *
 * INTERFACE is raised whenever Python hands over something else: other names, or an array in
 * another layout. Python refuses kernels of another number; see mapper/kernels/core.py.
 */
enum { INTERFACE = 15 };

#define NEURON_FIELDS(F)                                                                        \
  F(fired) F(reset) F(phase) F(spike_next) F(has_current) F(has_floor) F(fraction) F(fast) F(simple)      \
  F(leak) F(leak_shift) F(leak_rounding) F(current_leak) F(current_shift) F(current_rounding)   \
  F(input_leak) F(input_shift) F(input_rounding)                                                \
  F(vmin) F(vmax) F(imin) F(imax) F(per_position) F(Nw) F(levels) F(least_level)

#define LAYER_FIELDS(F)                                                                         \
  F(planes) F(T) F(B) F(H) F(W) F(Cw) F(pitch) F(PH) F(PW) F(Ho) F(Wo) F(sy) F(sx)       \
  F(ncombos) F(nsegments) F(nblocks) F(nclusters) F(kind) F(N) F(Ng) F(Npad) F(S) F(rows)       \
  F(cols) F(shift) F(width) F(folded) F(colblks) F(sets) F(L) F(NP) F(mode) F(parity) F(rise) F(wide) F(depth) F(merged) F(readout) F(at_once) F(chunk) F(nibbles) F(quick) F(down) \
  F(half_full) F(offset) F(top) F(lowest) F(tile_rows) F(has_neurons)   \
  F(all_rows) F(all_columns) F(row0) F(column0) F(row_step) F(column_step) \
  F(copies) F(cellcopies) F(refcopies) F(noisy) F(up) F(G) F(sampled) F(noise_low) F(reaches) F(steps) F(exact) F(fits) F(whole_at)

/* name, C type, bytes it must have, whether it is written */
#define NEURON_ARRAYS(A)                                                                        \
  A(bias, int64_t, tables, 0) A(threshold, int64_t, thresholds, 0) A(amount, int64_t, tables, 0)    \
  A(floor, int64_t, tables, 0) A(factor, int64_t, tables, 0)                                    \
  A(current_factor, int64_t, tables, 0) A(input_factor, int64_t, tables, 0)                     \
  A(fast_tables, int32_t, fast, 0) A(v, int32_t, state, 1) A(i, int32_t, current, 1)            \
  A(spikes, uint64_t, spikes, 1) A(v_out, int32_t, outputs, 1) A(i_out, int32_t, outputs, 1)    \
  A(levels_out, int32_t, outputs, 1)

#define LAYER_ARRAYS(A)                                                                         \
  A(x, uint64_t, x, 0) A(plane_weights, int32_t, plane_weights, 0) A(rowmap, int32_t, rowmap, 0) A(colmap, int32_t, colmap, 0)              \
  A(combos, Combo, combos, 0) A(segments, Segment, segments, 0) A(blocks, Block, blocks, 0)     \
  A(clusters, Cluster, clusters, 0) A(significances, int32_t, significances, 0)                 \
  A(scales, int32_t, scales, 0) A(start, int32_t, start, 0) A(weights, uint8_t, weights, 0)     \
  A(refs, uint8_t, refs, 0) A(tables, int32_t, tables, 0) A(halves, int16_t, halves, 0) A(rests, int16_t, rests, 0)           \
  A(rises, int32_t, rises, 0) A(whole, int16_t, whole, 0)                                                                   \
  A(numbers, int32_t, numbers, 0) A(noise, int32_t, noise, 0) A(keys, uint64_t, keys, 0)         \
  A(y_out, int32_t, y_out, 1) A(driven, int64_t, driven, 1) A(heard, int64_t, heard, 1)

/* Neurons on sums of their own. */
#define SUMS_FIELDS(F) F(T) F(B) F(P) F(N)
#define SUMS_ARRAYS(A) A(y, int32_t, product(5, T, B, P, N, (int64_t)4), 0)
