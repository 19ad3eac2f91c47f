/* Bit-sliced partial sums and sense amplifiers, vectors of VB bytes at a time.
 *
 * A wordline's cells on all columns are one bit vector. Driven rows are added with a carry-save
 * network into vertical counters: plane p holds bit p of every column's sum. A sense amplifier
 * follows carries or borrows through the planes. Included once per SHAPE: vectors of columns of one
 * position, or of two POSITIONS side by side, which have CB bytes of columns each.
 */
#ifndef SHAPE
#define SHAPE VB
#define POSITIONS 1
#endif
#define CB (VB / POSITIONS)
#define FN3(a, b, c) a##_##b##_##c
#define FN2(a, b, c) FN3(a, b, c)
#define FN(name) FN2(name, SHAPE, VARIANT)
#define V FN(V)

typedef uint64_t V __attribute__((vector_size(VB)));

static AI V FN(ld)(const void *p) { V v; memcpy(&v, p, VB); return v; }
#if POSITIONS > 1 /* of 16 bytes each, with AVX2 */
static AI V FN(beside)(const void *a, const void *b) {
  const __m256i low = _mm256_castsi128_si256(_mm_loadu_si128(a));
  return (V)_mm256_inserti128_si256(low, _mm_loadu_si128(b), 1);
}
static AI V FN(alike)(const void *p) { return (V)_mm256_broadcastsi128_si256(_mm_loadu_si128(p)); }
#define REF(p) FN(alike)(r + (p) * CB)
#else
#define REF(p) FN(ld)(r + (p) * CB)
#endif
static AI V FN(all)(int bit) { return (V){0} - (uint64_t)bit; }

#if LEVEL >= 2 && VB == 64
#define TERN(a, b, c, k) ((V)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), k))
#elif LEVEL >= 2 && VB == 32
#define TERN(a, b, c, k) ((V)_mm256_ternarylogic_epi64((__m256i)(a), (__m256i)(b), (__m256i)(c), k))
#elif LEVEL >= 2 && VB == 16
#define TERN(a, b, c, k) ((V)_mm_ternarylogic_epi64((__m128i)(a), (__m128i)(b), (__m128i)(c), k))
#endif
#ifdef TERN
#define MAJORITY
#define XOR3(a, b, c) TERN(a, b, c, 0x96)
#define MAJ(a, b, c) TERN(a, b, c, 0xE8)
#define BORROW(o, a, r) TERN(o, a, r, 0xB2) /* majority of o, not a, r */
#elif defined(NEON) /* a bit of c where a and b differ, else of a: one instruction after their difference */
#define MAJORITY
#define SELECT(m, a, b) ((V)vbslq_u64((uint64x2_t)(m), (uint64x2_t)(a), (uint64x2_t)(b)))
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define MAJ(a, b, c) SELECT((a) ^ (b), c, a)
#define BORROW(o, a, r) SELECT((a) ^ (r), r, o)
#else
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define MAJ(a, b, c) (((a) & (b)) | ((c) & ((a) ^ (b))))
#define BORROW(o, a, r) (((o) & ((r) | ~(a))) | ((r) & ~(a)))
#endif

#include "count.h"
#include "sense.h"

/* Counters of a vector are kept as `width` bytes of each position, `next` bytes apart. */
static AI void FN(keep)(uint8_t *out, int64_t next, V v, const int width) {
#if POSITIONS > 1
  memcpy(out + next, (const uint8_t *)&v + CB, (size_t)width);
#endif
  (void)next;
  memcpy(out, &v, (size_t)width);
}

static AI V FN(kept)(const uint8_t *out, int64_t next, const int width) {
  V v = {0};
#if POSITIONS > 1
  if (width == CB) return FN(beside)(out, out + next);
  memcpy((uint8_t *)&v + CB, out + next, (size_t)width);
#endif
  (void)next;
  memcpy(&v, out, (size_t)width);
  return v;
}

/* Add a plane and a carry to a kept plane; returns the carry out of it. */
static AI V FN(add_plane)(uint8_t *out, int64_t next, V d, V carry, const int width) {
  const V old = FN(kept)(out, next, width);
  FN(keep)(out, next, XOR3(old, d, carry), width);
  return MAJ(old, d, carry);
}

/* Keep counts of three planes, or add them to those that are kept: `depth` planes, `row` bytes apart. */
static AI void FN(put_counts)(uint8_t *out, int64_t row, int64_t depth, int64_t next, V d0, V d1, V d2,
                              int first, const int width) {
  int64_t k = 3;
  if (first) {
    FN(keep)(out, next, d0, width);
    if (depth > 1) FN(keep)(out + row, next, d1, width);
    if (depth > 2) FN(keep)(out + 2 * row, next, d2, width);
    for (; k < depth; k++) FN(keep)(out + k * row, next, (V){0}, width);
    return;
  }
  V carry = FN(add_plane)(out, next, d0, (V){0}, width);
  if (depth > 1) carry = FN(add_plane)(out + row, next, d1, carry, width);
  if (depth > 2) carry = FN(add_plane)(out + 2 * row, next, d2, carry, width);
  for (; k < depth; k++) {
    const V old = FN(kept)(out + k * row, next, width);
    FN(keep)(out + k * row, next, old ^ carry, width);
    carry &= old;
  }
}

