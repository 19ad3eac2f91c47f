/* Sense amplifiers of differential pairs, half-active columns and digits of several bits: part of bits.h. */

/* Subtract m from c, `planes` planes each: c becomes two's complement, returns its sign. */
static AI V FN(subtract)(V *c, const V *m, int planes) {
  V o = ~c[0] & m[0];
  c[0] ^= m[0];
  for (int p = 1; p < planes; p++) { V a = c[p]; c[p] = XOR3(a, m[p], o); o = BORROW(o, a, m[p]); }
  return o;
}

/* Signed sums against signed references of NP planes and a sign plane NP. */
static AI V FN(reached)(const V *c, V sign, int planes, const uint8_t *r, int NP) {
  V o = ~c[0] & REF(0);
  for (int p = 1; p < planes; p++) o = BORROW(o, c[p], REF(p));
  for (int p = planes; p < NP; p++) o = BORROW(o, sign, REF(p));
  V s = REF(NP);
  return ~MAJ(o, sign, ~s);
}

/* Two sets of cells lie side by side in a vector: bring the second half's bits to the first. */
static AI V FN(second)(V v) {
#if VB == 16
  return __builtin_shuffle(v, (V){1, 1});
#elif POSITIONS > 1
  return __builtin_shuffle(v, (V){1, 1, 3, 3});
#elif VB == 32
  return __builtin_shuffle(v, (V){2, 3, 2, 3});
#else
  return __builtin_shuffle(v, (V){4, 5, 6, 7, 4, 5, 6, 7});
#endif
}

/* Count two sets of cells: side by side in vectors, or one after the other (the last may be alone). */
static AI void FN(count_two)(const Layer *l, const FN(Driven) *d, const uint8_t *w, int pair,
                             V *one, V *other, const int P, const int folded) {
  const int64_t set = (l->rows + 1) * CB;
  if (folded) {
    FN(count)(d, w + pair * set, one, P);
    for (int p = 0; p < P; p++) other[p] = FN(second)(one[p]);
    return;
  }
  FN(count)(d, w + 2 * pair * set, one, P);
  if (2 * pair + 1 < l->sets) FN(count)(d, w + (2 * pair + 1) * set, other, P);
  else for (int p = 0; p < P; p++) other[p] = (V){0};
}

/* Differential pairs, or a reference that follows the activity: L references into q. */
static AI void FN(sense_signed)(const Layer *l, const FN(Driven) *d, const uint8_t *w,
                                const uint8_t *r, V *q, const int NP, const int mode,
                                const int folded) {
  const int64_t step = l->refplanes * CB;
  const int n = d->most;
  V c[10], m[10], sign;
  if (n == 0) {
    for (int k = 0; k < l->L; k++, r += step) q[k] = REF(NP + 2);
    return;
  }
  const int half = (n + 1) >> 1;
  if (mode == HALF_ACTIVE) r += (n & l->parity) * l->L * step;
#define SIGNED(P)                                                              \
  do {                                                                         \
    if (mode == DIFFERENTIAL) {                                                \
      FN(count_two)(l, d, w, 0, c, m, P, folded);                          \
    } else {                                                                   \
      FN(count)(d, w, c, P);                                               \
      for (int p = 0; p < P; p++) m[p] = FN(all)((half >> p) & 1);             \
    }                                                                          \
    sign = FN(subtract)(c, m, P);                                              \
    for (int k = 0; k < l->L; k++, r += step) q[k] = FN(reached)(c, sign, P, r, NP); \
  } while (0)
  if (n <= 8) SIGNED(4);
  else if (NP == 7 || n < 128) SIGNED(7);
  else SIGNED(10);
#undef SIGNED
}

/* Add planes of a digit's higher bit, twice as heavy, to those of its lower: two planes more. */
static AI void FN(add_twice)(V *sum, const V *high, const int planes) {
  V carry = {0};
#pragma GCC unroll 10
  for (int p = 1; p < planes; p++) {
    const V a = sum[p], b = high[p - 1];
    sum[p] = XOR3(a, b, carry);
    carry = MAJ(a, b, carry);
  }
  const V b = high[planes - 1];
  sum[planes] = b ^ carry;
  sum[planes + 1] = b & carry;
}

/* Cells of two to four bits: bits of digits are counted one by one and added by their weights. */
static AI void FN(sense_digits)(const Layer *l, const FN(Driven) *d, const uint8_t *w,
                                const uint8_t *r, V *q, const int NP, const int folded) {
  const int64_t step = l->refplanes * CB;
  const int n = d->most;
  V c[14], g[12], e[10];
  if (n == 0) {
    for (int k = 0; k < l->L; k++, r += step) q[k] = REF(NP + 2);
    return;
  }
#define REACHED(planes)                                                        \
  for (int k = 0; k < l->L; k++, r += step) {                                  \
    V o = ~c[0] & REF(0);                                                      \
    for (int p = 1; p < NP && p < (planes); p++) o = BORROW(o, c[p], REF(p));  \
    for (int p = (planes); p < NP; p++) o |= REF(p);                           \
    q[k] = ~o;                                                                 \
  }
#define DIGIT_SUM(P)                                                           \
  do {                                                                         \
    FN(count_two)(l, d, w, 0, c, e, P, folded);                            \
    FN(add_twice)(c, e, P);                                                    \
    if (l->sets <= 2 - folded) { REACHED(P + 2) break; }                       \
    FN(count_two)(l, d, w, 1, g, e, P, folded);                            \
    FN(add_twice)(g, e, P);                                                    \
    V carry = {0};                                                             \
    for (int p = 0; p < P + 2; p++) {                                          \
      const V a = p < P ? c[p + 2] : (V){0};                                   \
      c[p + 2] = XOR3(a, g[p], carry);                                         \
      carry = MAJ(a, g[p], carry);                                             \
    }                                                                          \
    REACHED(P + 4)                                                             \
  } while (0)
  if (n <= 8) DIGIT_SUM(4);
  else if (NP == 7 || n < 128) DIGIT_SUM(7);
  else DIGIT_SUM(10);
#undef DIGIT_SUM
#undef REACHED
}
