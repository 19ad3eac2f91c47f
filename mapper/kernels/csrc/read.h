/* Layers as training reads them, forwards, for one instruction set; see training.h. */

/* Add what a table has for each sum, times a number. */
static AI void NAME(add_found)(float *restrict to, const float *restrict table, const int16_t *restrict sums,
                               float scale, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += scale * table[sums[i]];
}

/* Decode the sums of a vector and a row block, shift and add: line[np]. */
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

static AI void NAME(decode_tile)(const Read *r, const NAME(Tile) *t, int64_t a, int64_t g, int64_t many) {
  const float *reached = r->reached + (a * r->G + g) * r->L * r->W;
  for (int64_t j = 0; j < many; j++) {
    const float more = (float)t->blocks[j * r->G + g].count * (float)r->correction;
    NAME(decode)(r, t->sums + j * r->W, t->shifts[j], t->half[j], more, reached, t->line);
    NAME(add_scaled)(t->total + j * r->np, t->line, r->scales[g], r->np);
  }
}

/* The same for sense amplifiers and no more than FEW_SLICES slices: what they are compared with
 * stays in registers, if loops are unrolled. */
static AI void NAME(compare_tile)(const Read *r, const NAME(Tile) *t, int64_t a, int64_t g, int64_t many,
                                  const int S, const int noisy) {
  const int64_t np = r->np, W = r->W;
  const float *reached = r->reached + (a * r->G + g) * W, scale = r->scales[g];
  const float32 none = {0};
  float32 worth[FEW_SLICES];
  float rest = 0;
  for (int s = 0; s < S; s++) rest += (float)r->first * r->significances[s];
  for (int s = 0; s < S; s++) worth[s] = none + r->gaps[0] * r->significances[s];
  for (int64_t i = 0; i < np; i += LANES32) {
    float32 limit[FEW_SLICES];
    for (int s = 0; s < S; s++) limit[s] = NAME(floats)(reached + s * np + i);
    for (int64_t j = 0; j < many; j++) {
      const int16_t *sums = t->sums + j * W + i;
      const float *shift = noisy ? t->shifts[j] + i : NULL;
      float32 line = none + rest;
#pragma GCC unroll 4
      for (int s = 0; s < S; s++) {
        const float32 p = NAME(real)(sums + s * np, t->half[j], noisy ? shift + s * np : NULL);
        line += NAME(where)(p >= limit[s], worth[s]);
      }
      float *to = t->total + j * np + i;
      NAME(put)(to, NAME(floats)(to) + scale * line);
    }
  }
}

/* Write what a vector's columns give: its integers, or what they are worth and a bias. */
static AI void NAME(finish)(const Read *r, float *restrict out, const float *restrict total, int64_t a) {
  const float *restrict gains = r->gains + a * r->n, *restrict biases = r->biases + a * r->n;
  if (r->affine) for (int64_t i = 0; i < r->n; i++) out[i] = gains[i] * total[i] + biases[i];
  else memcpy(out, total, (size_t)r->n * 4);
}

/* `S` slices of sense amplifiers, or 0 for any reading. */
static AI void NAME(forward_by)(const Read *r, int64_t first, int64_t last, void *scratch, const int S,
                                const int64_t slots, const int noisy) {
  const NAME(Tile) t = NAME(lay_out)(r, scratch);
  for (int64_t v0 = first; v0 < last; v0 += TILE)
    for (int64_t a = 0; a < r->A; a++) {
      const int64_t many = v0 + TILE < last ? TILE : last - v0;
      NAME(list_tile)(r, &t, a, v0, many);
      memset(t.total, 0, (size_t)(many * r->np) * 4);
      for (int64_t g = 0; g < r->G; g++) {
        NAME(sum_up)(r, &t, a, g, v0, many, slots, noisy);
        if (S) NAME(compare_tile)(r, &t, a, g, many, S, noisy);
        else NAME(decode_tile)(r, &t, a, g, many);
      }
      for (int64_t j = 0; j < many; j++)
        NAME(finish)(r, r->out + ((v0 + j) * r->A + a) * r->n, t.total + j * r->np, a);
    }
}

/* Slices, and what W is in units of np, are constants for one bit read of weights of four. */
#define BY_KIND(kernel)                                                                             \
  const int64_t slots = r->W / r->np, S = r->span || r->L != 1 || r->correction ? 0 : r->S;         \
  if (S == 3 && slots == 3 && !r->copies) kernel(r, first, last, scratch, 3, 3, 0);                 \
  else if (S == 3 && slots == 4 && !r->copies) kernel(r, first, last, scratch, 3, 4, 0);            \
  else if (S == 4 && slots == 4 && !r->copies) kernel(r, first, last, scratch, 4, 4, 0);            \
  else if (S == 3 && r->copies) kernel(r, first, last, scratch, 3, slots, 1);                       \
  else if (S == 4 && r->copies) kernel(r, first, last, scratch, 4, slots, 1);                       \
  else kernel(r, first, last, scratch, 0, slots, 1);

/* Write the integers of vectors first..last, or what they are worth. */
void NAME(read_forward)(const Read *r, int64_t first, int64_t last, void *scratch) { BY_KIND(NAME(forward_by)) }
