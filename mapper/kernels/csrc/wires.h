/* What crossbars behind the resistance of their wires take; mapper/kernels/structs.py has the same names. */
#ifndef SPIKELOOM_WIRES_H
#define SPIKELOOM_WIRES_H
#include <stdint.h>

#define WIRES_FIELDS(F) F(C) F(R) F(B) F(rounds) F(supplied)

/* name, C type, bytes it must have, whether it is written */
#define WIRES_ARRAYS(A)                                                                         \
  A(cells, double, all, 0) A(mean, double, w->R * 8, 0) A(segment, double, 8, 0)                \
  A(behind, double, w->B * 8, 1) A(wordline, double, one, 1) A(bitline, double, one, 1) A(carried, double, all, 1)             \
  A(others, double, all, 1)

typedef struct {
#define F(name) int64_t name;
  WIRES_FIELDS(F)
#undef F
#define A(name, type, size, written) type *name;
  WIRES_ARRAYS(A)
#undef A
} Wires;
#endif
