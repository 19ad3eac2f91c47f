/* Net cells of a die, as passes/dies defines them: drawn for their sites, pairs and references folded in.
 *
 * Here sites are found and what is taken from each cell, for some cells that follow each other; conduct.h
 * draws them.
 */
#include "boundary.h"
#include "draw.h"

enum { QUANTILES = 65536, SOME = 512, SPARE = 8 };

/* Some wordlines of a copy and bit-slice, or of one some outputs. */
typedef struct { int64_t c, s, k, rows, n, outputs; } Piece;

typedef int (*Drawer)(const Draw *, const int16_t *, const uint64_t *, const double *, int64_t, int32_t *);

static int draw_piece(const Draw *d, const Piece *p, Drawer draw, uint64_t *sites, double *taken) {
  const int64_t at = (p->s * d->K + p->k) * d->N + p->n;
  for (int64_t r = 0, i = 0; r < p->rows; r++, i += p->outputs) {
    const int64_t k = p->k + r, lines = p->c * d->G + d->block[k];
    const int64_t *slot = d->slot + lines * d->N + p->n;
    const int64_t *bitline = d->bitline + (lines * d->S + p->s) * d->N + p->n;
    const uint64_t wordline = (uint64_t)d->wordline[k] << 20;
    for (int64_t j = 0; j < p->outputs; j++)
      sites[i + j] = (uint64_t)slot[j] << 40 | wordline | (uint64_t)bitline[j];
    if (!d->Q) continue;
    const double *reference = d->reference + (p->c * d->K + k) * d->Q;
    for (int64_t j = 0; j < p->outputs; j++) taken[i + j] = reference[d->column[p->n + j]];
  }
  return draw(d, d->digits + at, sites, taken, p->rows * p->outputs, d->out + p->c * d->S * d->K * d->N + at);
}

/* Returns 0 where a cell is no 32-bit number. */
static int draw_all(const Draw *d, Drawer draw) {
  const int64_t outputs = d->N < SOME ? d->N : SOME, rows = SOME / outputs;
  uint64_t sites[SOME + SPARE] = {0};
  double taken[SOME + SPARE];
  for (int64_t j = 0; j < SOME + SPARE; j++) taken[j] = d->Q || d->pairs ? 0 : d->reference[0];
  for (int64_t line = 0; line < d->C * d->S; line++)
    for (int64_t k = 0; k < d->K; k += rows)
      for (int64_t n = 0; n < d->N; n += outputs) {
        const Piece p = {line / d->S, line % d->S, k, rows < d->K - k ? rows : d->K - k,
                         n, outputs < d->N - n ? outputs : d->N - n};
        if (!draw_piece(d, &p, draw, sites, taken)) return 0;
      }
  return 1;
}

/* Whether every digit is a level of a cell, or of one of a pair. */
static int are_levels(const Draw *d) {
  const int64_t least = d->pairs ? 1 - d->L : 0;
  int beyond = 0;
  for (int64_t i = 0; i < d->S * d->K * d->N; i++) beyond |= (d->digits[i] < least) | (d->digits[i] >= d->L);
  return !beyond;
}

/* The least whole number of parts of 2**53 that is not below an end. */
static int64_t parts(double end) {
  const double exact = end * 0x1p53;
  if (!(exact > 0)) return 0;
  if (exact >= 0x1p53) return INT64_C(1) << 53;
  const int64_t whole = (int64_t)exact;
  return whole + ((double)whole < exact);
}

static int read_draw(PyObject *fields, PyObject *arrays, Views *views, Draw *d) {
#define F(name) if (!number(fields, #name, &d->name)) return 0;
  DRAW_FIELDS(F)
#undef F
  if (d->C < 1 || d->S < 1 || d->K < 1 || d->N < 1 || d->G < 1) return refuse("sizes");
  if (d->K > INT64_MAX / 8 || d->N > INT64_MAX / 8) return refuse("sizes");
  if (d->L < 2 || d->L > 256 || d->fraction < 0 || d->fraction > 24 || d->Q < 0) return refuse("numbers");
  if (d->drifts != 0 && d->drifts != 1 && d->drifts != QUANTILES) return refuse("drifts");
  const int64_t cells = product(3, d->S, d->K, d->N), levels = d->L * 8;
  const int64_t slots = product(4, d->C, d->G, d->N, (int64_t)8);
  const int64_t lines = product(5, d->C, d->G, d->S, d->N, (int64_t)8);
  const int64_t table = d->spread ? (int64_t)QUANTILES * 8 : 0;
  const int64_t sigmas = d->spread ? levels : 0, lefts = product(2, levels, d->drifts);
  const int64_t stuck_ends = d->stuck ? 16 : 0, columns = d->Q ? d->N * 4 : 0;
  const int64_t halves = d->pairs ? 0 : d->Q ? product(4, d->C, d->K, d->Q, (int64_t)8) : 8;
  const int64_t all = product(3, d->C, cells, (int64_t)4);
#define A(name, type, size, written) \
  if (!array(arrays, #name, size, _Alignof(type), written, views, (void **)&d->name)) return 0;
  DRAW_ARRAYS(A)
#undef A
  for (int64_t k = 0; k < d->K; k++) if (d->block[k] < 0 || d->block[k] >= d->G) return refuse("block");
  for (int64_t n = 0; n < d->N && d->Q; n++) if (d->column[n] < 0 || d->column[n] >= d->Q) return refuse("column");
  if (d->stuck) d->stuck_below = parts(d->ends[0]), d->off_from = parts(d->ends[1]);
  return 1;
}

PyObject *draw_cells(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  Views views = {.count = 0};
  Draw d = {0};
  int level, good, fit = 1;
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!O!", &level, &PyDict_Type, &fields, &PyDict_Type, &arrays)) return NULL;
  good = usable(level) && read_draw(fields, arrays, &views, &d);
  if (good) {
    Py_BEGIN_ALLOW_THREADS
    fit = are_levels(&d) && draw_all(&d, PICK(draw_some));
    Py_END_ALLOW_THREADS
  }
  release(&views);
  return good ? PyBool_FromLong(fit) : NULL;
}
