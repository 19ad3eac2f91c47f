/* Vertical counters of driven wordlines and their sense amplifiers: part of bits.h. */

/* The wordlines that positions side by side drive, as offsets of rows; `most` is the longer list's length. */
typedef struct {
  const uint16_t *ix[POSITIONS];
  int n[POSITIONS], most;
#if POSITIONS > 1
  const uint16_t *none; /* eight offsets of the all-zero row */
#endif
} FN(Driven);

#if POSITIONS > 1
static AI FN(Driven) FN(driven)(const uint16_t *pool, const Entry *e, const Entry *f, const uint16_t *none) {
  uint64_t one, other; /* entries as one number, whose upper half is `n`: the compiler would make vectors of them */
  memcpy(&one, e, 8);
  memcpy(&other, f, 8);
  const int n = (int)(one >> 32), m = (int)(other >> 32);
  return (FN(Driven)){{n ? pool + (uint32_t)one : none, m ? pool + (uint32_t)other : none}, {n, m}, n > m ? n : m, none};
}

/* On to the eight wordlines from `i` on: a list is made up to eights, and one that has ended drives none. */
static AI void FN(advance)(FN(Driven) *d, int i) {
  d->ix[0] = i < d->n[0] ? d->ix[0] + 8 : d->none;
  d->ix[1] = i < d->n[1] ? d->ix[1] + 8 : d->none;
}
#define ROW(i) FN(beside)(w + d->ix[0][i], w + d->ix[1][i])
#else
static AI FN(Driven) FN(driven)(const uint16_t *pool, const Entry *e) {
  return (FN(Driven)){{pool + e->start}, {(int)e->n}, (int)e->n};
}

static AI void FN(advance)(FN(Driven) *d, int i) {
  (void)i;
  d->ix[0] += 8;
}
#define ROW(i) FN(ld)(w + d->ix[0][i])
#endif

static AI void FN(count8)(const FN(Driven) *d, const uint8_t *w, V *c) {
  V r0 = ROW(0), r1 = ROW(1), r2 = ROW(2), s1 = XOR3(r0, r1, r2), k1 = MAJ(r0, r1, r2);
  V r3 = ROW(3), r4 = ROW(4), r5 = ROW(5), s2 = XOR3(r3, r4, r5), k2 = MAJ(r3, r4, r5);
  V r6 = ROW(6), r7 = ROW(7), s3 = XOR3(s1, s2, r6), k3 = MAJ(s1, s2, r6);
  c[0] = s3 ^ r7;
  V k4 = s3 & r7, u1 = XOR3(k1, k2, k3), l1 = MAJ(k1, k2, k3);
  c[1] = u1 ^ k4;
  V l2 = u1 & k4;
  c[2] = l1 ^ l2;
  c[3] = l1 & l2;
}

#ifdef MAJORITY
/* Add eight rows to three planes; returns the carries out of them. */
static AI V FN(add8)(const FN(Driven) *d, const uint8_t *w, V *c) {
  V r0 = ROW(0), r1 = ROW(1), a = MAJ(c[0], r0, r1), t = XOR3(c[0], r0, r1);
  V r2 = ROW(2), r3 = ROW(3), b = MAJ(t, r2, r3);
  t = XOR3(t, r2, r3);
  V e = MAJ(c[1], a, b), u = XOR3(c[1], a, b);
  V r4 = ROW(4), r5 = ROW(5);
  a = MAJ(t, r4, r5), t = XOR3(t, r4, r5);
  V r6 = ROW(6), r7 = ROW(7);
  b = MAJ(t, r6, r7), c[0] = XOR3(t, r6, r7);
  V f = MAJ(u, a, b);
  c[1] = XOR3(u, a, b);
  const V carry = MAJ(c[2], e, f);
  c[2] = XOR3(c[2], e, f);
  return carry;
}
#else
/* Two bits x and y of equal weight, as x and x ^ y. */
typedef struct { V one, differ; } FN(Two);

/* Add four bits to a plane; returns their two carries. Such pairs take 8 operations, where two full adders
 * take 10 (Demenkov, Kojevnikov, Kulikov: New upper bounds on the Boolean circuit complexity of symmetric
 * functions, 2010). */
