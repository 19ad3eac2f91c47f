/* Bit-sliced partial sums and sense amplifiers, VB bytes of columns at a time.
 *
 * A wordline's cells on all columns are one bit vector. Driven rows are added with a carry-save
 * network into vertical counters: plane p holds bit p of every column's sum. A sense amplifier is
 * a borrow chain over the planes. Included once per vector width.
 */
#define FN3(a, b, c) a##_##b##_##c
#define FN2(a, b, c) FN3(a, b, c)
#define FN(name) FN2(name, VB, VARIANT)
#define V FN(V)

typedef uint64_t V __attribute__((vector_size(VB)));

static AI V FN(ld)(const void *p) { V v; memcpy(&v, p, VB); return v; }
static AI V FN(all)(int bit) { return (V){0} - (uint64_t)bit; }

#if LEVEL >= 2 && VB == 64
#define TERN(a, b, c, k) ((V)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), k))
#elif LEVEL >= 2 && VB == 32
#define TERN(a, b, c, k) ((V)_mm256_ternarylogic_epi64((__m256i)(a), (__m256i)(b), (__m256i)(c), k))
#elif LEVEL >= 2 && VB == 16
#define TERN(a, b, c, k) ((V)_mm_ternarylogic_epi64((__m128i)(a), (__m128i)(b), (__m128i)(c), k))
#endif
#ifdef TERN
#define XOR3(a, b, c) TERN(a, b, c, 0x96)
#define MAJ(a, b, c) TERN(a, b, c, 0xE8)
#define BORROW(o, a, r) TERN(o, a, r, 0xB2) /* majority of o, not a, r */
#define NOR(a, b) TERN(a, b, b, 0x03)
#elif defined(NEON) /* a bit of c where a and b differ, else of a: one instruction after their difference */
#define SELECT(m, a, b) ((V)vbslq_u64((uint64x2_t)(m), (uint64x2_t)(a), (uint64x2_t)(b)))
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define MAJ(a, b, c) SELECT((a) ^ (b), c, a)
#define BORROW(o, a, r) SELECT((a) ^ (r), r, o)
#define NOR(a, b) (~((a) | (b)))
#else
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define MAJ(a, b, c) (((a) & (b)) | ((c) & ((a) ^ (b))))
#define BORROW(o, a, r) (((o) & ((r) | ~(a))) | ((r) & ~(a)))
#define NOR(a, b) (~((a) | (b)))
#endif
#define ROW(i) FN(ld)(w + ix[i])

static AI void FN(count8)(const uint16_t *ix, const uint8_t *w, V *c) {
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

/* Add the rows from the ninth on; `planes` is a constant where this is inlined. */
static AI void FN(count_more)(const uint16_t *ix, int n, const uint8_t *w, V *c, int planes) {
  for (int p = 4; p < planes; p++) c[p] = (V){0};
  for (int i = 8; i < n; i += 8) {
    ix += 8;
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
    V carry = MAJ(c[2], e, f);
    c[2] = XOR3(c[2], e, f);
#pragma GCC unroll 8
    for (int p = 3; p < planes; p++) { V v = c[p]; c[p] = v ^ carry; carry &= v; }
  }
}

static AI void FN(count)(const uint16_t *ix, int n, const uint8_t *w, V *c, int planes) {
  FN(count8)(ix, w, c);
  FN(count_more)(ix, n, w, c, planes);
}

#define REF(p) FN(ld)(r + (p) * VB)

/* Unsigned sums against references of NP planes; then: OR from plane 4, OR from 7, at rest. */
static AI V FN(sense)(const uint16_t *ix, int n, const uint8_t *w, const uint8_t *r, int NP) {
  V c[10], o;
  if (n == 0) return REF(NP + 2);
  FN(count8)(ix, w, c);
  if (n <= 8) {
    o = ~c[0] & REF(0);
    for (int p = 1; p < 4; p++) o = BORROW(o, c[p], REF(p));
    return NOR(o, REF(NP));
  }
  if (NP == 7 || n < 128) {
    FN(count_more)(ix, n, w, c, 7);
    o = ~c[0] & REF(0);
#pragma GCC unroll 8
    for (int p = 1; p < 7; p++) o = BORROW(o, c[p], REF(p));
    return NOR(o, REF(NP + 1));
  }
  FN(count_more)(ix, n, w, c, 10);
  o = ~c[0] & REF(0);
#pragma GCC unroll 10
  for (int p = 1; p < 10; p++) o = BORROW(o, c[p], REF(p));
  return ~o;
}

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
#elif VB == 32
  return __builtin_shuffle(v, (V){2, 3, 2, 3});
#else
  return __builtin_shuffle(v, (V){4, 5, 6, 7, 4, 5, 6, 7});
#endif
}

