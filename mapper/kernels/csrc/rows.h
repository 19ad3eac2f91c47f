/* Active wordlines of vectors in training, and sums of their cells; see training.h.
 *
 * A partial sum is the sum of the cells of its active wordlines, which are few. A tile of vectors
 * meets one row block after the other, so that cells and slopes stay in cache.
 */

typedef int16_t shorts __attribute__((vector_size(VECTOR)));
typedef int16_t few __attribute__((vector_size(VECTOR / 2)));

/* Where the places of a row block's active wordlines begin in a list, and how many there are. */
typedef struct { int32_t at, count; } NAME(Block);

typedef struct {
  int32_t *list;              /* [TILE][r->listed]: see NAME(list) */
  NAME(Block) *blocks;        /* [TILE][G] */
  int16_t *sums;              /* [TILE][W] */
  float *half;                /* [TILE]: what is taken from sums, see NAME(real) */
  const float **shifts;       /* [TILE]: what is added to them, NULL where nothing is */
  float *shift;               /* [TILE][W] */
  float *total, *shared;      /* [TILE][np] each */
  float *line;                /* [np] */
  float *slopes;              /* [TILE][W] */
  float *rows;                /* [TILE][G * R] */
} NAME(Tile);

static AI void *NAME(take)(char **at, int64_t bytes) {
  void *found = *at;
  *at += (bytes + 63) / 64 * 64;
  return found;
}

static NAME(Tile) NAME(lay_out)(const Read *r, void *scratch) {
  char *at = scratch;
  NAME(Tile) t;
  t.list = NAME(take)(&at, TILE * r->listed * 4);
  t.blocks = NAME(take)(&at, TILE * r->G * 8);
  t.sums = NAME(take)(&at, TILE * r->W * 2);
  t.half = NAME(take)(&at, TILE * 4);
  t.shifts = NAME(take)(&at, TILE * (int64_t)sizeof(float *));
  t.shift = NAME(take)(&at, TILE * r->W * 4);
  t.total = NAME(take)(&at, TILE * r->np * 4);
  t.shared = NAME(take)(&at, TILE * r->np * 4);
  t.line = NAME(take)(&at, r->np * 4);
  t.slopes = NAME(take)(&at, TILE * r->W * 4);
  t.rows = NAME(take)(&at, TILE * r->G * r->R * 4);
  return t;
}

/* Write the places of a vector's active wordlines, which are their numbers times np. Those of a row
 * block are made up to a multiple of SPARE_ROWS by wordlines behind all, that have no cells. */
static AI void NAME(list)(const Read *r, int64_t a, int64_t v, int32_t *restrict list, NAME(Block) *blocks) {
  const uint32_t base = (uint32_t)(r->starts[v] + a * r->group_step - r->origin), back = base * (uint32_t)r->np;
  const int32_t *before = r->before + base / (uint32_t)r->unit, *spare = r->spare + a * SPARE_ROWS;
  int64_t count = 0;
  for (int64_t g = 0; g < r->G; g++) {
    const int64_t first = count;
    for (int64_t k = r->cuts[g]; k < r->cuts[g + 1]; k++) {
      const Stretch *s = r->stretches + k;
      const int32_t from = before[s->at], more = before[s->at + s->units] - from;
      const uint32_t shift = s->shift - back;
      for (int64_t i = 0; i < more; i += COPIED)  /* whole vectors: what is too much is written over */
        for (int q = 0; q < COPIED; q++)
          list[count + i + q] = (int32_t)((uint32_t)r->active[from + i + q] + shift);
      count += more;
    }
    blocks[g] = (NAME(Block)){(int32_t)first, (int32_t)(count - first)};
    memcpy(list + count, spare, SPARE_ROWS * 4);
    count = (count + SPARE_ROWS - 1) / SPARE_ROWS * SPARE_ROWS;
  }
}

static AI void NAME(list_tile)(const Read *r, const NAME(Tile) *t, int64_t a, int64_t v0, int64_t many) {
  for (int64_t j = 0; j < many; j++) NAME(list)(r, a, v0 + j, t->list + j * r->listed, t->blocks + j * r->G);
}

