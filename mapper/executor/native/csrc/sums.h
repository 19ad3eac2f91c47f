/* Partial sums as numbers: driven rows added lane by lane, then any readout. Included per type. */
#define FN3(a, b, c) a##_##b##_##c
#define FN2(a, b, c) FN3(a, b, c)
#define FN(name) FN2(name, NUM, VARIANT)

#define LANES (VECTOR / (int)sizeof(NUM))
typedef NUM FN(vec) __attribute__((vector_size(VECTOR)));

static AI FN(vec) FN(ldv)(const NUM *p) { FN(vec) v; memcpy(&v, p, VECTOR); return v; }
static AI void FN(stv)(NUM *p, FN(vec) v) { memcpy(p, &v, VECTOR); }

/* Add `wide` vectors of each driven row; `wide` is a constant where this is inlined. */
static AI void FN(add_rows)(const uint16_t *ix, uint32_t n, const NUM *w, int64_t cols, NUM *out,
                            int wide) {
  FN(vec) acc[8];
  for (int j = 0; j < wide; j++) acc[j] = (FN(vec)){0};
  for (uint32_t i = 0; i < n; i++) {
    const NUM *row = w + ix[i] * cols;
#pragma GCC unroll 8
    for (int j = 0; j < wide; j++) acc[j] += FN(ldv)(row + j * LANES);
  }
  for (int j = 0; j < wide; j++) FN(stv)(out + j * LANES, acc[j]);
}

static void FN(row_sums)(const uint16_t *ix, uint32_t n, const NUM *w, int64_t cols, NUM *out) {
  int64_t c = 0;
  for (; c + 8 * LANES <= cols; c += 8 * LANES) FN(add_rows)(ix, n, w + c, cols, out + c, 8);
  for (; c + 2 * LANES <= cols; c += 2 * LANES) FN(add_rows)(ix, n, w + c, cols, out + c, 2);
  for (; c < cols; c += LANES) FN(add_rows)(ix, n, w + c, cols, out + c, 1);
}

/* Compare with thresholds: weighed levels of all bit-slices in out[Npad]. */
static void FN(sense_sums)(const Layer *l, NUM *restrict p, uint32_t n, const int32_t *tables,
                           int32_t *restrict out) {
  if (l->half_full) {
    const NUM half = (NUM)(l->half_full * (int64_t)n);
    for (int64_t c = 0; c < l->cols; c++) p[c] = (NUM)(2 * p[c] - half);
  }
  for (int64_t c = 0; c < l->Npad; c++) out[c] = (int32_t)l->lowest;
  for (int64_t k = 0; k < l->L; k++, tables += l->cols)
    for (int64_t s = 0; s < l->S; s++) {
      const int32_t rise = l->rises[k] * l->significances[s];
      const NUM *restrict sums = p + s * l->Npad;
      const int32_t *restrict t = tables + s * l->Npad;
      for (int64_t c = 0; c < l->Npad; c++) out[c] += (int32_t)sums[c] >= t[c] ? rise : 0;
    }
}

/* Convert: base + step * clip((p - first) / step + 1, 0, top). Below 2**24 the quotient of floats
 * has the right whole part: a true quotient is an integer or at least 1 / step away from one. */
static void FN(convert_sums)(const Layer *l, const NUM *restrict p, const int32_t *tables,
                             int32_t *restrict out) {
  for (int64_t c = 0; c < l->Npad; c++) out[c] = 0;
  const int32_t top = (int32_t)l->top;
  for (int64_t s = 0; s < l->S; s++) {
    const int32_t sig = l->significances[s];
    const NUM *restrict sums = p + s * l->Npad;
    const int32_t *restrict first = tables + s * l->Npad;
    const int32_t *restrict step = first + l->cols, *restrict base = step + l->cols;
    for (int64_t c = 0; c < l->Npad; c++) {
      int32_t over = (int32_t)sums[c] - first[c];
      int32_t code = (int32_t)((float)over / (float)step[c]) + 1;
      code = over < 0 ? 0 : code;
      code = code > top ? top : code;
      out[c] += sig * (base[c] + step[c] * code);
    }
  }
}

static void FN(sums_tile)(const Layer *l, const Scratch *s, const Cluster *k, const int32_t *scale,
                          int32_t plane, int64_t p0, int64_t p1) {
  const int64_t area = s->band_rows * l->PW, wstep = (l->rows + 1) * l->cols;
  const int64_t tstep = (l->readout == SENSE ? l->L : 3) * l->cols;
  NUM *sums = (NUM *)s->sums;
  for (int64_t b = k->first; b < k->last; b++) {
    const Block *block = l->blocks + b;
    const Entry *at = s->entries + block->combo * area + (int64_t)block->ay * l->PW + block->ax;
    const NUM *w = (const NUM *)l->weights + b * wstep;
    const int32_t *tables = l->tables + b * tstep;
    for (int64_t p = p0; p < p1; p++) {
      const Entry e = at[s->posbase[p]];
      FN(row_sums)(s->pool + e.start, e.n, w, l->cols, sums);
      if (l->readout == SENSE) FN(sense_sums)(l, sums, e.n, tables, s->block);
      else FN(convert_sums)(l, sums, tables, s->block);
      int32_t *restrict y = s->y + (p - p0) * (l->N + 32) + k->y;
      const int32_t *restrict found = s->block;
      const int32_t more = (int32_t)(l->offset * (int64_t)e.n);
      for (int64_t c = 0; c < l->Ng; c++) y[c] += plane * scale[c] * (found[c] + more);
    }
  }
}

#undef LANES
#undef FN
#undef FN2
#undef FN3
#undef NUM