/* Count two sets of cells: side by side in vectors, or one after the other (the last may be alone). */
static AI void FN(count_two)(const Layer *l, const uint16_t *ix, int n, const uint8_t *w, int pair,
                             V *one, V *other, const int P, const int folded) {
  const int64_t set = (l->rows + 1) * VB;
  if (folded) {
    FN(count)(ix, n, w + pair * set, one, P);
    for (int p = 0; p < P; p++) other[p] = FN(second)(one[p]);
    return;
  }
  FN(count)(ix, n, w + 2 * pair * set, one, P);
  if (2 * pair + 1 < l->sets) FN(count)(ix, n, w + (2 * pair + 1) * set, other, P);
  else for (int p = 0; p < P; p++) other[p] = (V){0};
}

/* Differential pairs, or a reference that follows the activity: L references into q. */
static AI void FN(sense_signed)(const Layer *l, const uint16_t *ix, int n, const uint8_t *w,
                                const uint8_t *r, V *q, const int NP, const int mode,
                                const int folded) {
  const int64_t step = l->refplanes * VB;
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
      FN(count_two)(l, ix, n, w, 0, c, m, P, folded);                          \
    } else {                                                                   \
      FN(count)(ix, n, w, c, P);                                               \
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
static AI void FN(sense_digits)(const Layer *l, const uint16_t *ix, int n, const uint8_t *w,
                                const uint8_t *r, V *q, const int NP, const int folded) {
  const int64_t step = l->refplanes * VB;
  V c[14], d[12], e[10];
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
    FN(count_two)(l, ix, n, w, 0, c, e, P, folded);                            \
    FN(add_twice)(c, e, P);                                                    \
    if (l->sets <= 2 - folded) { REACHED(P + 2) break; }                       \
    FN(count_two)(l, ix, n, w, 1, d, e, P, folded);                            \
    FN(add_twice)(d, e, P);                                                    \
    V carry = {0};                                                             \
    for (int p = 0; p < P + 2; p++) {                                          \
      const V a = p < P ? c[p + 2] : (V){0};                                   \
      c[p + 2] = XOR3(a, d[p], carry);                                         \
      carry = MAJ(a, d[p], carry);                                             \
    }                                                                          \
    REACHED(P + 4)                                                             \
  } while (0)
  if (n <= 8) DIGIT_SUM(4);
  else if (NP == 7 || n < 128) DIGIT_SUM(7);
  else DIGIT_SUM(10);
#undef DIGIT_SUM
#undef REACHED
}

/* Count reached references of some row blocks at some positions, one column block.
 * At most 7 counts, into planes of `out` beside each other: `first` says that out holds nothing.
 */
