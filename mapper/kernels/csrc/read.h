/* Layers as training reads them, for one instruction set; see training.h.
 *
 * A partial sum is the sum of the cells of its active wordlines, which are few. A tile of vectors
 * meets one row block after the other, so that cells and slopes stay in cache.
 */

typedef int16_t shorts __attribute__((vector_size(VECTOR)));
typedef int16_t few __attribute__((vector_size(VECTOR / 2)));

typedef struct {
  int32_t *list;              /* [TILE][K + COPIED] active wordlines of each vector, ascending */
  int32_t *bounds;            /* [TILE][G + 1] where those of each row block begin */
  int16_t *sums;              /* [W] */
  float *up, *line;           /* [np] each */
  float *shift;               /* [W] */
  float *slopes;              /* [TILE][W] */
  float *rows;                /* [TILE][G * R] */
} Tile;

static AI void *NAME(take)(char **at, int64_t bytes) {
  void *found = *at;
  *at += (bytes + 63) / 64 * 64;
  return found;
}

static Tile NAME(lay_out)(const Read *r, void *scratch) {
  char *at = scratch;
  Tile t;
  t.list = NAME(take)(&at, TILE * (r->K + COPIED) * 4);
  t.bounds = NAME(take)(&at, TILE * (r->G + 1) * 4);
  t.sums = NAME(take)(&at, r->W * 2);
  t.up = NAME(take)(&at, r->np * 4);
  t.line = NAME(take)(&at, r->np * 4);
  t.shift = NAME(take)(&at, r->W * 4);
  t.slopes = NAME(take)(&at, TILE * r->W * 4);
  t.rows = NAME(take)(&at, TILE * r->G * r->R * 4);
  return t;
}

/* Count the wordlines of a list that are below a limit. */
static AI int32_t NAME(below)(const int32_t *list, int64_t count, int32_t limit) {
  int32_t found = 0;
  for (int64_t k = 0; k < count; k++) found += list[k] < limit;
  return found;
}

/* Write a vector's active wordlines, and where those of each row block begin. */
static AI void NAME(list)(const Read *r, int64_t a, int64_t v, int32_t *restrict list, int32_t *bounds) {
  const int64_t units = r->length / r->group_step;
  int64_t count = 0;
  for (int64_t run = 0; run < r->runs; run++) {
    const int64_t at = r->starts[v] + r->offsets[run] + a * r->group_step - r->origin;
    const int32_t *where = r->before + (uint32_t)at / (uint32_t)r->group_step, *from = r->active + where[0];
    const int32_t shift = (int32_t)(run * r->length - at);
    const int64_t more = where[units] - where[0];
    for (int64_t k = 0; k < more; k += COPIED)  /* whole vectors: what is too much is written over */
      for (int q = 0; q < COPIED; q++) list[count + k + q] = from[k + q] + shift;
    count += more;
  }
  bounds[0] = 0;
  bounds[r->G] = (int32_t)count;
  for (int64_t g = 1; g < r->G; g++) {  /* a row block has R of them at most */
    const int64_t first = bounds[g - 1], left = count - first;
    bounds[g] = (int32_t)first + NAME(below)(list + first, left < r->R ? left : r->R, (int32_t)(g * r->R));
  }
}

/* Add up `many` vectors of cells of active wordlines; they stay in registers, if loops are unrolled. */
static AI void NAME(add_some)(const Read *r, const int16_t *cells, const int32_t *list, int64_t count,
                              int16_t *sums, int many) {
  shorts total[4] = {{0}};
  for (int64_t k = 0; k < count; k++)
#pragma GCC unroll 4
    for (int q = 0; q < many; q++) {
      shorts each;
      memcpy(&each, cells + list[k] * r->W + q * (VECTOR / 2), VECTOR);
      total[q] += each;
    }
#pragma GCC unroll 4
  for (int q = 0; q < many; q++) memcpy(sums + q * (VECTOR / 2), &total[q], VECTOR);
}

