/* Sums of 16 bits against thresholds of 16 bits, with noise of reads or without: part of sums.h, which
 * includes it for each pair of types that has NARROW.
 *
 * 16 bits hold thresholds, what is weighed and all that is added to y; `weights` [L][S] are of what is
 * reached. Columns of sums of 0 add nothing: what they rest at is in y.
 */
#define MANY (VECTOR == 64 ? 1 : 2) /* vectors of each slice at once: those of all stay in registers */
typedef int16_t FN(narrow) __attribute__((vector_size(VECTOR)));
static AI FN(narrow) FN(ldn)(const int16_t *p) { FN(narrow) v; memcpy(&v, p, VECTOR); return v; }

/* What a row block at one position reads of some outputs. */
typedef struct {
  const uint16_t *ix;
  uint32_t n;
  const CELL *w;
  int64_t row, outputs, cols, Npad;
  const int16_t *thresholds, *rests;
  const FN(narrow) *weights; /* [L][S], scaled */
  int16_t scale;
  int L;
} FN(Narrow);

/* Add `weight` where sums reach a threshold. */
static AI FN(narrow) FN(add_reached)(FN(narrow) found, FN(narrow) sums, FN(narrow) threshold, FN(narrow) weight) {
#if LEVEL >= 2
  const __mmask32 on = _mm512_cmpge_epi16_mask((__m512i)sums, (__m512i)threshold);
  return (FN(narrow))_mm512_mask_add_epi16((__m512i)found, on, (__m512i)found, (__m512i)weight);
#else
  return found + ((FN(narrow))(sums >= threshold) & weight);
#endif
}

/* Sums of S slices that are in memory: [S][outputs]. */
static AI void FN(sense_stored)(const FN(Narrow) *a, const NUM *p, int16_t *y, int64_t S) {
  for (int64_t c = 0; c < a->outputs; c += VECTOR / 2) {
    FN(narrow) found = FN(ldn)(y + c) - FN(ldn)(a->rests + c) * a->scale;
    for (int64_t s = 0; s < S; s++) {
      const FN(narrow) sums = FN(ldn)(p + s * a->outputs + c);
      for (int k = 0; k < a->L; k++)
        found = FN(add_reached)(found, sums, FN(ldn)(a->thresholds + k * a->cols + s * a->Npad + c),
                                a->weights[k * S + s]);
    }
    memcpy(y + c, &found, VECTOR);
  }
}

/* Lower a threshold by one for each of the `steps` numbers under it that the bits of a read are beyond. */
static AI FN(narrow) FN(lowered)(FN(narrow) threshold, const int16_t *t, int64_t cols, FN(narrow) own, const int steps) {
#pragma GCC unroll 10
  for (int j = 0; j < steps; j++, t += cols)
#if LEVEL >= 2
    threshold = (FN(narrow))_mm512_mask_sub_epi16((__m512i)threshold,
        _mm512_cmpgt_epi16_mask((__m512i)own, (__m512i)FN(ldn)(t)), (__m512i)threshold, _mm512_set1_epi16(1));
#else
    threshold += (FN(narrow))(own > FN(ldn)(t));
#endif
  return threshold;
}

/* What a slice adds to y at column c, whose reads have the bits `own`: tables [L][1 + steps] of columns. */
static AI FN(narrow) FN(step_slice)(const FN(Narrow) *a, const NUM *p, FN(narrow) own, FN(narrow) found, int64_t c,
                                    int64_t s, int64_t S, const int steps) {
  const FN(narrow) sums = FN(ldn)(p + s * a->outputs + c);
  const int16_t *t = a->thresholds + s * a->Npad + c;
  own ^= INT16_MIN;
  for (int k = 0; k < a->L; k++, t += (1 + steps) * a->cols) {
    const FN(narrow) threshold = FN(lowered)(FN(ldn)(t), t + a->cols, a->cols, own, steps);
    found = FN(add_reached)(found, sums, threshold, a->weights[k * S + s]);
  }
  return found;
}

/* Noisy sums of S slices, whose bits are in memory: `pitch` numbers of 16 bits a slice. */
static AI void FN(steps_stored)(const FN(Narrow) *a, const NUM *p, const uint16_t *bits, int64_t pitch, int16_t *y,
                                int64_t S, const int steps) {
  for (int64_t c = 0; c < a->outputs; c += VECTOR / 2) {
    FN(narrow) found = FN(ldn)(y + c);
    for (int64_t s = 0; s < S; s++)
      found = FN(step_slice)(a, p, FN(ldn)((const int16_t *)bits + s * pitch + c), found, c, s, S, steps);
    memcpy(y + c, &found, VECTOR);
  }
}

