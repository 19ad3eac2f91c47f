/* What makes a layer safe to run: every size and table entry within what it refers to. */
#include "check.h"

int64_t product(int64_t count, ...) {
  va_list list;
  int64_t total = 1;
  va_start(list, count);
  for (int64_t k = 0; k < count; k++) {
    int64_t factor = va_arg(list, int64_t);
    if (factor < 0 || __builtin_mul_overflow(total, factor, &total)) total = -1;
    if (total < 0) break;
  }
  va_end(list);
  return total;
}

static int between(int64_t value, int64_t low, int64_t high) { return low <= value && value <= high; }

#define NEED(test) do { if (!(test)) return #test; } while (0)

static const char *check_map(const int32_t *map, int64_t count, int64_t size) {
  for (int64_t k = 0; k < count; k++) NEED(between(map[k], -1, size - 1));
  return NULL;
}

const char *check_sizes(const Layer *l) {
  const int64_t most = 1 << 24;
  NEED(between(l->planes, 1, MOST_INPUT_BITS) && between(l->T, 1, most) && between(l->B, 1, most));
  NEED(between(l->H, 1, most) && between(l->W, 1, most) && between(l->Cw, 1, most));
  NEED(between(l->Ho, 1, most) && between(l->Wo, 1, most) && between(l->N, 1, most));
  NEED(l->pitch == l->Cw * 64 || (l->Cw == 1 && between(l->pitch, 1, 64)));
  NEED(between(l->sy, 1, most) && between(l->sx, 1, most));
  NEED(between(l->PH, (l->Ho - 1) * l->sy + 1, most) && between(l->PW, (l->Wo - 1) * l->sx + 1, most));
  NEED(between(l->all_rows, 1, most) && between(l->all_columns, 1, most));
  NEED(l->all_rows * l->all_columns <= INT32_MAX && l->row_step >= 1 && l->column_step >= 1);
  NEED(l->row0 >= 0 && l->column0 >= 0 && l->row_step <= most && l->column_step <= most);
  NEED(l->row0 < most && l->row0 + l->row_step * (l->Ho - 1) < l->all_rows);
  NEED(l->column0 < most && l->column0 + l->column_step * (l->Wo - 1) < l->all_columns);
  NEED(between(l->ncombos, 1, most) && between(l->nsegments, 1, most));
  NEED(between(l->nblocks, 1, most) && between(l->nclusters, 1, most));
  NEED(between(l->kind, BITS, SUMS32) && between(l->Ng, 1, l->N) && between(l->S, 1, 32));
  NEED(l->Npad >= l->Ng && between(l->Npad, 16, most) && between(l->rows, 1, MOST_LISTED));
  NEED(l->Npad == 16 || l->Npad % 32 == 0);
  NEED(between(l->shift, 0, 30) && between(l->L, 1, 1 << 12));
  NEED(between(l->tile_rows, 1, l->Ho));
  NEED(between(l->copies, 1, most) && (l->cellcopies == 1 || l->cellcopies == l->copies));
  NEED(l->refcopies == 1 || l->refcopies == l->copies);
  NEED(l->parity == 0 || (l->parity == 1 && l->kind == BITS && l->mode == HALF_ACTIVE));
  if (l->kind == BITS) {
    NEED(l->width == 16 || l->width == 32 || l->width == 64);
    NEED(between(l->colblks, 1, most) && l->colblks * l->counted * 8 >= l->S * l->Npad);
    NEED(l->L <= MOST_COUNTS && between(l->mode, PLAIN, DIGITS) && between(l->depth, 1, 16));
    NEED(l->NP == FEW_PLANES || l->NP == MANY_PLANES);
    const int64_t most_sets = l->mode == DIGITS ? 4 : l->mode == DIFFERENTIAL ? 2 : 1;
    NEED(between(l->folded, 0, most_sets > 1) && between(l->sets, 1, l->folded ? most_sets / 2 : most_sets));
    NEED(l->mode != DIFFERENTIAL || l->folded || l->sets == 2);
    NEED(l->rows <= (l->NP == FEW_PLANES ? FEW_PLANES_SUM : MANY_PLANES_SUM));
    NEED(l->rows * l->width <= MOST_LISTED && !l->noisy);
  } else {
    NEED(l->cols == l->S * l->Npad);
    NEED(between(l->noisy, 0, 1) && between(l->up, 0, 30) && between(l->sampled, 0, 1));
    NEED(!l->noisy || (!l->quick && !l->half_full && between(l->G, 1, most)));
    NEED(l->steps == 0 || (between(l->steps, 1, MOST_STEPS) && l->noisy && !l->wide));
    NEED(!l->noisy || l->readout == ADC || !l->wide || (between(l->reaches, 2, most) && between(l->noise_low, -most, most)));
    NEED(l->wide || (l->readout == SENSE && l->kind != SUMS32 && !l->half_full && l->L * l->S <= MOST_NARROW));
    NEED(between(l->at_once, 16, 2048) && l->Npad % l->at_once == 0);
    NEED(l->at_once % 32 == 0 || (l->kind == SUMS16 && !l->wide)); /* vectors of 16: module.c */
    NEED((l->S + 1) * l->at_once <= 2048);
    NEED(l->nibbles == 0 || (l->kind == SUMS8 && (l->nibbles == 5 || l->nibbles == 8)));
    NEED(l->nibbles == 0 || (l->chunk % l->nibbles == 0 && l->at_once % 64 == 0));
    NEED(between(l->readout, SENSE, ADC) && between(l->top, 1, most));
    NEED(between(l->down, 0, 15) && (l->down == 0 || l->quick == BY_COLUMN));
    NEED(l->kind != SUMS8 || l->chunk >= 4);
    NEED(between(l->exact, 0, l->rows));
    NEED(!l->exact || (l->readout == ADC && !l->noisy && l->cellcopies == 1 && l->wide && between(l->fits, 4, most)));
    NEED(!l->exact || (between(l->whole_at, 32, 2048) && l->whole_at % 32 == 0 && l->fits % 4 == 0 && l->Npad % l->whole_at == 0));
    NEED(between(l->chunk, 1, 127) && between(l->quick, BY_FLOATS, EVEN) &&
         (!l->quick || (l->readout == ADC && l->kind != SUMS32)));
  }
  return NULL;
}

