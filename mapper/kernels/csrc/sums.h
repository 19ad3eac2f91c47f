/* Partial sums as numbers: driven rows added lane by lane, then any readout.
 *
 * Included per pair of types: CELL of stored digits, NUM of sums; SUMS names the pair. Where cells
 * are narrower, `chunk` rows are added as cells before they are widened: they fit a byte so long.
 * NARROW where sums are of 16 bits.
 */
#define FN3(a, b, c) a##_##b##_##c
#define FN2(a, b, c) FN3(a, b, c)
#define FN(name) FN2(name, SUMS, VARIANT)

#define LANES (VECTOR / (int)sizeof(CELL))
#define OUTPUTS ((int)l->at_once)
#define FOUR 4u
#define MOST 2048 /* of OUTPUTS x S, see check.c */
#define MOST_FEW 8 /* positions whose noisy sums are made before any is compared */
#define HASHED (MOST / 4 + 33 * HASHES) /* of 32 slices at most, each filled up and a vector more */
typedef CELL FN(vec) __attribute__((vector_size(VECTOR)));
typedef NUM FN(sum) __attribute__((vector_size(VECTOR)));
typedef CELL FN(few) __attribute__((vector_size(VECTOR / (sizeof(NUM) / sizeof(CELL)))));
typedef NUM FN(part) __attribute__((vector_size(LANES32 * sizeof(NUM))));

static AI FN(vec) FN(ldv)(const CELL *p) { FN(vec) v; memcpy(&v, p, VECTOR); return v; }

/* Cells as numbers; GCC widens bytes a quarter of a vector at a time. */
static AI FN(sum) FN(widen)(FN(few) part) {
#if LEVEL >= 2
  if (sizeof(CELL) == 1) { __m256i in; memcpy(&in, &part, 32); return (FN(sum))_mm512_cvtepi8_epi16(in); }
#elif LEVEL == 1
  if (sizeof(CELL) == 1) { __m128i in; memcpy(&in, &part, 16); return (FN(sum))_mm256_cvtepi8_epi16(in); }
#endif
  return __builtin_convertvector(part, FN(sum));
}

static AI void FN(keep)(NUM *p, FN(vec) v, int first) {
  FN(few) part[sizeof(NUM) / sizeof(CELL)];
  memcpy(part, &v, sizeof v);
  for (int k = 0; k < (int)(sizeof(NUM) / sizeof(CELL)); k++, p += VECTOR / sizeof(NUM)) {
    FN(sum) sum = FN(widen)(part[k]), before;
    if (!first) { memcpy(&before, p, sizeof before); sum += before; }
    memcpy(p, &sum, sizeof sum);
  }
}

/* Add `wide` vectors of each driven row; `wide` is a constant where this is inlined. Four rows at a time: a list
 * is followed by eight rows of zeros, and how many fours it has is easier to foresee than how many rows. */
static AI void FN(add_rows)(const uint16_t *ix, uint32_t n, const CELL *w, int64_t row, NUM *out,
                            int wide, int first) {
  FN(vec) acc[8];
  for (int j = 0; j < wide; j++) acc[j] = (FN(vec)){0};
  for (uint32_t i = 0; i < n; i += FOUR)
#pragma GCC unroll 4
    for (uint32_t k = 0; k < FOUR; k++) {
      const CELL *from = w + ix[i + k] * row;
#pragma GCC unroll 8
      for (int j = 0; j < wide; j++) acc[j] += FN(ldv)(from + j * LANES);
    }
  for (int j = 0; j < wide; j++) FN(keep)(out + j * LANES, acc[j], first);
}

/* Sums of all bit-slices of OUTPUTS outputs, in out[S][OUTPUTS]; rows are `row` numbers. */
static AI void FN(chunk_sums)(const uint16_t *ix, uint32_t n, const CELL *w, int64_t row, NUM *out,
                              int first) {
  int64_t j = 0;
  for (; j + 8 * LANES <= row; j += 8 * LANES) FN(add_rows)(ix, n, w + j, row, out + j, 8, first);
  for (; j + 4 * LANES <= row; j += 4 * LANES) FN(add_rows)(ix, n, w + j, row, out + j, 4, first);
  for (; j + 2 * LANES <= row; j += 2 * LANES) FN(add_rows)(ix, n, w + j, row, out + j, 2, first);
  for (; j < row; j += LANES) FN(add_rows)(ix, n, w + j, row, out + j, 1, first);
}