/* The same where outputs begin with a hash: a vector of hashes has the bits of a vector of columns. If S is a
 * constant, those of all slices are made at once. */
static AI void FN(steps_hashed)(const FN(Narrow) *a, const NUM *p, uint64_t key, uint64_t counter, uint64_t fours,
                                int16_t *y, const int S, const int steps) {
  NAME(hashes) state = NAME(states_from)(key, counter);
  for (int64_t c = 0; c < a->outputs; c += VECTOR / 2, state += HASHES * GOLDEN) {
    NAME(hashes) z[4];
    FN(narrow) found = FN(ldn)(y + c);
#pragma GCC unroll 4
    for (int s = 0; s < S; s++) z[s] = state + (uint64_t)s * fours * GOLDEN;
    NAME(mix)(z, S);
#pragma GCC unroll 4
    for (int s = 0; s < S; s++) found = FN(step_slice)(a, p, (FN(narrow))z[s], found, c, s, S, steps);
    memcpy(y + c, &found, VECTOR);
  }
}

/* Positions of a row block, whose sums lie one after the other. */
typedef struct {
  const Layer *l;
  const Scratch *s;
  int64_t block, first, count, from; /* the first of them, and the first output */
} FN(Few);

/* Four slices whose outputs begin with a hash, as is usual; any others. */
static AI void FN(steps_of_four)(const FN(Few) *f, const FN(Narrow) *a, const NUM *p, int16_t *y, const int steps) {
  const uint64_t fours = (uint64_t)(f->l->N + 3) / 4;
  for (int64_t q = 0; q < f->count; q++, p += 4 * a->outputs, y += f->l->N + 32) {
    const NAME(Reads) reads = NAME(reads_of)(f->l, f->s, f->block, f->first + q);
    FN(steps_hashed)(a, p, reads.key, reads.place * fours + (uint64_t)f->from / 4, fours, y, 4, steps);
  }
}

static AI void FN(steps_of)(const FN(Few) *f, const FN(Narrow) *a, const NUM *p, int16_t *y, const int steps) {
  const int64_t S = f->l->S, pitch = (a->outputs / 4 + HASHES) * 4;
  uint64_t hashes[HASHED];
  for (int64_t q = 0; q < f->count; q++, p += S * a->outputs, y += f->l->N + 32) {
    const NAME(Reads) reads = NAME(reads_of)(f->l, f->s, f->block, f->first + q);
    for (int64_t s = 0; s < S; s++) NAME(bits_of)(f->l, reads, s, f->from, a->outputs, hashes + s * pitch / 4);
    FN(steps_stored)(a, p, (const uint16_t *)hashes + f->from % 4, pitch, y, S, steps);
  }
}

/* Steps are few: the usual numbers of them are constants. */
static __attribute__((noinline)) void FN(sense_steps)(const FN(Few) *f, const FN(Narrow) *a, const NUM *p, int16_t *y) {
#define FOURS(n) case n: FN(steps_of_four)(f, a, p, y, n); return
#define STEPS(n) case n: FN(steps_of)(f, a, p, y, n); return
  if (f->l->S == 4 && f->from % 4 == 0)
    switch (f->l->steps) { FOURS(3); FOURS(4); FOURS(5); FOURS(6); default: break; }
  switch (f->l->steps) { STEPS(3); STEPS(4); STEPS(5); STEPS(7); STEPS(9);
    default: FN(steps_of)(f, a, p, y, (int)f->l->steps);
  }
#undef STEPS
#undef FOURS
}

/* `many` vectors of sums of each of S slices: they stay in registers, as S and many are constants, and cells of a
 * wordline lie in one place with them. */