static const char *check_combo(Layer *l, int64_t k) {
  const Combo *c = l->combos + k;
  Range *g = l->ranges + k;
  int64_t total = 0, reach_y = 0, reach_x = 0;
  NEED(between(c->first, 0, l->nsegments - 1) && between(c->last, c->first + 1, l->nsegments));
  NEED(between(c->rows, 1, l->rows));
  for (int32_t i = c->first; i < c->last; i++) {
    const Segment *s = l->segments + i;
    NEED(between(s->dy, 0, l->PH) && between(s->dx, 0, l->PW));
    NEED(between(s->c0, 0, l->pitch) && between(s->len, 1, MOST_LISTED));
    NEED(s->base >= 0 && (int64_t)s->base + s->len <= c->rows);
    total += s->len;
    reach_y = s->dy > reach_y ? s->dy : reach_y;
    const int64_t right = s->dx + (s->c0 + s->len - 1) / l->pitch;
    reach_x = right > reach_x ? right : reach_x;
  }
  NEED(total <= c->rows);
  *g = (Range){INT32_MAX, -1, 0, INT32_MAX, -1, 0, (int32_t)reach_y, (int32_t)reach_x};
  return NULL;
}

/* Widen the anchors at which a combination is listed by those of a row block. */
static const char *check_block(Layer *l, const Block *b) {
  NEED(between(b->combo, 0, l->ncombos - 1) && b->ay >= 0 && b->ax >= 0);
  Range *g = l->ranges + b->combo;
  NEED((int64_t)b->ay + g->reach_y + (l->Ho - 1) * l->sy < l->PH);
  NEED((int64_t)b->ax + g->reach_x + (l->Wo - 1) * l->sx < l->PW);
  if (g->yhi < 0) {
    *g = (Range){b->ay, b->ay, (int32_t)l->sy, b->ax, b->ax, (int32_t)l->sx, g->reach_y, g->reach_x};
    return NULL;
  }
  if ((b->ay - g->ylo) % l->sy) g->ystep = 1;
  if ((b->ax - g->xlo) % l->sx) g->xstep = 1;
  g->ylo = b->ay < g->ylo ? b->ay : g->ylo;
  g->yhi = b->ay > g->yhi ? b->ay : g->yhi;
  g->xlo = b->ax < g->xlo ? b->ax : g->xlo;
  g->xhi = b->ax > g->xhi ? b->ax : g->xhi;
  return NULL;
}

/* Slices that are merged count as powers of two times the first, each more than the one before. */
static const char *check_merged(const Layer *l) {
  if (!l->merged) return NULL;
  NEED(l->merged == 1 && l->kind == BITS && l->significances[0] > 0);
  int32_t before = 0;
  for (int64_t s = 0; s < l->S; s++) {
    const int32_t times = l->significances[s] / l->significances[0];
    NEED(l->significances[s] % l->significances[0] == 0 && times > before && (times & (times - 1)) == 0);
    NEED(l->depth + __builtin_ctz((unsigned)times) + 1 <= MOST_MERGED);
    before = times;
  }
  return NULL;
}

static const char *check_cluster(const Layer *l, const Cluster *c) {
  NEED(between(c->first, 0, l->nblocks - 1) && between(c->last, c->first + 1, l->nblocks));
  NEED(c->y >= 0 && c->y + l->Ng <= l->N && c->y + l->Npad <= l->N + 32);
  NEED(!c->by_column || l->wide);
  if (l->kind != BITS) return NULL;
  NEED(l->L * (c->last - c->first) < (1LL << l->depth));
  return NULL;
}