/* Add up the cells of active wordlines; `cells` begin with wordline 0 of the layer. */
static AI void NAME(add_rows)(const Read *r, const int16_t *cells, const int32_t *list, int64_t count,
                              int16_t *sums) {
  const int64_t step = VECTOR / 2;
  int64_t left = r->W / step;
  for (; left >= 4; left -= 4, cells += 4 * step, sums += 4 * step)
    NAME(add_some)(r, cells, list, count, sums, 4);
  if (left == 3) NAME(add_some)(r, cells, list, count, sums, 3);
  if (left == 2) NAME(add_some)(r, cells, list, count, sums, 2);
  if (left == 1) NAME(add_some)(r, cells, list, count, sums, 1);
}

static AI float32 NAME(floats)(const float *p) { float32 v; memcpy(&v, p, VECTOR); return v; }
static AI void NAME(put)(float *p, float32 v) { memcpy(p, &v, VECTOR); }

/* Partial sums as real numbers, relative to half of the active rows, and disturbed if at all. */
static AI float32 NAME(real)(const int16_t *p, float half, const float *shift) {
  few v;
  memcpy(&v, p, sizeof v);
  const float32 found = __builtin_convertvector(v, float32) - half;
  return shift ? found + NAME(floats)(shift) : found;
}

static AI float32 NAME(where)(lanes32 test, float32 v) { return (float32)(test & (lanes32)v); }

static AI void NAME(add_scaled)(float *restrict to, const float *restrict from, float scale, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += scale * from[i];
}

static AI void NAME(add_number)(float *to, float number, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += number;
}

static AI void NAME(scaled)(float *restrict to, const float *restrict from, float scale, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = scale * from[i];
}

/* Add what a table has for each sum, times a number. */
static AI void NAME(add_found)(float *restrict to, const float *restrict table, const int16_t *restrict sums,
                               float scale, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += scale * table[sums[i]];
}

