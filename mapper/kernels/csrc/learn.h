/* The gradients of layers as training reads them, for one instruction set; see training.h. */

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

/* What a triangle around a threshold lets pass. */
static AI float32 NAME(inside)(float32 p, float32 threshold, float half, float steep, float32 upstream) {
  const lanes32 magnitude = (lanes32){0} + INT32_MAX;
  const float32 left = half - (float32)((lanes32)(p - threshold) & magnitude);
  return NAME(where)(left > 0, left) * steep * upstream;
}

/* The slopes of sense amplifiers: triangles around their thresholds. */
static AI void NAME(slope_by_level)(const Read *r, const int16_t *sums, const float *shift, float half,
                                    const float *thresholds, float *learned, const float *up, float *slopes) {
  const int64_t S = r->S, np = r->np, L = r->L, W = r->W;  /* what is written may alias what `r` holds */
  for (int64_t i = 0; i < np; i += LANES32)
    for (int64_t s = 0; s < S; s++) {
      const int64_t at = s * np + i;
      const float32 p = NAME(real)(sums + at, half, shift ? shift + at : NULL);
      const float32 upstream = NAME(floats)(up + i) * r->significances[s];
      float32 total = {0};
      for (int64_t l = 0; l < L; l++) {
        const float32 found = NAME(inside)(p, NAME(floats)(thresholds + l * W + at), r->halves[s],
                                           r->steep[l * S + s], upstream);
        NAME(put)(learned + l * W + at, NAME(floats)(learned + l * W + at) - found);
        total += found;
      }
      NAME(put)(slopes + at, total);
    }
}

/* Write the slopes of a tile's vectors in one row block, and in `merged` what all slices of an output
 * have in common; add to what the reading learns. `up` is what reaches the sums of vectors. */
static AI void NAME(slope_tile)(const Read *r, const NAME(Tile) *t, int64_t block, int64_t many, float scale,
                                const float *up, float *merged) {
  const int64_t np = r->np, W = r->W;
  float *learned = r->learned + block * r->L * W;
  for (int64_t j = 0; j < many; j++, up += np, merged += np) {
    const int16_t *sums = t->sums + j * W;
    float *slopes = t->slopes + j * W;
    for (int64_t i = 0; i < np; i++) t->line[i] = scale * up[i];
    if (r->span) NAME(slope_by_table)(r, sums, learned, t->line, slopes);
    else NAME(slope_by_level)(r, sums, t->shifts[j], t->half[j], r->thresholds + block * r->L * W, learned, t->line, slopes);
    for (int64_t i = 0; i < np; i += LANES32) {
      float32 total = {0};
      for (int64_t s = 0; s < r->S; s++) total += r->significances[s] * NAME(floats)(slopes + s * np + i);
      NAME(put)(merged + i, total);
    }
  }
}

/* The same for sense amplifiers and no more than FEW_SLICES slices: thresholds and what they learn
 * stay in registers, if loops are unrolled. */
static AI void NAME(slope_few)(const Read *r, const NAME(Tile) *t, int64_t block, int64_t many, float scale,
                               const float *up, float *merged, const int S, const int noisy) {
  const int64_t np = r->np, W = r->W;
  const float *thresholds = r->thresholds + block * W;
  float *learned = r->learned + block * W, half[FEW_SLICES], steep[FEW_SLICES], significance[FEW_SLICES];
  for (int s = 0; s < S; s++)
    half[s] = r->halves[s], steep[s] = r->steep[s], significance[s] = r->significances[s];
  for (int64_t i = 0; i < np; i += LANES32) {
    float32 threshold[FEW_SLICES], found[FEW_SLICES];
    for (int s = 0; s < S; s++) {
      threshold[s] = NAME(floats)(thresholds + s * np + i);
      found[s] = NAME(floats)(learned + s * np + i);
    }
    for (int64_t j = 0; j < many; j++) {
      const int16_t *sums = t->sums + j * W + i;
      const float *shift = noisy ? t->shifts[j] + i : NULL;
      const float32 upstream = scale * NAME(floats)(up + j * np + i);
      float32 total = {0};
#pragma GCC unroll 4
      for (int s = 0; s < S; s++) {
        const float32 p = NAME(real)(sums + s * np, t->half[j], noisy ? shift + s * np : NULL);
        const float32 slope = NAME(inside)(p, threshold[s], half[s], steep[s], upstream * significance[s]);
        found[s] -= slope;
        total += significance[s] * slope;
        NAME(put)(t->slopes + j * W + s * np + i, slope);
      }
      NAME(put)(merged + j * np + i, total);
    }
    for (int s = 0; s < S; s++) NAME(put)(learned + s * np + i, found[s]);
  }
}