#ifdef NIBBLES
/* Two bit-slices a byte: `per` rows at a time fill no nibble, and are then added as bytes. A list is
 * followed by eight rows of zeros, so the last rows may be fewer. */
typedef uint16_t FN(pairs) __attribute__((vector_size(VECTOR)));

static AI void FN(add_nibbles)(const uint16_t *ix, uint32_t n, const int per, const CELL *w, int64_t row,
                               FN(vec) *low, FN(vec) *high, const int wide) {
  for (int j = 0; j < wide; j++) low[j] = high[j] = (FN(vec)){0};
  for (uint32_t i = 0; i < n; i += (uint32_t)per) {
    FN(vec) sum[4];
#pragma GCC unroll 8
    for (int k = 0; k < per; k++) {
      const CELL *from = w + ix[i + (uint32_t)k] * row;
#pragma GCC unroll 4
      for (int j = 0; j < wide; j++) sum[j] = k ? sum[j] + FN(ldv)(from + j * LANES) : FN(ldv)(from + j * LANES);
    }
#pragma GCC unroll 4
    for (int j = 0; j < wide; j++) {
      low[j] += (FN(vec))((FN(pairs))sum[j] & 0x0F0F);
      high[j] += (FN(vec))((FN(pairs))sum[j] >> 4 & 0x0F0F);
    }
  }
}

static AI void FN(nibble_chunk)(const Layer *l, const uint16_t *ix, uint32_t n, const int per, const CELL *w,
                                int64_t row, NUM *out, int first) {
  const int64_t outputs = OUTPUTS;
  FN(vec) low[4], high[4];
  for (int64_t j = 0; j < row; j += 2 * LANES) {
    const int wide = row - j >= 2 * LANES ? 2 : 1;
    if (wide == 2) FN(add_nibbles)(ix, n, per, w + j, row, low, high, 2);
    else FN(add_nibbles)(ix, n, per, w + j, row, low, high, 1);
    for (int k = 0; k < wide; k++) {
      const int64_t at = j + k * LANES;
      NUM *to = out + at / outputs * 2 * outputs + at % outputs;
      FN(keep)(to, low[k], first);
      FN(keep)(to + outputs, high[k], first);
    }
  }
}

static AI void FN(nibble_sums)(const Layer *l, const uint16_t *ix, uint32_t n, const CELL *w, int64_t row,
                               NUM *out) {
  const uint32_t chunk = (uint32_t)l->chunk;
  uint32_t done = 0;
  do {
    const uint32_t some = n - done < chunk ? n - done : chunk;
    if (l->nibbles == 5) FN(nibble_chunk)(l, ix + done, some, 5, w, row, out, !done);
    else FN(nibble_chunk)(l, ix + done, some, 8, w, row, out, !done);
    done += chunk;
  } while (done < n);
}
#endif

static AI void FN(some_sums)(const Layer *l, const uint16_t *ix, uint32_t n, const CELL *w, int64_t row,
                             NUM *out) {
#ifdef NIBBLES
  if (l->nibbles) { FN(nibble_sums)(l, ix, n, w, row, out); return; }
#endif
  const uint32_t fit = (uint32_t)l->chunk / FOUR * FOUR; /* more than the last rows would be added twice */
  const uint32_t chunk = sizeof(CELL) == sizeof(NUM) || n < fit ? n : fit;
  FN(chunk_sums)(ix, chunk, w, row, out, 1);
  for (uint32_t done = chunk; done < n; done += chunk)
    FN(chunk_sums)(ix + done, n - done < chunk ? n - done : chunk, w, row, out, 0);
}

/* Load as many sums as a vector of int32 takes. */
static AI lanes32 FN(load_sums)(const NUM *p) {
  FN(part) part;
  memcpy(&part, p, sizeof part);
  return __builtin_convertvector(part, lanes32);
}

