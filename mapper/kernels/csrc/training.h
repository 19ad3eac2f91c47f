/* What training needs of a crossbar layer and of neurons, in single precision.
 *
 * As in layer.h, every pointer covers what the sizes beside it say: training.c has checked.
 * Axes: groups A, row blocks G of R wordlines, slices S, outputs of a group n, which is padded to
 * np; W = S * np, and np more where that makes whole vectors. Padded columns have no cells and no
 * gradient. SPARE_ROWS wordlines without cells follow all others.
 */
#ifndef SPIKELOOM_TRAINING_H
#define SPIKELOOM_TRAINING_H

#include "layer.h"

/* TILE: vectors at a time: their slopes stay in cache for the product with the cells.
 * COPIED: active wordlines that are copied at once. FEW_SLICES: what registers have room for. */
enum { TILE = 32, COPIED = 16, FEW_SLICES = 4 };

/* Neighbouring wordlines of a row block: `units` from unit `at` of a vector's window on; `shift` makes
 * places of wordlines from those of pixels, which are counted from where the window begins. */
typedef struct { int32_t at, units; uint32_t shift; } Stretch;

#define READ_FIELDS(F)                                                                            \
  F(A) F(V) F(G) F(R) F(K) F(S) F(n) F(np) F(L) F(runs) F(length) F(group_step) F(pixels)         \
  F(span) F(lowest) F(first) F(twice_half) F(correction) F(wants_x) F(wants_scale)                \
  F(copies) F(positions) F(places) F(key) F(affine)

/* name, C type, elements, whether it is written; forwards and backwards take their own */
#define READ_ARRAYS(A)                                                                            \
  A(x, uint8_t, r->pixels, 0) A(starts, int64_t, r->V, 0) A(offsets, int64_t, r->runs, 0)         \
  A(cells, int16_t, tall + SPARE_ROWS * r->W, 0) A(significances, float, r->S, 0) A(scales, float, r->G, 0)           \
  A(gaps, float, r->span ? 0 : r->L, 0) A(reached, float, r->span || !decoded ? 0 : compared, 0)  \
  A(codes, float, decoded ? r->span : 0, 0) A(out, float, back ? 0 : outputs, 1)                  \
  A(halves, float, back && !r->span ? r->S : 0, 0)                                                \
  A(thresholds, float, back && !r->span ? compared : 0, 0)                                        \
  A(within, float, back ? r->span : 0, 0) A(drift, float, back ? r->span : 0, 0)                  \
  A(gradient, float, back ? outputs : 0, 0) A(turned, float, back && r->wants_x ? tall : 0, 0)    \
  A(image, float, back && r->wants_x ? r->pixels : 0, 1) \
  A(weights, float, back ? weights + SPARE_ROWS * r->np : 0, 1) \
  A(learned, float, back ? compared : 0, 1)                                                       \
  A(scale_gradient, float, back && r->wants_scale ? r->G : 0, 1)                                  \
  A(copy_of, int32_t, r->copies ? r->positions : 0, 0) A(shifts, float, shifted, 0)               \
  A(pool, float, r->places ? r->places + r->S * r->np : 0, 0)                                     \
  A(gains, float, r->affine ? numbers : 0, 0) A(biases, float, r->affine ? numbers : 0, 0)        \
  A(outputs, float, back && r->affine ? outputs : 0, 0)                                           \
  A(columns, float, back && r->affine ? pairs : 0, 1)

/* What training calls a reading: sense amplifiers where span is 0, else a table of an ADC, whose
 * entry k is for the partial sum lowest + k. Where there are copies, each with its own offsets, all
 * sums are disturbed before they are read; where the pool has places, by numbers from it as well.
 * Where it is affine, integers are multiplied by the gain of their output, and its bias is added. */
typedef struct {
#define F(name) int64_t name;
  READ_FIELDS(F)
#undef F
  int64_t W, origin;                    /* origin: the first pixel that the vectors see */
  const uint8_t *x;                     /* [pixels], 0 and 1 */
  const int64_t *starts, *offsets;      /* where a vector's window and each of its runs begin */
  const int16_t *cells;                 /* [A][G][R][W], spare ones */
  const float *turned;                  /* [A][G][W][R]: cells less what follows active rows */
  const float *reached, *thresholds;    /* [A][G][L][W]: what a sum reaches, and where slopes are */
  const float *gaps, *halves;           /* [L], [S] */
  const float *significances, *scales;  /* [S], [G] */
  const float *codes, *within, *drift;  /* [span] */
  float *out;                           /* [V][A * n] */
  const float *gradient;                /* [V][A * n] */
  float *image, *weights;               /* [pixels], [A][G * R][np] and spare ones */
  float *learned, *scale_gradient;      /* [A][G][L][W], [G] */
  const int32_t *copy_of;               /* [positions]: the copy of the layer that reads a position */
  const float *shifts, *pool;           /* [copies][A][G][W], [places + S * np]: added to sums */
  const float *gains, *biases;          /* [A * n] */
  const float *outputs;                 /* [V][A * n]: what was found forwards */
  float *columns;                       /* [A][2][np]: of gains and of biases */
  int64_t unit, listed;                 /* pixels of a unit: none is in two row blocks; of a list */
  int32_t *active, *before;             /* np times each pixel that is 1, from the origin on, and how
                                         * many come before each unit */
  Stretch *stretches;
  int32_t *cuts, *spare;                /* [G + 1]: where a row block's begin; [A][SPARE_ROWS] */
  float *steep;                         /* [L][S] */
} Read;

#define WALK_FIELDS(F) F(T) F(N) F(reset) F(spiking) F(has_current)

#define WALK_ARRAYS(A)                                                                            \
  A(numbers, float, 4, 0) A(x, float, back ? 0 : all, 0)                                          \
  A(spikes, float, back || !w->spiking ? 0 : all, 1) A(membranes, float, all, !back)              \
  A(currents, float, w->has_current ? all : 0, !back) A(gradient, float, back ? all : 0, 0)       \
  A(found, float, back ? all : 0, 1) A(learned, double, back ? 3 : 0, 1)

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

#define SPIKES_FIELDS(F) F(B) F(C) F(H) F(W) F(last) F(top) F(left) F(fy) F(fx) F(tall) F(wide)

#define SPIKES_ARRAYS(A) A(x, float, product(4, s->B, s->C, s->H, s->W), 0)                       \
  A(image, uint8_t, product(4, s->B, s->tall, s->wide, s->C), 1)

/* Spikes of torch, which become bytes: pixel h, w of a sample goes to row top + h * fy and column
 * left + w * fx of an image that holds zeros, if it has them. */
typedef struct {
#define F(name) int64_t name;
  SPIKES_FIELDS(F)
#undef F
  const float *x;          /* [B][H][W][C] where channels come last, else [B][C][H][W] */
  uint8_t *image;          /* [B][tall][wide][C] */
} Spikes;

#define DECLARE_TRAINING(v)                                                                                \
  void read_forward_##v(const Read *r, int64_t first, int64_t last, void *scratch);                    \
  void read_backward_##v(const Read *r, int64_t first, int64_t last, void *scratch);                   \
  int lay_spikes_##v(const Spikes *s);                                                             \
  void walk_forward_##v(const Walk *w, int64_t first, int64_t last);                              \
  void walk_backward_##v(const Walk *w, int64_t first, int64_t last);
DECLARE_TRAINING(base)
DECLARE_TRAINING(avx2)
DECLARE_TRAINING(avx512)
DECLARE_TRAINING(neon)
#undef DECLARE_TRAINING

#endif