/* 64 bits that depend on a key and a counter (SplitMix64). */
static AI uint64_t NAME(hash)(int64_t key, int64_t counter) {
  uint64_t z = (uint64_t)key + ((uint64_t)counter + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

/* Return what is added to the sums of one vector and row block, [W]; NULL where nothing is. */
static AI const float *NAME(disturb)(const Read *r, const Tile *t, int64_t a, int64_t g, int64_t v) {
  if (!r->copies) return NULL;
  const int64_t copy = r->copy_of[(uint32_t)v % (uint32_t)r->positions], n = r->n, np = r->np;
  const float *own = r->shifts + ((copy * r->A + a) * r->G + g) * r->W;
  if (!r->places) return own;
  const uint64_t drawn = NAME(hash)(r->key, (v * r->A + a) * r->G + g) >> 48;
  const float *from = r->pool + (drawn & (uint64_t)(r->places - 1));
  float *to = t->shift;
  for (int64_t s = 0; s < r->S; s++)
    for (int64_t i = s * np; i < (s + 1) * np; i += LANES32)
      NAME(put)(to + i, NAME(floats)(own + i) + NAME(floats)(from + s * n - s * np + i));
  return to;
}

/* Bring disturbed sums to whole counts, within what the tables of an ADC are for. */
static AI void NAME(to_counts)(const Read *r, int16_t *sums, const float *shift) {
  const float32 none = {0}, low = none + (float)r->lowest, high = low + (float)(r->span - 1);
  const int64_t wide = r->S * r->np;
  for (int64_t i = 0; i < wide; i += LANES32) {
    const float32 y = NAME(real)(sums + i, 0, shift + i) + 0.5f;
    const float32 above = NAME(where)(y >= low, y) + NAME(where)(y < low, low);
    const float32 inside = NAME(where)(above <= high, above) + NAME(where)(above > high, high);
    const lanes32 whole = __builtin_convertvector(inside, lanes32);
    const few found = __builtin_convertvector(whole + (__builtin_convertvector(whole, float32) > inside), few);
    memcpy(sums + i, &found, sizeof found);
  }
}

/* Decode the sums of a row block, shift and add: line[np]. */
static AI void NAME(decode)(const Read *r, const int16_t *sums, const float *shift, float half, float more,
                            const float *reached, float *restrict line) {
  const float32 none = {0};
  const int64_t S = r->S, np = r->np, L = r->L, W = r->W;  /* what is written may alias what `r` holds */
  if (r->span) {
    const float *codes = r->codes - r->lowest;
    for (int64_t i = 0; i < np; i++) line[i] = more;
    for (int64_t s = 0; s < S; s++)
      NAME(add_found)(line, codes, sums + s * np, r->significances[s], np);
    return;
  }
  for (int64_t s = 0; s < S; s++) more += (float)r->first * r->significances[s];
  for (int64_t i = 0; i < np; i += LANES32) {
    float32 total = none + more;
    for (int64_t s = 0; s < S; s++) {
      const float32 p = NAME(real)(sums + s * np + i, half, shift ? shift + s * np + i : NULL);
      for (int64_t l = 0; l < L; l++)
        total += NAME(where)(p >= NAME(floats)(reached + l * W + s * np + i),
                             none + r->gaps[l] * r->significances[s]);
    }
    NAME(put)(line + i, total);
  }
}

/* Write the integers of vectors first..last. */
void NAME(read_forward)(const Read *r, int64_t first, int64_t last, void *scratch) {
  const Tile t = NAME(lay_out)(r, scratch);
  const int64_t pitch = r->A * r->n;
  for (int64_t v0 = first; v0 < last; v0 += TILE)
    for (int64_t a = 0; a < r->A; a++) {
      const int64_t many = v0 + TILE < last ? TILE : last - v0;
      for (int64_t j = 0; j < many; j++) {
        NAME(list)(r, a, v0 + j, t.list + j * (r->K + COPIED), t.bounds + j * (r->G + 1));
        memset(r->out + (v0 + j) * pitch + a * r->n, 0, (size_t)r->n * 4);
      }
      for (int64_t g = 0; g < r->G; g++)
        for (int64_t j = 0; j < many; j++) {
          const int32_t *bounds = t.bounds + j * (r->G + 1) + g;
          const float active = (float)(bounds[1] - bounds[0]), scale = r->scales[g];
          NAME(add_rows)(r, r->cells + a * r->G * r->R * r->W, t.list + j * (r->K + COPIED) + bounds[0],
                         bounds[1] - bounds[0], t.sums);
          const float *shift = NAME(disturb)(r, &t, a, g, v0 + j);
          if (shift && r->span) NAME(to_counts)(r, t.sums, shift);
          NAME(decode)(r, t.sums, shift, active * (float)r->twice_half / 2, active * (float)r->correction,
                       r->reached + (a * r->G + g) * r->L * r->W, t.line);
          NAME(add_scaled)(r->out + (v0 + j) * pitch + a * r->n, t.line, scale, r->n);
        }
    }
}

/* The slopes of an ADC, looked up. */
static AI void NAME(slope_by_table)(const Read *r, const int16_t *restrict sums, float *restrict learned,
                                    const float *restrict up, float *restrict slopes) {
  const float *restrict within = r->within - r->lowest, *restrict drift = r->drift - r->lowest;
  const int64_t S = r->S, np = r->np;  /* what is written may alias what `r` holds */
  for (int64_t s = 0; s < S; s++) {
    const float significance = r->significances[s];
    for (int64_t i = 0; i < np; i++) {
      const int64_t at = s * np + i, k = sums[at];
      const float upstream = up[i] * significance;
      slopes[at] = upstream * within[k];
      learned[at] += upstream * drift[k];
    }
  }
}

/* The slopes of sense amplifiers: triangles around their thresholds. */
static AI void NAME(slope_by_level)(const Read *r, const int16_t *sums, const float *shift, float half,
                                    const float *thresholds, float *learned, const float *up, float *slopes) {
  const lanes32 magnitude = (lanes32){0} + INT32_MAX;
  const int64_t S = r->S, np = r->np, L = r->L, W = r->W;  /* what is written may alias what `r` holds */
  for (int64_t i = 0; i < np; i += LANES32)
    for (int64_t s = 0; s < S; s++) {
      const int64_t at = s * np + i;
      const float32 p = NAME(real)(sums + at, half, shift ? shift + at : NULL);
      const float32 upstream = NAME(floats)(up + i) * r->significances[s];
      float32 total = {0};
      for (int64_t l = 0; l < L; l++) {
        const float32 away = (float32)((lanes32)(p - NAME(floats)(thresholds + l * W + at)) & magnitude);
        const float32 left = r->halves[s] - away;
        const float32 inside = NAME(where)(left > 0, left) * r->steep[l * S + s] * upstream;
        NAME(put)(learned + l * W + at, NAME(floats)(learned + l * W + at) - inside);
        total += inside;
      }
      NAME(put)(slopes + at, total);
    }
}

/* Multiply slopes[many][W] by turned[W][R], of the wordlines that a row block has: a few vectors by
 * a few lanes stay in registers, if loops are unrolled: GCC keeps them in memory otherwise. */
#define BROAD 4
#if LEVEL >= 2
#define HIGH 4
#define ADDED(total, a, b) (float32)_mm512_fmadd_ps(_mm512_set1_ps(a), (__m512)(b), (__m512)(total))
#elif LEVEL == 1
#define HIGH 2
#define ADDED(total, a, b) (float32)_mm256_fmadd_ps(_mm256_set1_ps(a), (__m256)(b), (__m256)(total))
#else
#define HIGH 2
#define ADDED(total, a, b) (total) + (a) * (b)
#endif
static AI void NAME(product_of)(const Read *r, const float *slopes, const float *turned, float *rows,
                                int64_t pitch, int64_t wide, int broad) {
  float32 total[HIGH][BROAD] = {{{0}}};
  for (int64_t w = 0; w < wide; w++)
#pragma GCC unroll 4
    for (int q = 0; q < broad; q++) {
      const float32 each = NAME(floats)(turned + w * r->R + q * LANES32);
#pragma GCC unroll 4
      for (int j = 0; j < HIGH; j++) total[j][q] = ADDED(total[j][q], slopes[j * r->W + w], each);
    }
#pragma GCC unroll 4
  for (int j = 0; j < HIGH; j++)
#pragma GCC unroll 4
    for (int q = 0; q < broad; q++) NAME(put)(rows + j * pitch + q * LANES32, total[j][q]);
}

static void NAME(multiply)(const Read *r, const float *slopes, int64_t g, const float *turned, float *rows) {
  const int64_t pitch = r->G * r->R, wide = r->S * r->np, left = r->K - g * r->R;
  const int64_t tall = left < r->R ? left : r->R, upper = (tall + LANES32 - 1) / LANES32 * LANES32;
  const int64_t end = upper < r->R ? upper : r->R;
  for (int64_t j = 0; j < TILE; j += HIGH) {
    const float *own = slopes + j * r->W;
    int64_t c = 0;
    for (; c + BROAD * LANES32 <= end; c += BROAD * LANES32)
      NAME(product_of)(r, own, turned + c, rows + j * pitch + c, pitch, wide, BROAD);
    for (; c + BROAD / 2 * LANES32 <= end; c += BROAD / 2 * LANES32)
      NAME(product_of)(r, own, turned + c, rows + j * pitch + c, pitch, wide, BROAD / 2);
    for (; c + LANES32 <= end; c += LANES32)
      NAME(product_of)(r, own, turned + c, rows + j * pitch + c, pitch, wide, 1);
    for (; c < end; c++)
      for (int64_t i = j; i < j + HIGH; i++) {
        float total = 0;
        for (int64_t w = 0; w < wide; w++) total += slopes[i * r->W + w] * turned[w * r->R + c];
        rows[i * pitch + c] = total;
      }
  }
}
#undef HIGH
#undef BROAD
#undef ADDED

/* One vector and one row block: add to the layer's gradients, write its slopes; return what each
 * of its wordlines gets beside its cells. */
static AI float NAME(pass_back)(const Read *r, const Tile *t, int64_t a, int64_t g, int64_t v, int64_t j) {
  const int32_t *bounds = t->bounds + j * (r->G + 1) + g, *list = t->list + j * (r->K + COPIED) + bounds[0];
  const int64_t count = bounds[1] - bounds[0], block = a * r->G + g, np = r->np;
  const float half = (float)count * (float)r->twice_half / 2, more = (float)count * (float)r->correction;
  float *learned = r->learned + block * r->L * r->W, *slopes = t->slopes + j * r->W;
  float above = 0;
  NAME(add_rows)(r, r->cells + a * r->G * r->R * r->W, list, count, t->sums);
  float *up = t->up;
  const float *given = r->gradient + v * r->A * r->n + a * r->n, scale = r->scales[g];
  NAME(scaled)(up, given, scale, r->n);
  if (r->correction) for (int64_t i = 0; i < r->n; i++) above += up[i];
  const float *shift = NAME(disturb)(r, t, a, g, v);
  if (shift && r->span) NAME(to_counts)(r, t->sums, shift);
  if (r->span) NAME(slope_by_table)(r, t->sums, learned, t->up, slopes);
  else NAME(slope_by_level)(r, t->sums, shift, half, r->thresholds + block * r->L * r->W, learned, t->up, slopes);
  for (int64_t i = 0; i < np; i += LANES32) {
    float32 merged = {0};
    for (int64_t s = 0; s < r->S; s++) merged += r->significances[s] * NAME(floats)(slopes + s * np + i);
    float *weights = r->weights + a * r->G * r->R * np + i;
    for (int64_t k = 0; k < count; k++)
      NAME(put)(weights + list[k] * np, NAME(floats)(weights + list[k] * np) + merged);
  }
  if (r->wants_scale) {
    float total = 0;
    NAME(decode)(r, t->sums, shift, half, more, r->reached + block * r->L * r->W, t->line);
    for (int64_t i = 0; i < r->n; i++) total += given[i] * t->line[i];
    r->scale_gradient[g] += total;
  }
  return (float)r->correction * above;
}

/* Add the gradients of wordlines to the pixels that drove them. */
static AI void NAME(fold)(const Read *r, const float *rows, int64_t a, int64_t v) {
  for (int64_t run = 0; run < r->runs; run++) {
    float *to = r->image + r->starts[v] + r->offsets[run] + a * r->group_step;
    NAME(add_scaled)(to, rows + run * r->length, 1, r->length);
  }
}

/* Add the gradients of vectors first..last. */
void NAME(read_backward)(const Read *r, int64_t first, int64_t last, void *scratch) {
  const Tile t = NAME(lay_out)(r, scratch);
  const int64_t pitch = r->G * r->R;
  memset(t.slopes, 0, (size_t)(TILE * r->W) * 4);
  memset(t.up, 0, (size_t)r->np * 4);
  for (int64_t v0 = first; v0 < last; v0 += TILE)
    for (int64_t a = 0; a < r->A; a++) {
      const int64_t many = v0 + TILE < last ? TILE : last - v0;
      float more[TILE];
      for (int64_t j = 0; j < many; j++) NAME(list)(r, a, v0 + j, t.list + j * (r->K + COPIED), t.bounds + j * (r->G + 1));
      for (int64_t g = 0; g < r->G; g++) {
        for (int64_t j = 0; j < many; j++) more[j] = NAME(pass_back)(r, &t, a, g, v0 + j, j);
        if (!r->wants_x) continue;
        NAME(multiply)(r, t.slopes, g, r->turned + (a * r->G + g) * r->W * r->R, t.rows + g * r->R);
        for (int64_t j = 0; j < many && r->correction; j++)
          NAME(add_number)(t.rows + j * pitch + g * r->R, more[j], r->R);
      }
      for (int64_t j = 0; j < many && r->wants_x; j++) NAME(fold)(r, t.rows + j * pitch, a, v0 + j);
    }
}