static AI FN(Two) FN(add_four)(V *plane, FN(Two) x, FN(Two) y) {
  const V sum = *plane ^ x.differ, any = x.differ | (*plane ^ x.one);
  const V rest = (y.one ^ sum) & ~y.differ;
  *plane = sum ^ y.differ;
  return (FN(Two)){any ^ sum, any ^ rest};
}

static AI FN(Two) FN(two_rows)(V x, V y) { return (FN(Two)){x, x ^ y}; }

/* Add eight rows to three planes; returns the carries out of them. */
static AI V FN(add8)(const FN(Driven) *d, const uint8_t *w, V *c) {
  FN(Two) a = FN(two_rows)(ROW(0), ROW(1)), b = FN(two_rows)(ROW(2), ROW(3));
  const FN(Two) low = FN(add_four)(c, a, b);
  a = FN(two_rows)(ROW(4), ROW(5)), b = FN(two_rows)(ROW(6), ROW(7));
  const FN(Two) high = FN(add_four)(c, a, b), twice = FN(add_four)(c + 1, low, high);
  const V plane = c[2];
  c[2] = plane ^ twice.differ;
  return twice.one ^ (twice.differ & (plane ^ twice.one));
}
#endif

/* Add a carry to counters of `planes` planes, which hold the sum. */
static AI void FN(ripple)(V *c, V carry, int planes) {
#pragma GCC unroll 8
  for (int p = 0; p < planes - 1; p++) { V v = c[p]; c[p] = v ^ carry; carry &= v; }
  c[planes - 1] ^= carry;
}

/* Add the rows from the ninth on; `planes` is a constant where this is inlined. */
static AI void FN(count_more)(FN(Driven) d, const uint8_t *w, V *c, int planes) {
  for (int p = 4; p < planes; p++) c[p] = (V){0};
  for (int i = 8; i < d.most; i += 8) {
    FN(advance)(&d, i);
    FN(ripple)(c + 3, FN(add8)(&d, w, c), planes - 3);
  }
}

static AI void FN(count)(const FN(Driven) *d, const uint8_t *w, V *c, int planes) {
  FN(count8)(d, w, c);
  FN(count_more)(*d, w, c, planes);
}

/* Whether sums reach references: the rest of `reached` below, where more than 16 rows are driven. f counts
 * eights in two planes so far, and `planes` hold the most there are. */
static AI V FN(reached_by_many)(FN(Driven) d, const uint8_t *w, const uint8_t *r, V *c, V *f, const int NP,
                                const int planes) {
  for (int p = 2; p < planes; p++) f[p] = (V){0};
  for (int i = 16; i < d.most; i += 8) {
    FN(advance)(&d, i);
    FN(ripple)(f, FN(add8)(&d, w, c), planes);
  }
  V above = f[0] & REF(3);
  for (int p = 1; p < planes && p < NP - 3; p++) above = MAJ(above, f[p], REF(3 + p));
  for (int p = planes; p < NP - 3; p++) above &= REF(3 + p);
  for (int p = NP - 3; p < planes; p++) above |= f[p];
  return above | REF(NP + 2);
}

/* Whether unsigned sums reach references. With t - 1 = 8 q + u, a sum reaches t if its 8s and those that u
 * lacks of 7 are more than q: so counters begin with 7 - u, and only what leaves three planes is compared.
 * References are the NP planes of ~(t - 1), q = 0, q < 2, t <= 0. */
static AI V FN(sense)(FN(Driven) d, const uint8_t *w, const uint8_t *r, const int NP) {
  if (d.most == 0) return REF(NP + 2);
  V c[3] = {REF(0), REF(1), REF(2)};
  const V e = FN(add8)(&d, w, c);
  if (d.most <= 8) return (e & REF(NP)) | REF(NP + 2);
  FN(advance)(&d, 8);
  const V g = FN(add8)(&d, w, c);
  if (d.most <= 16) return ((e | g) & REF(NP)) | (e & g & REF(NP + 1)) | REF(NP + 2);
  V f[8] = {e ^ g, e & g};
  if (d.most <= 56) return FN(reached_by_many)(d, w, r, c, f, NP, 3);
  if (d.most <= 120) return FN(reached_by_many)(d, w, r, c, f, NP, 4);
  return FN(reached_by_many)(d, w, r, c, f, NP, NP == 7 ? 5 : 8);
}