/* Compare with thresholds: weighed levels of all bit-slices in out[OUTPUTS]. */
static AI void FN(sense_sums)(const Layer *l, const NUM *p, uint32_t n, const int32_t *tables,
                              int32_t *out) {
  const int32_t half = (int32_t)(l->half_full * (int64_t)n);
  const int64_t L = l->L, S = l->S, cols = l->cols, Npad = l->Npad;
  const int outputs = OUTPUTS;
  const int doubled = l->half_full != 0;
  for (int c = 0; c < outputs; c += LANES32) {
    lanes32 found = (lanes32){0} + (int32_t)l->lowest;
    for (int64_t s = 0; s < S; s++) {
      lanes32 sums = FN(load_sums)(p + s * outputs + c);
      if (doubled) sums = 2 * sums - half;
      const int32_t *t = tables + s * Npad + c;
      for (int64_t k = 0; k < L; k++, t += cols)
        found += (sums >= NAME(load32)(t)) & (l->rises[k] * l->significances[s]);
    }
    memcpy(out + c, &found, sizeof found);
  }
}

/* The same in 16 bits. */
#ifdef NARROW
#include "narrow.h"
#endif

/* Convert: base + step * clip((p - first) / width + 1, 0, top); tables of first, width, step, base.
 *
 * `inverse` is 1 / width in single precision. Below 2**24 a product with it is off by less than one
 * from the quotient, and the remainder says which way. */
static AI void FN(convert_sums)(const Layer *l, const NUM *p, const int32_t *tables,
                                const float *inverse, const NAME(Reads) *reads, int64_t from, int32_t *out) {
  const lanes32 top = (lanes32){0} + (int32_t)l->top;
  const int64_t S = l->S, cols = l->cols, Npad = l->Npad;
  const int outputs = OUTPUTS, up = (int)l->up;
  uint64_t hashes[HASHED];
  for (int c = 0; c < outputs; c += LANES32) memset(out + c, 0, sizeof(lanes32));
  for (int64_t s = 0; s < S; s++) {
    const uint16_t *bits = reads ? NAME(bits_of)(l, *reads, s, from, outputs, hashes) : NULL;
    for (int c = 0; c < outputs; c += LANES32) {
      const int32_t *table = tables + s * Npad + c;
      const lanes32 first = NAME(load32)(table), width = NAME(load32)(table + cols);
      lanes32 over = FN(load_sums)(p + s * outputs + c);
      if (reads) over = (over << up) + NAME(gathered)(l->noise, NAME(widened)(bits + c));
      over -= first;
      float32 by;
      memcpy(&by, inverse + s * outputs + c, sizeof by);
      lanes32 code = __builtin_convertvector(__builtin_convertvector(over, float32) * by, lanes32);
      const lanes32 left = over - code * width;
      code += 1 + (left < 0) - (left >= width); /* a comparison is -1 where it holds */
      code &= over >= 0;
      const lanes32 above = code > top;
      code = (above & top) | (~above & code);
      const lanes32 value = NAME(load32)(table + 3 * cols) + NAME(load32)(table + 2 * cols) * code;
      const lanes32 found = NAME(load32)(out + c) + l->significances[s] * value;
      memcpy(out + c, &found, sizeof found);
    }
  }
}

/* Compare noisy sums with thresholds, as `sense_sums`. */
static AI void FN(sense_noisy)(const Layer *l, const NUM *p, const int32_t *tables, const NAME(Reads) *reads,
                               int64_t from, int32_t *out) {
  const int64_t L = l->L, S = l->S, cols = l->cols, Npad = l->Npad;
  const int outputs = OUTPUTS, up = (int)l->up;
  uint64_t hashes[HASHED];
  const lanes32 low = (lanes32){0} + (int32_t)l->noise_low, most = (lanes32){0} + (int32_t)(l->reaches - 1);
  const int32_t *const noise = l->noise;
  for (int c = 0; c < outputs; c++) out[c] = (int32_t)l->lowest;
  for (int64_t s = 0; s < S; s++) {
    const uint16_t *bits = NAME(bits_of)(l, *reads, s, from, outputs, hashes);
    for (int c = 0; c < outputs; c += LANES32) {
      const lanes32 sums = FN(load_sums)(p + s * outputs + c) << up, own = NAME(widened)(bits + c);
      lanes32 found = NAME(load32)(out + c);
      for (int64_t k = 0; k < L; k++) {
        const lanes32 away = NAME(load32)(tables + k * cols + s * Npad + c) - sums;
        found += NAME(reached_by)(noise, low, most, away, own) & (l->rises[k] * l->significances[s]);
      }
      memcpy(out + c, &found, sizeof found);
    }
  }
}