static AI void FN(tile_of)(const Layer *l, const Scratch *s, int64_t b0, int64_t b1, int64_t cb,
                           int64_t p0, int64_t p1, int first, const int NP, const int mode,
                           const int single, const int folded) {
  const int64_t sets = l->sets;
  const int64_t wstep = l->colblks * sets * (l->rows + 1) * VB;
  const int64_t refs = (1 + l->parity) * l->L * l->refplanes * VB, rstep = l->colblks * refs;
  const uint8_t *w0 = s->weights + b0 * wstep + cb * sets * (l->rows + 1) * VB;
  const uint8_t *r0 = s->refs + b0 * rstep + cb * refs;
  const int width = folded ? VB / 2 : VB;
  const int64_t area = s->band_rows * l->PW, row = l->colblks * width;
  const Entry *at[8];
  for (int64_t b = b0; b < b1; b++) {
    const Block *k = l->blocks + b;
    at[b - b0] = s->entries + k->combo * area + (int64_t)k->ay * l->PW + k->ax;
  }
  const int blocks = (int)(b1 - b0);
  /* In locals: for all the compiler knows, a store of counters might have changed them. */
  const uint16_t *const pool = s->pool;
  const int32_t *const posbase = s->posbase;
  const int64_t depth = l->depth;
  uint8_t *out = s->counters + cb * width;
#define KEEP(p, v) do { V v_ = (v); memcpy(p, &v_, (size_t)width); } while (0)
  for (int64_t p = p0; p < p1; p++, out += depth * row) {
    const int64_t base = posbase[p];
    V d0 = {0}, d1 = {0}, d2 = {0};
    const uint8_t *w = w0, *r = r0;
#define ADD1(q) do { V q_ = (q), t_ = d0 & q_; d0 ^= q_; V u_ = d1 & t_; d1 ^= t_; d2 ^= u_; } while (0)
    if (mode == PLAIN && single) {
      int b = 0;
      for (; b + 1 < blocks; b += 2, w += 2 * wstep, r += 2 * rstep) {
        Entry e = at[b][base], f = at[b + 1][base];
        V q = FN(sense)(pool + e.start, (int)e.n, w, r, NP);
        V u = FN(sense)(pool + f.start, (int)f.n, w + wstep, r + rstep, NP);
        V t = MAJ(d0, q, u);
        d0 = XOR3(d0, q, u);
        d2 ^= d1 & t;
        d1 ^= t;
      }
      if (b < blocks) {
        Entry e = at[b][base];
        ADD1(FN(sense)(pool + e.start, (int)e.n, w, r, NP));
      }
    } else {
      for (int b = 0; b < blocks; b++, w += wstep, r += rstep) {
        const Entry e = at[b][base];
        const uint16_t *ix = pool + e.start;
        V q[8];
        if (mode == PLAIN)
          for (int k = 0; k < l->L; k++)
            q[k] = FN(sense)(ix, (int)e.n, w, r + k * l->refplanes * VB, NP);
        else if (mode == DIGITS) FN(sense_digits)(l, ix, (int)e.n, w, r, q, NP, folded);
        else FN(sense_signed)(l, ix, (int)e.n, w, r, q, NP, mode, folded);
        for (int k = 0; k < (single ? 1 : l->L); k++) ADD1(q[k]);
      }
    }
#undef ADD1
    if (first) {
      KEEP(out, d0);
      if (depth > 1) KEEP(out + row, d1);
      if (depth > 2) KEEP(out + 2 * row, d2);
      for (int64_t k = 3; k < depth; k++) memset(out + k * row, 0, (size_t)width);
    } else {
      V d[3] = {d0, d1, d2}, carry = {0};
      for (int64_t k = 0; k < depth; k++) {
        V old = {0}, add = k < 3 ? d[k] : (V){0};
        memcpy(&old, out + k * row, (size_t)width);
        KEEP(out + k * row, XOR3(old, add, carry));
        carry = MAJ(old, add, carry);
      }
    }
  }
#undef KEEP
}

static void FN(tile)(const Layer *l, const Scratch *s, int64_t b0, int64_t b1, int64_t cb,
                     int64_t p0, int64_t p1, int first) {
#define TILE(NP, mode, single, folded) \
  FN(tile_of)(l, s, b0, b1, cb, p0, p1, first, NP, mode, single, folded)
#define TILE_NP(...) do { if (l->NP == 7) TILE(7, __VA_ARGS__); else TILE(10, __VA_ARGS__); } while (0)
  if (l->mode == PLAIN && l->L == 1) TILE_NP(PLAIN, 1, 0);
  else if (l->mode == PLAIN) TILE((int)l->NP, PLAIN, 0, 0);
  else if (l->mode == HALF_ACTIVE) TILE((int)l->NP, HALF_ACTIVE, 0, 0);
  else if (l->mode == DIGITS && l->folded) TILE_NP(DIGITS, 0, 1);
  else if (l->mode == DIGITS) TILE_NP(DIGITS, 0, 0);
  else if (l->folded) TILE((int)l->NP, DIFFERENTIAL, 0, 1);
  else TILE((int)l->NP, DIFFERENTIAL, 0, 0);
#undef TILE_NP
#undef TILE
}

#undef REF
#undef ROW
#undef TERN
#undef SELECT
#undef XOR3
#undef MAJ
#undef BORROW
#undef NOR
#undef V
#undef FN
#undef FN2
#undef FN3
#undef VB
