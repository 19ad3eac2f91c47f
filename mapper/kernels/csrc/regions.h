/* Activity for traces: counts of bits in packed values, and of the lists that a band was given. */

/* Counters of one vector of words: plane p of `c` holds bit p of 64 counts a word. Rows come eight
 * at a time, as in bits.h; `count` is a multiple of eight. */
#define COUNT_ROWS(NAME_, TYPE)                                                                   \
  static void NAME(NAME_)(const uint64_t *const *rows, int64_t count, int64_t at, TYPE *c,        \
                          int depth) {                                                            \
    for (int p = 0; p < depth; p++) c[p] = (TYPE){0};                                             \
    for (int64_t k = 0; k < count; k += 8) {                                                      \
      TYPE r[8];                                                                                  \
      for (int i = 0; i < 8; i++) memcpy(r + i, rows[k + i] + at, sizeof(TYPE));                  \
      TYPE a = ADD_CARRY(c[0], r[0], r[1]), t = c[0] ^ r[0] ^ r[1];                               \
      TYPE b = ADD_CARRY(t, r[2], r[3]);                                                          \
      t ^= r[2] ^ r[3];                                                                           \
      TYPE e = ADD_CARRY(c[1], a, b), u = c[1] ^ a ^ b;                                           \
      a = ADD_CARRY(t, r[4], r[5]), t ^= r[4] ^ r[5];                                             \
      b = ADD_CARRY(t, r[6], r[7]), c[0] = t ^ r[6] ^ r[7];                                       \
      TYPE f = ADD_CARRY(u, a, b);                                                                \
      c[1] = u ^ a ^ b;                                                                           \
      TYPE carry = ADD_CARRY(c[2], e, f);                                                         \
      c[2] ^= e ^ f;                                                                              \
      for (int p = 3; p < depth; p++) { TYPE v = c[p]; c[p] = v ^ carry; carry &= v; }            \
    }                                                                                             \
  }
#define ADD_CARRY(a, b, c) (((a) & (b)) | ((c) & ((a) ^ (b))))
typedef uint64_t NAME(Words) __attribute__((vector_size(VECTOR)));
COUNT_ROWS(count_vector, NAME(Words))
COUNT_ROWS(count_word, uint64_t)

/* Add counters of `lanes` words from word `at` of a row to the numbers of their columns' classes. */
static void NAME(take_counts)(const Regions *g, const uint64_t *planes, int lanes, int64_t at,
                              int depth, int64_t *out) {
  for (int k = 0; k < lanes; k++) {
    const int64_t pixel = (at + k) / g->Cw, word = (at + k) % g->Cw;
    int64_t *to = out + (g->column_class[pixel] * g->Cw + word) * 64;
    for (int p = 0; p < depth; p++) {
      const uint64_t bits = planes[p * lanes + k];
      for (int i = 0; bits && i < 64; i++) to[i] += (int64_t)((bits >> i & 1) << p);
    }
  }
}

/* How often each channel is on in each class of rows and columns, over all images. */
void NAME(count_regions)(const Regions *g, const uint64_t **rows) {
  enum { LANES = VECTOR / 8 };
  NAME(Words) vector[MOST_DEPTH];
  uint64_t word[MOST_DEPTH];
  const int64_t width = g->W * g->Cw;
  for (int64_t r = 0; r < g->rows; r++) {
    int64_t *out = g->out + r * g->columns * g->Cw * 64, count = 0;
    for (int64_t k = 0; k < g->images * g->H; k++)
      if (g->row_class[k % g->H] == r) rows[count++] = g->x + k * width;
    int depth = 3;
    while (count >> depth) depth++;
    while (count % 8) rows[count++] = g->nothing;
    int64_t at = 0;
    for (; at + LANES <= width; at += LANES) {
      NAME(count_vector)(rows, count, at, vector, depth);
      NAME(take_counts)(g, (const uint64_t *)vector, LANES, at, depth, out);
    }
    for (; at < width; at++) {
      NAME(count_word)(rows, count, at, word, depth);
      NAME(take_counts)(g, word, 1, at, depth, out);
    }
  }
}
#undef COUNT_ROWS
#undef ADD_CARRY

/* How many channels of each image are not zero: on in any of its bit planes. */
void NAME(count_on)(const uint64_t *x, int64_t planes, int64_t images, int64_t words, int64_t *out) {
  for (int64_t k = 0; k < images; k++) {
    int64_t total = 0;
    for (int64_t w = k * words; w < (k + 1) * words; w++) {
      uint64_t on = x[w];
      for (int64_t p = 1; p < planes; p++) on |= x[p * images * words + w];
      total += __builtin_popcountll(on);
    }
    out[k] = total;
  }
}

/* Add up the lengths of a row of lists; returns how many are not empty. */
static AI int64_t NAME(tally_row)(const Entry *at, int64_t count, int64_t step, int64_t *driven) {
  int64_t on = 0, none = 0;
  for (int64_t x = 0; x < count; x++) {
    uint64_t entry; /* as one number, whose upper half is `n`: the compiler makes vectors of it */
    memcpy(&entry, at + x * step, 8);
    on += (int64_t)(entry >> 32);
    none += entry >> 32 == 0;
  }
  *driven += on;
  return count - none;
}

/* Count the driven wordlines of a band, by output row, and the reads that have any, by row block. */
static void NAME(tally_band)(const Layer *l, const Scratch *s, int64_t o0, int64_t o1,
                             int64_t *driven, int64_t *heard) {
  const int64_t step = l->sx, across = l->Wo;
  for (int64_t b = 0; b < l->nblocks; b++) {
    const Block *k = l->blocks + b;
    const Entry *at = s->entries + (k->combo * s->band_rows + k->ay) * l->PW + k->ax;
    for (int64_t o = o0; o < o1; o++, at += l->sy * l->PW) {
      int64_t *row = driven + l->row0 + l->row_step * o;
      heard[b] += step == 1 ? NAME(tally_row)(at, across, 1, row) : NAME(tally_row)(at, across, step, row);
    }
  }
}
