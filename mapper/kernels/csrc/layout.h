/* What putting cells and references into the kernels' layouts takes; mapper/kernels/layout_structs.py
 * has the same names. */
#ifndef SPIKELOOM_LAYOUT_H
#define SPIKELOOM_LAYOUT_H
#include <stdint.h>

#define PACKING_FIELDS(F)                                                                       \
  F(C) F(S) F(K) F(N) F(groups) F(G) F(rows) F(Npad) F(item) F(shift) F(positive)               \
  F(octets) F(at_once) F(nibbles) F(width) F(folded) F(sets) F(signed_digits)

/* name, C type, bytes it must have, whether it is written */
#define PACKING_ARRAYS(A)                                                                       \
  A(cells, uint8_t, cells, 0) A(spans, int64_t, spans, 0) A(out, uint8_t, out, 1)

#define REFERENCE_FIELDS(F)                                                                     \
  F(L) F(blocks) F(columns) F(width) F(folded) F(planes) F(parity) F(halved) F(signed_sums) F(carried) F(greatest)

#define REFERENCE_ARRAYS(A) A(table, int64_t, table, 0) A(out, uint8_t, out, 1)

typedef struct {
#define F(name) int64_t name;
  PACKING_FIELDS(F)
#undef F
#define A(name, type, size, written) type *name;
  PACKING_ARRAYS(A)
#undef A
  int64_t part, colblks; /* bytes of a vector for one set; vectors for all columns */
} Packing;

typedef struct {
#define F(name) int64_t name;
  REFERENCE_FIELDS(F)
#undef F
#define A(name, type, size, written) type *name;
  REFERENCE_ARRAYS(A)
#undef A
} References;
#endif