/* Count reached references of some row blocks at some positions, one column block.
 * At most 7 counts, into planes of `out` beside each other: `first` says that out holds nothing.
 */
static AI void FN(tile_of)(const Layer *l, const Scratch *s, int64_t b0, int64_t b1, int64_t cb,
                           int64_t p0, int64_t p1, int first, const int NP, const int mode,
                           const int single, const int folded) {
  const int64_t sets = l->sets;
  const int64_t wstep = l->colblks * sets * (l->rows + 1) * CB;
  const int64_t refs = (1 + l->parity) * l->L * l->refplanes * CB, rstep = l->colblks * refs;
  const uint8_t *w0 = s->weights + b0 * wstep + cb * sets * (l->rows + 1) * CB;
  const uint8_t *r0 = s->refs + b0 * rstep + cb * refs;
  const int width = folded ? CB / 2 : CB;
  const int64_t area = s->band_rows * l->PW, row = l->colblks * width;
  const Entry *at[7];
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
#if POSITIONS > 1
  uint16_t none[8];
  for (int i = 0; i < 8; i++) none[i] = (uint16_t)(l->rows * CB);
#define DRIVEN(b) FN(driven)(pool, at[b] + base, at[b] + beside, none)
#else
#define DRIVEN(b) FN(driven)(pool, at[b] + base)
#endif
  for (int64_t p = p0; p < p1; p += POSITIONS, out += POSITIONS * depth * row) {
    const int64_t base = posbase[p];
#if POSITIONS > 1 /* a position that is left over lies beside itself */
    const int64_t beside = posbase[p + 1 < p1 ? p + 1 : p], next = p + 1 < p1 ? depth * row : 0;
#else
    const int64_t next = 0;
#endif
    V d0 = {0}, d1 = {0}, d2 = {0};
    const uint8_t *w = w0, *r = r0;
    int b = 0;
    for (; mode == PLAIN && single && b + 1 < blocks; b += 2, w += 2 * wstep, r += 2 * rstep) {
      const V q = FN(sense)(DRIVEN(b), w, r, NP), u = FN(sense)(DRIVEN(b + 1), w + wstep, r + rstep, NP);
      const V two = MAJ(d0, q, u);
      d0 = XOR3(d0, q, u);
      d2 ^= d1 & two;
      d1 ^= two;
    }
    for (; b < blocks; b++, w += wstep, r += rstep) {
      const FN(Driven) driven = DRIVEN(b);
      V q[8];
      if (mode == PLAIN)
        for (int k = 0; k < (single ? 1 : l->L); k++) q[k] = FN(sense)(driven, w, r + k * l->refplanes * CB, NP);
      else if (mode == DIGITS) FN(sense_digits)(l, &driven, w, r, q, NP, folded);
      else FN(sense_signed)(l, &driven, w, r, q, NP, mode, folded);
      for (int k = 0; k < (single ? 1 : l->L); k++) {
        const V two = d0 & q[k];
        d0 ^= q[k];
        d2 ^= d1 & two;
        d1 ^= two;
      }
    }
    FN(put_counts)(out, row, depth, next, d0, d1, d2, first, width);
  }
#undef DRIVEN
}

static void FN(tile)(const Layer *l, const Scratch *s, int64_t b0, int64_t b1, int64_t cb,
                     int64_t p0, int64_t p1, int first) {
#define TILE(NP, mode, single, folded) \
  FN(tile_of)(l, s, b0, b1, cb, p0, p1, first, NP, mode, single, folded)
#define TILE_NP(...) do { if (l->NP == 7) TILE(7, __VA_ARGS__); else TILE(10, __VA_ARGS__); } while (0)
  if (l->mode == PLAIN && l->L == 1) TILE_NP(PLAIN, 1, 0);
  else if (l->mode == PLAIN) TILE((int)l->NP, PLAIN, 0, 0);
#if POSITIONS == 1 /* positions of half-active columns differ in their references */
  else if (l->mode == HALF_ACTIVE) TILE((int)l->NP, HALF_ACTIVE, 0, 0);
#endif
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
#undef MAJORITY
#undef XOR3
#undef MAJ
#undef BORROW
#undef V
#undef FN
#undef FN2
#undef FN3
#undef VB
#undef CB
#undef SHAPE
#undef POSITIONS
