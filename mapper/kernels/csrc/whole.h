/* Row blocks whose ADCs lose nothing: weights in place of slices.
 *
 * An ADC of counts gives a sum as it is, unless it cuts it off: not where at most `exact` wordlines
 * are driven. All slices and the offset are one number then, and row blocks of one scale are added
 * in 16 bits while they hold them: `fits` driven wordlines. Python proves both (bounds.py).
 */
#define LANES (VECTOR / 2)
enum { NAME(EACH) = 8 }; /* vectors of sums at a time */
typedef int16_t NAME(whole) __attribute__((vector_size(VECTOR)));
typedef int16_t NAME(whole_part) __attribute__((vector_size(LANES32 * 2)));

/* Add driven rows of `wide` vectors to `sums`, or make them; four rows at a time, as a list is followed by
 * eight rows of zeros. Rows are `row` bytes. */
static AI void NAME(add_weights)(const uint16_t *ix, uint32_t n, const char *w, const uint64_t row,
                                 int16_t *sums, const int more, const int wide) {
  NAME(whole) acc[NAME(EACH)];
#pragma GCC unroll 8
  for (int j = 0; j < wide; j++) {
    acc[j] = (NAME(whole)){0};
    if (more) memcpy(&acc[j], sums + j * LANES, VECTOR);
  }
  for (uint32_t i = 0; i < n; i += 4)
#pragma GCC unroll 4
    for (uint32_t k = 0; k < 4; k++) {
      const char *from = w + ix[i + k] * row;
      __asm__("" : "+r"(from)); /* one address a row, not one a vector */
#pragma GCC unroll 8
      for (int j = 0; j < wide; j++) {
        NAME(whole) v;
        memcpy(&v, from + j * VECTOR, VECTOR);
        acc[j] += v;
      }
    }
#pragma GCC unroll 8
  for (int j = 0; j < wide; j++) memcpy(sums + j * LANES, &acc[j], VECTOR);
}

/* `at` is a constant where rows are of a common size: a row is found by a shift then. */
static AI void NAME(add_rows_of)(const uint16_t *ix, uint32_t n, const int16_t *w, const int64_t at,
                                 int16_t *sums, const int more) {
  const char *from = (const char *)w;
  const uint64_t row = (uint64_t)at * 2;
  int64_t j = 0;
  for (; j + 8 * LANES <= at; j += 8 * LANES) NAME(add_weights)(ix, n, from + 2 * j, row, sums + j, more, 8);
  for (; j + 4 * LANES <= at; j += 4 * LANES) NAME(add_weights)(ix, n, from + 2 * j, row, sums + j, more, 4);
  for (; j + 2 * LANES <= at; j += 2 * LANES) NAME(add_weights)(ix, n, from + 2 * j, row, sums + j, more, 2);
  for (; j < at; j += LANES) NAME(add_weights)(ix, n, from + 2 * j, row, sums + j, more, 1);
}

static AI void NAME(add_row)(const uint16_t *ix, uint32_t n, const int16_t *w, int64_t at, int16_t *sums,
                             const int more) {
  if (at == 128) NAME(add_rows_of)(ix, n, w, 128, sums, more);
  else if (at == 64) NAME(add_rows_of)(ix, n, w, 64, sums, more);
  else if (at == 32) NAME(add_rows_of)(ix, n, w, 32, sums, more);
  else NAME(add_rows_of)(ix, n, w, at, sums, more);
}

/* Add sums to `count` outputs. */
static AI void NAME(add_whole)(const int16_t *sums, const int32_t *scale, int32_t plane, int32_t count,
                               int32_t *y) {
  int32_t j = 0;
  for (; j + LANES32 <= count; j += LANES32) {
    NAME(whole_part) part;
    memcpy(&part, sums + j, sizeof part);
    const lanes32 found = NAME(load32)(y + j) +
                          plane * NAME(load32)(scale + j) * __builtin_convertvector(part, lanes32);
    memcpy(y + j, &found, sizeof found);
  }
  for (; j < count; j++) y[j] += plane * scale[j] * sums[j];
}

/* Row blocks of some outputs, whose weights stay in cache over all positions of a tile. */
static void NAME(whole_of)(const Layer *l, const Scratch *s, const Cluster *k, int64_t c, const int32_t *scale,
                           int32_t plane, int64_t p0, int64_t p1) {
  const int64_t at = l->whole_at, piece = (l->rows + 1) * at, pitch = l->N + 32;
  const int32_t count = (int32_t)(l->Ng - c < at ? l->Ng - c : at);
  int32_t *const y = s->y + k->y + c;
  const uint32_t fits = (uint32_t)l->fits; /* a multiple of four: the next row is no row of zeros */
  uint32_t added[MOST_TILE] = {0};         /* driven wordlines in the sums of a position */
  for (int64_t b = k->first; b < k->last; b++) {
    const Block *block = l->blocks + b;
    const Entry *entries = s->entries + block->combo * s->band_rows * l->PW + (int64_t)block->ay * l->PW + block->ax;
    const int16_t *w = l->whole + (b * (l->Npad / at) + c / at) * piece;
    for (int64_t p = p0; p < p1; p++) {
      const Entry e = entries[s->posbase[p]];
      if (!e.n || e.n > l->exact) continue;
      int16_t *sums = s->sums + (p - p0) * at;
      for (uint32_t done = 0, some; done < e.n; done += some) {
        some = e.n - done < fits ? e.n - done : fits;
        uint32_t *const many = added + (p - p0);
        if (*many + some > fits) {
          NAME(add_whole)(sums, scale, plane, count, y + (p - p0) * pitch);
          *many = 0;
        }
        if (*many) NAME(add_row)(s->pool + e.start + done, some, w, at, sums, 1);
        else NAME(add_row)(s->pool + e.start + done, some, w, at, sums, 0);
        *many += some;
      }
    }
  }
  for (int64_t p = p0; p < p1; p++)
    if (added[p - p0]) NAME(add_whole)(s->sums + (p - p0) * at, scale, plane, count, y + (p - p0) * pitch);
}

static void NAME(whole_tile)(const Layer *l, const Scratch *s, const Cluster *k, const int32_t *scale,
                             int32_t plane, int64_t p0, int64_t p1) {
  for (int64_t c = 0; c < l->Ng; c += l->whole_at) NAME(whole_of)(l, s, k, c, scale + c, plane, p0, p1);
}
#undef LANES
