/* What a fused layer is, as the checked boundary in module.c hands it to the kernels.
 *
 * Every pointer covers what the sizes beside it say and every table entry is in range: module.c
 * checks both before a kernel runs, so kernels do not.
 */
#ifndef SPIKELOOM_LAYER_H
#define SPIKELOOM_LAYER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Every member below is exported to Python by exports.c, under its name: no number is written
 * twice. Descriptors of mapper/kernels/structs.py give the names. */
#define MEMBER(name) name,

/* How partial sums are made: bit by bit, or as numbers of so many bits. */
#define KINDS(E) E(BITS) E(SUMS8) E(SUMS16) E(SUMS32)
/* What a reference is compared with. */
#define MODES(E) E(PLAIN) E(DIFFERENTIAL) E(HALF_ACTIVE) E(DIGITS)
#define READOUTS(E) E(SENSE) E(ADC)
/* How codes of an ADC are found: by divisions, by 16-bit products, and by those where every column
 * has the same ADC; see quick.h. */
#define QUICKS(E) E(BY_FLOATS) E(BY_COLUMN) E(EVEN)
#define LEAKS(E) E(NO_LEAK) E(SHIFT_LEAK) E(FACTOR_LEAK)
#define ROUNDINGS(E) E(FLOOR) E(TOWARD_ZERO) E(NEAREST)
#define RESETS(E) E(NO_RESET) E(SUBTRACT) E(TO_VALUE)
#define PHASES(E) E(SAME) E(NEXT) E(LATE) E(GUARDED)
enum { KINDS(MEMBER) };
enum { MODES(MEMBER) };
enum { READOUTS(MEMBER) };
enum { QUICKS(MEMBER) };
enum { LEAKS(MEMBER) };
enum { ROUNDINGS(MEMBER) };
enum { RESETS(MEMBER) };
enum { PHASES(MEMBER) };

/* Limits by which Python chooses kernels, and to which check.c and training.c hold it: bits of
 * inputs; what the 16 bits of a list of driven wordlines hold, for BITS a wordline times the bytes
 * of a vector; thresholds that BITS counts at once, and its greatest sums, one less than references
 * of so many planes, and the planes of its merged numbers; thresholds times slices
 * that are compared and added in 16 bits; numbers that noise is one of, and steps that
 * it takes thresholds; in training, the columns to which a slice is padded, and to twice as many all
 * slices together. */
#define LIMITS(E)                                                                               \
  E(MOST_INPUT_BITS, 30) E(MOST_LISTED, 65535) E(MOST_COUNTS, 7)                                 \
  E(FEW_PLANES, 7) E(FEW_PLANES_SUM, 126) E(MANY_PLANES, 10) E(MANY_PLANES_SUM, 1022)           \
  E(SLICE_LANES, 16) E(SPARE_ROWS, 4) E(MOST_MERGED, 16) E(MOST_NARROW, 64) \
  E(NOISE_NUMBERS, 65536) E(MOST_STEPS, 64)
#define LIMIT(name, number) name = number,
enum { LIMITS(LIMIT) };

/* Part of a row block: `len` channels from `c0` of the pixel (dy, dx) below and right of the
 * anchor, and on into the pixels right of it, drive wordlines `base` onwards. */
typedef struct { int32_t dy, dx, c0, len, base; } Segment;
/* Row blocks that see the same wordlines relative to an anchor share one combination. */
typedef struct { int32_t first, last, rows; } Combo;
typedef struct { int32_t combo, ay, ax; } Block;
/* Row blocks of one scale, which feed outputs `y` onwards. */
typedef struct { int32_t first, last, y, by_column; } Cluster;
typedef struct { int32_t ylo, yhi, ystep, xlo, xhi, xstep, reach_y, reach_x; } Range;

typedef struct {
  int64_t fired; /* spikes leave */
  int64_t reset, phase, spike_next, has_current, has_floor, fraction, fast, simple;
  int64_t leak, leak_shift, leak_rounding, current_leak, current_shift, current_rounding;
  int64_t input_leak, input_shift, input_rounding;
  int64_t vmin, vmax, imin, imax, per_position;
  int64_t levels, least_level; /* thresholds, and the level where none is reached */
  int64_t level_step;     /* from one level's thresholds to the next */
  /* [P or 1][N] each; 64-bit so that every verified parameter fits */
  const int64_t *bias, *threshold /* [levels][P or 1][N] */, *amount, *floor, *factor, *current_factor, *input_factor;
  const int32_t *fast_tables; /* [5][N], see neurons.h */
  int32_t *v, *i;                                    /* [B][P][N] */
  uint64_t *spikes; int64_t Nw;                      /* [T][B][P][Nw] */
  int32_t *v_out, *i_out, *levels_out;               /* [T][B][P][N], or NULL */
} Neurons;

