/* What training needs of a crossbar layer and of neurons, in single precision.
 *
 * As in layer.h, every pointer covers what the sizes beside it say: training.c has checked.
 * Axes: groups A, row blocks G of R wordlines, slices S, outputs of a group n, which is padded to
 * np; W = S * np rounded up to whole vectors. Padded columns have no cells and no gradient.
 */
#ifndef SPIKELOOM_TRAINING_H
#define SPIKELOOM_TRAINING_H

#include "layer.h"

/* TILE: vectors at a time: their slopes stay in cache for the product with the cells.
 * COPIED: active wordlines that are copied at once. */
enum { TILE = 32, COPIED = 16 };

#define READ_FIELDS(F)                                                                            \
  F(A) F(V) F(G) F(R) F(K) F(S) F(n) F(np) F(L) F(runs) F(length) F(group_step) F(pixels)         \
  F(span) F(lowest) F(first) F(twice_half) F(correction) F(wants_x) F(wants_scale)

/* What training calls a reading: sense amplifiers where span is 0, else a table of an ADC, whose
 * entry k is for the partial sum lowest + k. */
typedef struct {
#define F(name) int64_t name;
  READ_FIELDS(F)
#undef F
  int64_t W, origin;                    /* origin: the first pixel that the vectors see */
  const uint8_t *x;                     /* [pixels], 0 and 1 */
  const int64_t *starts, *offsets;      /* where a vector's window and each of its runs begin */
  const int16_t *cells;                 /* [A][G][R][W] */
  const float *turned;                  /* [A][G][W][R]: cells less what follows active rows */
  const float *reached, *thresholds;    /* [A][G][L][W]: what a sum reaches, and where slopes are */
  const float *gaps, *halves;           /* [L], [S] */
  const float *significances, *scales;  /* [S], [G] */
  const float *codes, *within, *drift;  /* [span] */
  float *out;                           /* [V][A * n] */
  const float *gradient;                /* [V][A * n] */
  float *image, *weights;               /* [pixels], [A][G * R][np] */
  float *learned, *scale_gradient;      /* [A][G][L][W], [G] */
  int32_t *active, *before;             /* pixels that are 1, and how many come before each unit
                                         * of group_step pixels, from the origin on */
  float *steep;                         /* [L][S] */
} Read;

#define WALK_FIELDS(F) F(T) F(N) F(reset) F(spiking) F(has_current)

typedef struct {
#define F(name) int64_t name;
  WALK_FIELDS(F)
#undef F
  const float *numbers;    /* leak, threshold, leak of the current, pi * sharpness */
  const float *x;          /* [T][N], as all below */
  float *spikes, *membranes, *currents;
  const float *gradient;
  float *found;
  double *learned;         /* of the first three numbers */
} Walk;

#define DECLARE_TRAINING(v)                                                                                \
  void read_forward_##v(const Read *r, int64_t first, int64_t last, void *scratch);                    \
  void read_backward_##v(const Read *r, int64_t first, int64_t last, void *scratch);                   \
  void walk_forward_##v(const Walk *w, int64_t first, int64_t last);                              \
  void walk_backward_##v(const Walk *w, int64_t first, int64_t last);
DECLARE_TRAINING(base)
DECLARE_TRAINING(avx2)
DECLARE_TRAINING(avx512)
DECLARE_TRAINING(vbmi2)
#undef DECLARE_TRAINING

#endif
