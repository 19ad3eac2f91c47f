/* One job: a band of output rows of one sample through all time steps, so that its membranes stay
 * in cache. Jobs write to different places, so any number of threads gives the same bits. */

enum { AT_ONCE = MOST_TILE, AHEAD = 27 << 10 };


static void NAME(sums_band)(const Layer *l, Scratch *s, int32_t plane, int64_t p0, int64_t p1) {
  for (int64_t k = 0; k < l->nclusters; k++) {
    const int32_t *scale = l->scales + k * l->Ng;
    if (l->kind == SUMS8)
      NAME(sums_tile_bytes)(l, s, l->clusters + k, scale, plane, p0, p1);
    else if (l->kind == SUMS16)
      NAME(sums_tile_halves)(l, s, l->clusters + k, scale, plane, p0, p1);
    else
      NAME(sums_tile_words)(l, s, l->clusters + k, scale, plane, p0, p1);
  }
}

static void NAME(count_blocks)(const Layer *l, const Scratch *s, int64_t b0, int64_t b1, int64_t cb,
                               int64_t p0, int64_t p1, int first) {
#if LEVEL >= 2
  if (l->width == 64) { NAME(tile_64)(l, s, b0, b1, cb, p0, p1, first); return; }
#endif
#if LEVEL >= 1
  if (l->width == 32) { NAME(tile_32)(l, s, b0, b1, cb, p0, p1, first); return; }
#endif
#if LEVEL == 1 /* without logic of three operands vectors of two positions are faster */
  if (l->mode != HALF_ACTIVE) { NAME(tile_beside)(l, s, b0, b1, cb, p0, p1, first); return; }
#endif
  NAME(tile_16)(l, s, b0, b1, cb, p0, p1, first);
}

/* Count one cluster's reached references, as many row blocks at once as stay in cache. */
static void NAME(count_clusters)(const Layer *l, Scratch *s, const Cluster *c, int64_t p0,
                                 int64_t p1) {
  const int64_t all = c->last - c->first;
  int64_t some = AHEAD / (l->sets * (l->rows + 1) * l->width);
  some = some < 2 ? 2 : some;
  some = some > 7 / l->L ? 7 / l->L : some;
  if (all > some) some = (all - 1) / ((all + some - 1) / some) + 1; /* as many each time */
  for (int64_t cb = 0; cb < l->colblks; cb++)
    for (int64_t b = c->first; b < c->last; b += some)
      NAME(count_blocks)(l, s, b, b + some < c->last ? b + some : c->last, cb, p0, p1,
                         b == c->first);
}

static void NAME(bits_band)(const Layer *l, Scratch *s, int32_t plane, int64_t p0, int64_t p1) {
  for (int64_t k = 0; k < l->nclusters; k++) {
    NAME(count_clusters)(l, s, l->clusters + k, p0, p1);
    if (l->merged) NAME(merge_tile)(l, s, p1 - p0);
    NAME(expand_tile)(l, s, l->clusters + k, l->scales + k * l->Ng, plane, p1 - p0);
  }
}

/* Take the cells and references of the copy that computes the position at p, and return where its
 * band ends: at `last` at the latest. Copy c of C has positions from c * P / C, rounded up. */
static int64_t NAME(take_copy)(const Layer *l, Scratch *s, int64_t p, int64_t last) {
  const int64_t P = l->all_rows * l->all_columns, copy = s->placed[p] * l->copies / P;
  const int64_t cells = l->cellcopies > 1 ? copy : 0, refs = l->refcopies > 1 ? copy : 0;
  s->weights = l->weights + cells * l->cells_step;
  s->refs = l->refs + refs * l->refs_step;
  s->tables = l->tables + refs * l->tables_step;
  s->halves = l->halves + refs * l->halves_step;
  s->rests = l->rests + refs * l->rests_step;
  s->begin = l->start + refs * l->N;
  if (l->copies == 1) return last;
  const int64_t beyond = ((copy + 1) * P + l->copies - 1) / l->copies;
  while (s->placed[last - 1] >= beyond) last--; /* the one at p is not */
  return last;
}

static void NAME(start_tile)(const Layer *l, Scratch *s, int64_t p0, int64_t p1, int64_t pitch) {
  if (!l->wide) {
    for (int64_t j = 0; j < l->N; j++) s->start[j] = (int16_t)s->begin[j];
    for (int64_t p = p0; p < p1; p++)
      memcpy((int16_t *)s->y + p * pitch, s->start, (size_t)l->N * 2);
    return;
  }
  for (int64_t p = p0; p < p1; p++) memcpy(s->y + p * pitch, s->begin, (size_t)l->N * 4);
}

static void NAME(start_band)(const Layer *l, Scratch *s, int64_t count, int64_t pitch) {
  for (int64_t p0 = 0, p1; p0 < count; p0 = p1) {
    p1 = NAME(take_copy)(l, s, p0, count);
    NAME(start_tile)(l, s, p0, p1, pitch);
  }
}