/* Add up `many` vectors of cells of active wordlines; they stay in registers, if loops are unrolled. */
static AI void NAME(add_some)(const int16_t *cells, const int32_t *list, int64_t count, int16_t *sums,
                              const int64_t slots, const int many) {
  shorts total[4] = {{0}};
  for (int64_t k = 0; k < count; k += SPARE_ROWS)
#pragma GCC unroll 4
    for (int i = 0; i < SPARE_ROWS; i++)
#pragma GCC unroll 4
      for (int q = 0; q < many; q++) {
        shorts each;
        memcpy(&each, cells + list[k + i] * slots + q * (VECTOR / 2), VECTOR);
        total[q] += each;
      }
#pragma GCC unroll 4
  for (int q = 0; q < many; q++) memcpy(sums + q * (VECTOR / 2), &total[q], VECTOR);
}

/* Add up the cells of a row block's active wordlines; `cells` begin with wordline 0 of the layer. */
static AI void NAME(add_rows)(const Read *r, const int16_t *cells, const int32_t *list, int64_t count,
                              int16_t *sums, const int64_t slots) {
  const int64_t step = VECTOR / 2;
  int64_t left = r->W / step;
  for (; left >= 4; left -= 4, cells += 4 * step, sums += 4 * step)
    NAME(add_some)(cells, list, count, sums, slots, 4);
  if (left == 3) NAME(add_some)(cells, list, count, sums, slots, 3);
  if (left == 2) NAME(add_some)(cells, list, count, sums, slots, 2);
  if (left == 1) NAME(add_some)(cells, list, count, sums, slots, 1);
}

static AI float32 NAME(floats)(const float *p) { float32 v; memcpy(&v, p, VECTOR); return v; }
static AI void NAME(put)(float *p, float32 v) { memcpy(p, &v, VECTOR); }
static AI float32 NAME(where)(lanes32 test, float32 v) { return (float32)(test & (lanes32)v); }

/* Sums of 16 bits as real numbers: of a conversion of vectors GCC makes several. */
static AI float32 NAME(widened)(const int16_t *p) {
  few v;
  memcpy(&v, p, sizeof v);
#if LEVEL >= 2
  return (float32)_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32((__m256i)v));
#elif LEVEL == 1
  return (float32)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32((__m128i)v));
#else
  return __builtin_convertvector(v, float32);
#endif
}

/* Partial sums as real numbers, relative to half of the active rows, and disturbed if at all. */
static AI float32 NAME(real)(const int16_t *p, float half, const float *shift) {
  const float32 found = NAME(widened)(p) - half;
  return shift ? found + NAME(floats)(shift) : found;
}

/* 64 bits that depend on a key and a counter (SplitMix64). */
static AI uint64_t NAME(hash)(int64_t key, int64_t counter) {
  uint64_t z = (uint64_t)key + ((uint64_t)counter + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

/* Return what is added to the sums of one vector and row block, [W]; `to` has room for it. */
static AI const float *NAME(disturb)(const Read *r, float *to, int64_t a, int64_t g, int64_t v) {
  const int64_t copy = r->copy_of[(uint32_t)v % (uint32_t)r->positions], n = r->n, np = r->np;
  const float *own = r->shifts + ((copy * r->A + a) * r->G + g) * r->W;
  if (!r->places) return own;
  const uint64_t drawn = NAME(hash)(r->key, (v * r->A + a) * r->G + g) >> 48;
  const float *from = r->pool + (drawn & (uint64_t)(r->places - 1));
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

/* Find the partial sums of a tile's vectors in one row block, and what is added to them. */
static AI void NAME(sum_up)(const Read *r, const NAME(Tile) *t, int64_t a, int64_t g, int64_t v0, int64_t many,
                            const int64_t slots, const int noisy) {
  const int16_t *cells = r->cells + a * r->G * r->R * r->W;
  const float each = (float)r->twice_half / 2;
  for (int64_t j = 0; j < many; j++) {
    const NAME(Block) b = t->blocks[j * r->G + g];
    int16_t *sums = t->sums + j * r->W;
    NAME(add_rows)(r, cells, t->list + j * r->listed + b.at, b.count, sums, slots);
    t->half[j] = (float)b.count * each;
    t->shifts[j] = noisy && r->copies ? NAME(disturb)(r, t->shift + j * r->W, a, g, v0 + j) : NULL;
    if (noisy && r->copies && r->span) NAME(to_counts)(r, sums, t->shifts[j]);
  }
}

static AI void NAME(add_scaled)(float *restrict to, const float *restrict from, float scale, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += scale * from[i];
}

static AI void NAME(add_number)(float *to, float number, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += number;
}