typedef struct {
  const uint64_t *x; /* [planes][T][B][H][W][Cw], channels in the bits of Cw words */
  int64_t planes, T, B, H, W, Cw, pitch;
  const int32_t *plane_weights;   /* [planes]: what a bit of each stands for */
  const int32_t *rowmap, *colmap; /* padded coordinate -> input coordinate, or -1 */
  int64_t PH, PW, Ho, Wo, sy, sx;
  /* Where positions go among all_rows x all_columns: row0, row0 + row_step, ... */
  int64_t all_rows, all_columns, row0, column0, row_step, column_step;
  int64_t ncombos, nsegments, nblocks, nclusters;
  const Combo *combos; const Segment *segments; const Block *blocks; const Cluster *clusters;
  Range *ranges;
  int64_t kind, N, Ng, Npad, S, rows, cols;
  const int32_t *significances;  /* [S] */
  const int32_t *scales;         /* [nclusters][Ng] */
  const int32_t *start;          /* [refcopies][N]: y before any row block */
  int64_t shift;
  /* Copies of the crossbars, each for a band of the layer's positions: `cellcopies` and `refcopies`
   * are as many, or 1 where all have the same; so many bytes (numbers) lie from one to the next. */
  int64_t copies, cellcopies, refcopies, cells_step, refs_step, tables_step, halves_step, rests_step;
  const uint8_t *weights;
  /* BITS: weights [block][colblk][sets][rows + 1][width], a set for each bit of a digit or for
   * each of a differential pair; refs [block][colblk][1 + parity][L][NP + 3][width]. Folded: two sets
   * side by side in each vector; then `counted` bytes, those of the columns, are half of it. Parity:
   * half-active columns have references for even and for odd numbers of driven wordlines. */
  int64_t width, folded, counted, colblks, sets, L, NP, refplanes, mode, parity, rise, wide, depth;
  int64_t merged; /* bit-slices are added as bits of one number, see merge.h */
  const uint8_t *refs;
  /* SUMS: weights [block][Npad / at_once][rows + 1][S][at_once], whole vectors; with `nibbles`, that many rows
   * at a time, two bit-slices share a byte and S is half as many, rounded up */
  int64_t readout, at_once, chunk, nibbles, quick, down, half_full, offset, top, lowest;
  const int32_t *tables;         /* SENSE: [block][L][cols]; ADC: [block][4][cols] */
  const int16_t *halves;         /* instead of them where quick, of quick.h, and where not wide */
  const int16_t *rests;          /* SENSE, not wide: [block][Npad], what sums of 0 give before scale */
  const int32_t *rises;          /* [L] */
  /* ADC: up to `exact` driven wordlines codes stand for the sums themselves; 0 where that is not so.
   * Then whole [block][Npad / whole_at][rows + 1][whole_at], of whole.h. */
  int64_t exact, fits, whole_at;
  const int16_t *whole;
  /* Noisy reads: numbers are shifted `up` before they are read. Row block `numbers[block]` of G of the
   * layer; a key for each step and sample [T][B]; with `sampled`, positions are samples, [T][P]. SENSE:
   * noise[reaches], for each distance from noise_low on how many of 65536 numbers are less; ADC: they;
   * SENSE, not wide: halves [block][L][1 + steps][cols], see noise.h, and no rests. */
  int64_t noisy, up, G, sampled, noise_low, reaches, steps;
  const int32_t *numbers, *noise;
  const uint64_t *keys;
  int64_t tile_rows, jobs, bands;
  int32_t *y_out;                /* [T][B][P][N], where no neurons follow */
  /* For a trace, or NULL: driven wordlines [T][B][all_rows], read row blocks [jobs][nblocks] */
  int64_t *driven, *heard;
  int64_t has_neurons;
  Neurons n;
} Layer;

typedef struct { uint32_t start, n; } Entry;

enum { MOST_TILE = 64 }; /* positions whose row blocks are read in turn, where sums take 32 bits */

/* Working memory of one thread. */
typedef struct {
  uint8_t *image; Entry *entries; uint16_t *pool; int32_t *posbase, *placed;
  uint8_t *counters, *merged; int32_t *y; int16_t *start, *sums; int32_t *block; uint8_t *fired;
  /* Of the copy whose positions are computed. */
  const uint8_t *weights, *refs; const int32_t *tables, *begin; const int16_t *halves, *rests;
  /* Of the time step and the bit of inputs. */
  const uint64_t *keys; int64_t plane;
  int64_t band_rows, row_bytes;
} Scratch;

/* Packed images whose rows and columns are sorted into classes: counts [rows][columns][Cw * 64]. */
typedef struct {
  const uint64_t *x; /* [images][H][W][Cw] */
  int64_t images, H, W, Cw, rows, columns;
  const uint8_t *row_class, *column_class;
  const uint64_t *nothing; /* a row of zeros */
  int64_t *out;
} Regions;
enum { MOST_DEPTH = 64 };

/* Codes of some bits in planes: words [planes][images][P][Cw]. */
typedef struct { const uint64_t *words; int64_t planes, images, P, Cw, C, is_signed; } Packed;

int scratch_make(const Layer *l, Scratch *s);
void scratch_free(Scratch *s);

#define DECLARE(v)                                             \
  void run_job_##v(const Layer *l, Scratch *s, int64_t job);   \
  void run_neurons_##v(const Neurons *n, const int32_t *y, int64_t y_pitch, int64_t t, int64_t b, \
                       int64_t p0, int64_t count, int64_t B, int64_t P, int64_t N, uint8_t *fired); \
  void count_regions_##v(const Regions *g, const uint64_t **rows);                                  \
  void count_on_##v(const uint64_t *x, int64_t planes, int64_t images, int64_t words, int64_t *out); \
  void unpack_##v(const Packed *x, int64_t *out);                                                    \
  int pack_##v(const Packed *g, const int64_t *x, uint64_t *out, int64_t low, int64_t high);

DECLARE(base)
DECLARE(avx2)
DECLARE(avx512)
DECLARE(vbmi2)
DECLARE(neon)
#endif