/* Add what a tile's vectors give the weights of their active wordlines. */
static AI void NAME(weigh_tile)(const Read *r, const NAME(Tile) *t, int64_t a, int64_t g, int64_t many,
                                const float *merged) {
  const int64_t np = r->np;
  for (int64_t j = 0; j < many; j++) {
    const NAME(Block) b = t->blocks[j * r->G + g];
    const int32_t *list = t->list + j * r->listed + b.at;
    for (int64_t i = 0; i < np; i += LANES32) {
      const float32 each = NAME(floats)(merged + j * np + i);
      float *weights = r->weights + a * r->G * r->R * np + i;
      for (int64_t k = 0; k < b.count; k += SPARE_ROWS)
#pragma GCC unroll 4
        for (int q = 0; q < SPARE_ROWS; q++)
          NAME(put)(weights + list[k + q], NAME(floats)(weights + list[k + q]) + each);
    }
  }
}

/* Multiply slopes[high][W] by turned[W][R], of `broad` vectors of wordlines: what is added up stays
 * in registers, if loops are unrolled: GCC keeps it in memory otherwise. */
#define BROAD 4
#if LEVEL >= 2
#define HIGH 4
#define ADDED(total, a, b) (float32)_mm512_fmadd_ps(_mm512_set1_ps(a), (__m512)(b), (__m512)(total))
#elif LEVEL == 1
#define HIGH 2
#define ADDED(total, a, b) (float32)_mm256_fmadd_ps(_mm256_set1_ps(a), (__m256)(b), (__m256)(total))
#elif defined(NEON)
#define HIGH 4
#define ADDED(total, a, b) (float32)vfmaq_n_f32((float32x4_t)(total), (float32x4_t)(b), a)
#else
#define HIGH 2
#define ADDED(total, a, b) (total) + (a) * (b)
#endif
static AI void NAME(product_of)(const Read *r, const float *slopes, const float *turned, float *rows,
                                int64_t pitch, int64_t wide, const int high, const int broad) {
  float32 total[HIGH * BROAD] = {{0}};
  for (int64_t w = 0; w < wide; w++)
#pragma GCC unroll 4
    for (int q = 0; q < broad; q++) {
      const float32 each = NAME(floats)(turned + w * r->R + q * LANES32);
#pragma GCC unroll 16
      for (int j = 0; j < high; j++)
        total[j * broad + q] = ADDED(total[j * broad + q], slopes[j * r->W + w], each);
    }
#pragma GCC unroll 16
  for (int j = 0; j < high; j++)
#pragma GCC unroll 4
    for (int q = 0; q < broad; q++) NAME(put)(rows + j * pitch + q * LANES32, total[j * broad + q]);
}

static void NAME(multiply)(const Read *r, const float *slopes, int64_t g, const float *turned, float *rows) {
  const int64_t pitch = r->G * r->R, wide = r->S * r->np, left = r->K - g * r->R;
  const int64_t tall = left < r->R ? left : r->R, upper = (tall + LANES32 - 1) / LANES32 * LANES32;
  const int64_t end = upper < r->R ? upper : r->R;
  int64_t c = 0;
#define STRIP(broad)                                                                               \
  for (; c + (broad) * LANES32 <= end; c += (broad) * LANES32)                                     \
    for (int64_t j = 0; j < TILE; j += HIGH * BROAD / (broad))                                     \
      NAME(product_of)(r, slopes + j * r->W, turned + c, rows + j * pitch + c, pitch, wide, HIGH * BROAD / (broad), broad);
  STRIP(BROAD)
  STRIP(BROAD / 2)
  STRIP(1)
#undef STRIP
  for (; c < end; c++)
    for (int64_t j = 0; j < TILE; j++) {
      float total = 0;
      for (int64_t w = 0; w < wide; w++) total += slopes[j * r->W + w] * turned[w * r->R + c];
      rows[j * pitch + c] = total;
    }
}
#undef HIGH
#undef BROAD
#undef ADDED

/* Take what reaches a tile's outputs: write what reaches their integers, up[np] each, and add to what
 * the numbers learn that integers are multiplied by and that are added. */
