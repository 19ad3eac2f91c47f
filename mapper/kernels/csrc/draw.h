/* What drawing the cells of a layer of a die takes; mapper/kernels/structs.py has the same names. */
#ifndef SPIKELOOM_DRAW_H
#define SPIKELOOM_DRAW_H
#include <stdint.h>

#define DRAW_FIELDS(F) F(C) F(S) F(K) F(N) F(G) F(L) F(Q) F(pairs) F(fraction) F(stuck) F(spread) F(drifts)

/* name, C type, bytes it must have, whether it is written */
#define DRAW_ARRAYS(A)                                                                          \
  A(digits, int16_t, product(2, cells, (int64_t)2), 0) A(slot, int64_t, slots, 0)               \
  A(bitline, int64_t, lines, 0) A(block, int32_t, d->K * 4, 0)                                  \
  A(wordline, int64_t, d->K * 8, 0) A(column, int32_t, columns, 0) A(keys, uint64_t, 24, 0)     \
  A(mean, double, levels, 0) A(sigma, double, sigmas, 0) A(ends, double, stuck_ends, 0)         \
  A(quantiles, double, table, 0) A(left, double, lefts, 0) A(reference, double, halves, 0)      \
  A(out, int32_t, all, 1)

typedef struct {
#define F(name) int64_t name;
  DRAW_FIELDS(F)
#undef F
#define A(name, type, size, written) type *name;
  DRAW_ARRAYS(A)
#undef A
  int64_t stuck_below, off_from; /* the ends, times 2**53 */
} Draw;

/* conduct.h has it. */
#define DRAW_SOME(v)                                                                             \
  int draw_some_##v(const Draw *d, const int16_t *digits, const uint64_t *sites, const double *taken, \
                    int64_t count, int32_t *out);
DRAW_SOME(base)
DRAW_SOME(avx2)
DRAW_SOME(avx512)
DRAW_SOME(vbmi2)
DRAW_SOME(neon)
#endif