static const char *check_steps(const Layer *l) {
  if (l->kind == BITS || l->readout != ADC || l->quick) return NULL;
  for (int64_t b = 0; b < l->refcopies * l->nblocks; b++)
    for (int64_t c = 0; c < l->cols; c++) {
      const int32_t *t = l->tables + b * 4 * l->cols + c;
      NEED(between(t[0], -(1 << 24), 1 << 24) && t[l->cols] >= 1);
    }
  return NULL;
}

static const char *check_planes(const Layer *l) {
  for (int64_t k = 0; k < l->planes; k++) NEED(between(l->plane_weights[k], -(1LL << 30), 1LL << 30));
  return NULL;
}

const char *check_tables(Layer *l) {
  const char *problem = check_map(l->rowmap, l->PH, l->H);
  if (!problem) problem = check_map(l->colmap, l->PW, l->W);
  for (int64_t k = 0; k < l->ncombos && !problem; k++) problem = check_combo(l, k);
  for (int64_t k = 0; k < l->nblocks && !problem; k++) problem = check_block(l, l->blocks + k);
  for (int64_t k = 0; k < l->nclusters && !problem; k++) problem = check_cluster(l, l->clusters + k);
  if (!problem) problem = check_planes(l);
  if (!problem) problem = check_steps(l);
  if (!problem) problem = check_merged(l);
  return problem;
}

const char *check_neurons(const Neurons *n, int64_t N) {
  NEED(between(n->fraction, 0, 60) && between(n->leak_shift, 0, 31));
  NEED(between(n->current_shift, 0, 31) && between(n->input_shift, 0, 31));
  NEED(INT32_MIN <= n->vmin && n->vmin <= n->vmax && n->vmax <= INT32_MAX);
  NEED(INT32_MIN <= n->imin && n->imin <= n->imax && n->imax <= INT32_MAX);
  NEED(!n->fast || (n->fraction <= 30 && !n->per_position && !n->has_current));
  NEED(n->Nw == (N + 63) / 64);
  NEED(between(n->levels, 1, 255) && between(n->least_level, -255, 0) && (!n->fast || (n->levels == 1 && !n->least_level)));
  return NULL;
}

int scratch_make(const Layer *l, Scratch *s) {
  const int64_t reach = l->PH - (l->Ho - 1) * l->sy, pitch = l->N + 32;
  s->band_rows = (l->tile_rows - 1) * l->sy + reach;
  const int64_t area = product(2, s->band_rows, l->PW), count = product(2, l->tile_rows, l->Wo);
  const int64_t alone = l->pitch > 64 ? 0 : product(2, area, l->pitch + 8); /* lists of single pixels */
  int64_t listed = alone < 0 || alone > UINT32_MAX - 128 ? -1 : 128 + alone;
  for (int64_t k = 0; k < l->ncombos && listed >= 0; k++) {
    int64_t most = product(2, area, (int64_t)l->combos[k].rows + 8);
    listed = most < 0 || most > UINT32_MAX - listed ? -1 : listed + most;
  }
  s->row_bytes = (l->PW * l->pitch + 7) / 8 + 16;
  const int64_t image = product(2, s->band_rows, s->row_bytes), y = product(3, count, pitch, (int64_t)4);
  const int64_t entries = product(3, area, l->ncombos + 1, (int64_t)sizeof(Entry));
  const int64_t counters = l->kind == BITS ? product(4, (int64_t)64, l->depth, l->colblks, l->counted) : 0;
  const int64_t merged = l->merged ? product(3, (int64_t)64, (int64_t)MOST_MERGED, l->Npad / 8) : 0;
  if (area < 0 || merged < 0 || count < 0 || listed < 0 || image < 0 || y < 0 || entries < 0 || counters < 0)
    return 0;
  s->image = malloc((size_t)image + 64);
  s->start = malloc((size_t)(l->N + 32) * 2);
  s->entries = malloc((size_t)entries);
  s->pool = malloc((size_t)listed * 2 + 256);
  s->posbase = malloc((size_t)count * 4);
  s->placed = malloc((size_t)count * 4);
  s->counters = malloc((size_t)counters + 64);
  s->merged = malloc((size_t)merged + 64);
  s->sums = malloc((size_t)(l->exact ? MOST_TILE * l->whole_at * 2 : 0) + 64);
  s->y = malloc((size_t)y + 64);
  s->block = malloc((size_t)(l->Npad + 32) * 4 + 64);
  s->fired = malloc((size_t)l->N + 64);
  if (s->image && s->start && s->entries && s->pool && s->posbase && s->placed && s->counters && s->merged && s->sums && s->y && s->block &&
      s->fired)
    return 1;
  scratch_free(s);
  return 0;
}

void scratch_free(Scratch *s) {
  free(s->image); free(s->entries); free(s->pool); free(s->posbase); free(s->counters); free(s->merged);
  free(s->y); free(s->block); free(s->fired);
  free(s->start); free(s->placed); free(s->sums);
  memset(s, 0, sizeof *s);
}