/* Make every y an int32, shifted; from the end, as halves become words in place. */
static void NAME(widen)(const Layer *l, Scratch *s, int64_t count, int64_t pitch) {
  const int16_t *halves = (const int16_t *)s->y;
  const int shift = (int)l->shift;
  int32_t *y = s->y;
  if (!l->wide)
    for (int64_t k = count * pitch - 1; k >= 0; k--) y[k] = halves[k];
  if (shift)
    for (int64_t k = 0; k < count * pitch; k++) y[k] >>= shift;
}

static void NAME(finish_tile)(const Layer *l, Scratch *s, int64_t t, int64_t b, int64_t count,
                              int64_t pitch) {
  const int64_t P = l->all_rows * l->all_columns, N = l->N;
  const Neurons *n = &l->n;
  if (l->has_neurons && n->fast && !n->v_out) {
    for (int64_t k = 0; k < count; k++) {
      const int64_t p = s->placed[k];
      int32_t *v = n->v + (b * P + p) * N;
      uint64_t *spikes = n->spikes ? n->spikes + ((t * l->B + b) * P + p) * n->Nw : NULL;
      if (l->wide)
        NAME(update_fast)(n, s->y + k * pitch, 1, (int)l->shift, N, v, spikes, s->fired);
      else
        NAME(update_fast)(n, (int16_t *)s->y + k * pitch, 0, (int)l->shift, N, v, spikes, s->fired);
    }
    return;
  }
  NAME(widen)(l, s, count, pitch);
  for (int64_t k = 0; k < count; k++) {
    const int64_t p = s->placed[k];
    const int32_t *y = s->y + k * pitch;
    if (l->has_neurons) NAME(run_neurons)(n, y, pitch, t, b, p, 1, l->B, P, N, s->fired);
    else memcpy(l->y_out + ((t * l->B + b) * P + p) * N, y, (size_t)N * 4);
  }
}

/* Bit-serial inputs are read plane by plane: each band's sums wait for all of them. */
void NAME(run_job)(const Layer *l, Scratch *s, int64_t job) {
  const int64_t b = job / l->bands, o0 = job % l->bands * l->tile_rows;
  const int64_t o1 = o0 + l->tile_rows < l->Ho ? o0 + l->tile_rows : l->Ho;
  const int64_t count = (o1 - o0) * l->Wo, pitch = l->N + 32;
  const int64_t image = l->H * l->W * l->Cw;
  const int bits = l->kind == BITS;
  const int scale = !bits ? 0 : l->width == 64 ? 6 : l->width == 32 ? 5 : 4;
  for (int64_t p = 0; p < count; p++) {
    const int64_t y = p / l->Wo, x = p % l->Wo;
    s->posbase[p] = (int32_t)(y * l->sy * l->PW + x * l->sx);
    s->placed[p] = (int32_t)((l->row0 + l->row_step * (o0 + y)) * l->all_columns + l->column0 +
                             l->column_step * x);
  }
  int32_t *const y = s->y;
  const int64_t item = l->wide ? 4 : 2;
  const int direct = NAME(is_direct)(l);
  /* Cells of a row block come into the nearest cache once a tile, so it may be as large as it fits. */
  const int64_t at_once = bits || l->wide ? AT_ONCE : 2 * AT_ONCE;
  for (int64_t t = 0; t < l->T; t++) {
    if (!direct) NAME(start_band)(l, s, count, pitch);
    for (int64_t plane = 0; plane < l->planes; plane++) {
      s->plane = plane;
      s->keys = l->keys + t * (l->sampled ? l->all_rows * l->all_columns : l->B) + (l->sampled ? 0 : b);
      const int32_t weight = l->plane_weights[plane];
      const uint64_t *x = l->x + ((plane * l->T + t) * l->B + b) * image;
      list_band(l, s, x, o0, o1, scale);
      if (l->heard)
        NAME(tally_band)(l, s, o0, o1, l->driven + (t * l->B + b) * l->all_rows,
                         l->heard + job * l->nblocks);
      for (int64_t p0 = 0, p1; p0 < count; p0 = p1) {
        p1 = NAME(take_copy)(l, s, p0, p0 + at_once < count ? p0 + at_once : count);
        s->y = (int32_t *)((uint8_t *)y + p0 * pitch * item);
        if (direct) {
          NAME(count_clusters)(l, s, l->clusters, p0, p1);
          if (l->merged) NAME(merge_tile)(l, s, p1 - p0);
          NAME(fire_tile)(l, s, t, b, s->placed + p0, p1 - p0, direct);
        } else if (bits) NAME(bits_band)(l, s, weight, p0, p1);
        else NAME(sums_band)(l, s, weight, p0, p1);
        s->y = y;
      }
    }
    if (!direct) NAME(finish_tile)(l, s, t, b, count, pitch);
  }
}