static AI void FN(sense_some)(const FN(Narrow) *a, int16_t *y, const int S, const int many) {
  FN(narrow) sums[8];
#pragma GCC unroll 8
  for (int j = 0; j < S * many; j++) sums[j] = (FN(narrow)){0};
  for (uint32_t i = 0; i < a->n; i += FOUR)
#pragma GCC unroll 4
    for (uint32_t k = 0; k < FOUR; k++) {
      const int16_t *from = (const int16_t *)a->w + a->ix[i + k] * (int64_t)(S * many * (VECTOR / 2));
#pragma GCC unroll 8
      for (int j = 0; j < S * many; j++) sums[j] += FN(ldn)(from + j * (VECTOR / 2));
    }
#pragma GCC unroll 2
  for (int j = 0; j < many; j++) {
    const int64_t at = j * (VECTOR / 2);
    FN(narrow) found = FN(ldn)(y + at) - FN(ldn)(a->rests + at) * a->scale;
    for (int k = 0; k < a->L; k++)
#pragma GCC unroll 8
      for (int s = 0; s < S; s++)
        found = FN(add_reached)(found, sums[s * many + j], FN(ldn)(a->thresholds + k * a->cols + s * a->Npad + at),
                                a->weights[k * S + s]);
    memcpy(y + at, &found, VECTOR);
  }
}

/* One row block and OUTPUTS outputs, as `sums_of` below. Positions that drive nothing rest. */
static AI void FN(narrow_of)(const Layer *l, const Scratch *s, const Cluster *k, int64_t b, int64_t c,
                             const FN(narrow) *weights, int16_t scale, int64_t p0, int64_t p1, const int S,
                             const int many) {
  const Block *block = l->blocks + b;
  const Entry *at = s->entries + block->combo * s->band_rows * l->PW +
                    (int64_t)block->ay * l->PW + block->ax;
  const int64_t row = (l->nibbles ? (l->S + 1) / 2 : l->S) * OUTPUTS, pitch = l->N + 32;
  const int64_t piece = (l->rows + 1) * row, pieces = l->Npad / OUTPUTS;
  const uint16_t *const pool = s->pool;
  const int32_t *const posbase = s->posbase;
  const int64_t tables = l->L * (1 + l->steps);
  int16_t *y = (int16_t *)s->y + k->y + c;
  FN(Narrow) a = {NULL, 0, (const CELL *)s->weights + (b * pieces + c / OUTPUTS) * piece, row, OUTPUTS, l->cols, l->Npad,
                  s->halves + b * tables * l->cols + c, s->rests + b * l->Npad + c, weights, scale, (int)l->L};
  NUM sums[MOST] __attribute__((aligned(64)));
  if (l->noisy) {
    const int64_t each = l->S * OUTPUTS, room = MOST / each < MOST_FEW ? MOST / each : MOST_FEW;
    for (int64_t p = p0; p < p1; p += room, y += room * pitch) {
      const FN(Few) few = {l, s, b, p, p1 - p < room ? p1 - p : room, k->y + c};
      for (int64_t q = 0; q < few.count; q++) {
        const Entry e = at[posbase[p + q]];
        FN(some_sums)(l, pool + e.start, e.n, a.w, row, sums + q * each);
      }
      FN(sense_steps)(&few, &a, sums, y);
    }
    return;
  }
  for (int64_t p = p0; p < p1; p++, y += pitch) {
    const Entry e = at[posbase[p]];
    if (!e.n) continue;
    a.ix = pool + e.start;
    a.n = e.n;
    if (S) FN(sense_some)(&a, y, S, many);
    else {
      FN(some_sums)(l, a.ix, a.n, a.w, row, sums);
      FN(sense_stored)(&a, sums, y, l->S);
    }
  }
}

static void FN(narrow_tile)(const Layer *l, const Scratch *s, const Cluster *k, int32_t factor, int64_t p0, int64_t p1) {
  FN(narrow) weights[MOST_NARROW];
  for (int64_t i = 0; i < l->L * l->S; i++)
    weights[i] = (FN(narrow)){0} + (int16_t)(l->rises[i / l->S] * l->significances[i % l->S] * factor);
  for (int64_t c = 0; c < l->Ng; c += OUTPUTS)
    for (int64_t b = k->first; b < k->last; b++) {
#define OF(S, many) FN(narrow_of)(l, s, k, b, c, weights, (int16_t)factor, p0, p1, S, many)
#define VECTORS(many)                        \
  do {                                       \
    if (l->S == 4) OF(4, many);              \
    else if (l->S == 3) OF(3, many);         \
    else if (l->S == 2) OF(2, many);         \
    else OF(1, many);                        \
  } while (0)
      const int64_t vectors = OUTPUTS / (VECTOR / 2);
      if (sizeof(CELL) < sizeof(NUM) || l->noisy || l->S > 4 || vectors > MANY) OF(0, 1);
      else if (vectors == MANY) VECTORS(MANY);
      else if (MANY > 1) VECTORS(1);
#undef VECTORS
#undef OF
    }
}
#undef MANY