/* One row block and OUTPUTS outputs from `c` on, whose cells stay in cache over all positions. */
static void FN(sums_of)(const Layer *l, const Scratch *s, const Cluster *k, int64_t b, int64_t c,
                        const int32_t *scale, int32_t plane, int64_t p0, int64_t p1) {
  const Block *block = l->blocks + b;
  const Entry *at = s->entries + block->combo * s->band_rows * l->PW +
                    (int64_t)block->ay * l->PW + block->ax;
  const int64_t row = (l->nibbles ? (l->S + 1) / 2 : l->S) * OUTPUTS;
  const int64_t piece = (l->rows + 1) * row, pieces = l->Npad / OUTPUTS;
  const CELL *w = (const CELL *)s->weights + (b * pieces + c / OUTPUTS) * piece;
  const int64_t tables_of = (l->readout == SENSE ? l->L : 4) * l->cols;
  const int32_t *tables = s->tables + b * tables_of + c;
  const int32_t count = (int32_t)(l->Ng - c < OUTPUTS ? l->Ng - c : OUTPUTS);
  const int64_t pitch = l->N + 32, offset = l->offset;
  const int outputs = OUTPUTS;
  int32_t found[MOST];
  NUM sums[MOST];
  float inverse[MOST];
  if (l->readout == ADC && !l->quick)
    for (int64_t i = 0; i < l->S; i++)
      for (int j = 0; j < outputs; j++)
        inverse[i * outputs + j] = 1.0f / (float)tables[l->cols + i * l->Npad + j];
  const int64_t done = l->exact ? l->exact : -1; /* by whole_tile */
  for (int64_t p = p0; p < p1; p++) {
    const Entry e = at[s->posbase[p]];
    if ((int64_t)e.n <= done) continue;
    FN(some_sums)(l, s->pool + e.start, e.n, w, row, sums);
    if (l->noisy) {
      const NAME(Reads) reads = NAME(reads_of)(l, s, b, p);
      if (l->readout == SENSE) FN(sense_noisy)(l, sums, tables, &reads, k->y + c, found);
      else FN(convert_sums)(l, sums, tables, inverse, &reads, k->y + c, found);
    } else if (l->readout == SENSE) FN(sense_sums)(l, sums, e.n, tables, found);
#ifdef NARROW
    else if (l->quick) NAME(convert_quick)(l, sums, s->halves + (l->quick == EVEN ? 0 : b * 5 * l->cols + c), found);
#endif
    else FN(convert_sums)(l, sums, tables, inverse, NULL, 0, found);
    int32_t *y = s->y + (p - p0) * pitch + k->y + c;
    const int32_t more = (int32_t)(offset * (int64_t)e.n);
    if (count < outputs) {
      for (int32_t j = 0; j < count; j++) y[j] += plane * scale[c + j] * (found[j] + more);
      continue;
    }
    for (int j = 0; j < outputs; j += LANES32) {
      const lanes32 m = plane * NAME(load32)(scale + c + j);
      const lanes32 sum = NAME(load32)(y + j) + m * (NAME(load32)(found + j) + more);
      memcpy(y + j, &sum, sizeof sum);
    }
  }
}

static void FN(sums_tile)(const Layer *l, const Scratch *s, const Cluster *k, const int32_t *scale,
                          int32_t plane, int64_t p0, int64_t p1) {
#ifdef NARROW
  if (!l->wide) {
    FN(narrow_tile)(l, s, k, scale[0] * plane, p0, p1);
    return;
  }
#endif
  if (l->exact) NAME(whole_tile)(l, s, k, scale, plane, p0, p1);
  if (l->exact >= l->rows) return;
  for (int64_t c = 0; c < l->Ng; c += OUTPUTS)
    for (int64_t b = k->first; b < k->last; b++)
      FN(sums_of)(l, s, k, b, c, scale, plane, p0, p1);
}

#undef LANES
#undef OUTPUTS
#undef FOUR
#undef MOST
#undef MOST_FEW
#undef HASHED
#undef FN
#undef FN2
#undef FN3
#undef NUM
#undef CELL
#undef SUMS