static AI void NAME(take_gradients)(const Read *r, int64_t a, int64_t v0, int64_t many, float *restrict up) {
  const int64_t n = r->n, pitch = r->A * n;
  const float *restrict from = r->gradient + v0 * pitch + a * n;
  if (!r->affine) {
    for (int64_t j = 0; j < many; j++, from += pitch, up += r->np) memcpy(up, from, (size_t)n * 4);
    return;
  }
  const float *restrict gains = r->gains + a * n, *restrict biases = r->biases + a * n;
  const float *restrict y = r->outputs + v0 * pitch + a * n;
  float *restrict for_gains = r->columns + 2 * a * r->np, *restrict for_biases = for_gains + r->np;
  for (int64_t j = 0; j < many; j++, from += pitch, y += pitch, up += r->np)
    for (int64_t i = 0; i < n; i++) {
      up[i] = gains[i] * from[i];
      for_gains[i] += from[i] * (y[i] - biases[i]);
      for_biases[i] += from[i];
    }
}

/* Add what a tile's vectors give the multiplier of a row block. */
static AI void NAME(scale_tile)(const Read *r, const NAME(Tile) *t, int64_t a, int64_t g, int64_t many,
                                const float *up) {
  const float *reached = r->reached + (a * r->G + g) * r->L * r->W;
  for (int64_t j = 0; j < many; j++) {
    float total = 0;
    const float more = (float)t->blocks[j * r->G + g].count * (float)r->correction;
    NAME(decode)(r, t->sums + j * r->W, t->shifts[j], t->half[j], more, reached, t->line);
    for (int64_t i = 0; i < r->n; i++) total += up[j * r->np + i] * t->line[i];
    r->scale_gradient[g] += total;
  }
}

/* Add the gradients of wordlines to the pixels that drove them. */
static AI void NAME(fold)(const Read *r, const float *rows, int64_t a, int64_t v) {
  for (int64_t run = 0; run < r->runs; run++) {
    float *to = r->image + r->starts[v] + r->offsets[run] + a * r->group_step;
    NAME(add_scaled)(to, rows + run * r->length, 1, r->length);
  }
}

/* What wordlines of a row block get beside their cells, where each of them counts for itself. */
static AI void NAME(correct_tile)(const Read *r, const NAME(Tile) *t, int64_t g, int64_t many, const float *up) {
  for (int64_t j = 0; j < many; j++) {
    float above = 0;
    for (int64_t i = 0; i < r->n; i++) above += r->scales[g] * up[j * r->np + i];
    NAME(add_number)(t->rows + (j * r->G + g) * r->R, (float)r->correction * above, r->R);
  }
}

/* `S` slices of sense amplifiers, or 0 for any reading. */
static AI void NAME(backward_by)(const Read *r, int64_t first, int64_t last, void *scratch, const int S,
                                 const int64_t slots, const int noisy) {
  const NAME(Tile) t = NAME(lay_out)(r, scratch);
  float *up = t.total, *merged = t.shared;
  memset(t.slopes, 0, (size_t)(TILE * r->W) * 4);
  memset(up, 0, (size_t)(TILE * r->np) * 4);
  for (int64_t v0 = first; v0 < last; v0 += TILE)
    for (int64_t a = 0; a < r->A; a++) {
      const int64_t many = v0 + TILE < last ? TILE : last - v0;
      NAME(list_tile)(r, &t, a, v0, many);
      NAME(take_gradients)(r, a, v0, many, up);
      for (int64_t g = 0; g < r->G; g++) {
        NAME(sum_up)(r, &t, a, g, v0, many, slots, noisy);
        if (S) NAME(slope_few)(r, &t, a * r->G + g, many, r->scales[g], up, merged, S, noisy);
        else NAME(slope_tile)(r, &t, a * r->G + g, many, r->scales[g], up, merged);
        NAME(weigh_tile)(r, &t, a, g, many, merged);
        if (r->wants_scale) NAME(scale_tile)(r, &t, a, g, many, up);
        if (!r->wants_x) continue;
        NAME(multiply)(r, t.slopes, g, r->turned + (a * r->G + g) * r->W * r->R, t.rows + g * r->R);
        if (r->correction) NAME(correct_tile)(r, &t, g, many, up);
      }
      for (int64_t j = 0; j < many && r->wants_x; j++) NAME(fold)(r, t.rows + j * r->G * r->R, a, v0 + j);
    }
}

/* Add the gradients of vectors first..last. */
void NAME(read_backward)(const Read *r, int64_t first, int64_t last, void *scratch) { BY_KIND(NAME(backward_by)) }
#undef BY_KIND
