/* Net cells of a die, as passes/dies defines them: drawn for their sites, pairs and references folded in.
 *
 * Doubles are added and multiplied in the order of NumPy's definition, and never fused, so that both
 * give the same integers.
 */
#include "boundary.h"
#include "draw.h"

enum { QUANTILES = 65536 };
static const double WHOLE = 6755399441055744.0; /* 3 * 2**51: added and taken away, it rounds */

/* Output `counter` of SplitMix64 that starts at `key`. */
static inline uint64_t hashed(uint64_t key, uint64_t counter) {
  uint64_t z = key + (counter + 1) * UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

/* What a cell of level u conducts, in counts. */
static inline double conductance(const Draw *d, int64_t u, uint64_t site) {
  if (d->stuck) {
    const double q = (double)(hashed(d->keys[0], site) >> 11) * 0x1p-53;
    u = q < d->ends[0] ? d->L - 1 : q >= d->ends[1] ? 0 : u;
  }
  double g = d->mean[u];
  if (d->spread) {
    g = g + d->sigma[u] * d->quantiles[hashed(d->keys[1], site) >> 48];
    g = g > 0 ? g : 0;
  }
  if (d->drifts) {
    const uint64_t at = d->drifts > 1 ? hashed(d->keys[2], site) >> 48 : 0;
    g = g * d->left[u * d->drifts + (int64_t)at];
  }
  return g;
}

/* Draw wordline k of a copy and bit-slice; 0 where a digit is no level, or a cell no 32-bit number. */
static int draw_row(const Draw *d, int64_t c, int64_t s, int64_t k) {
  const double unit = (double)(INT64_C(1) << d->fraction);
  const int64_t g = d->block[k], at = (s * d->K + k) * d->N;
  const int64_t *slot = d->slot + (c * d->G + g) * d->N;
  const int64_t *bitline = d->bitline + ((c * d->G + g) * d->S + s) * d->N;
  const double *half = d->Q ? d->reference + (c * d->K + k) * d->Q : d->reference;
  int32_t *out = d->out + c * d->S * d->K * d->N + at;
  int good = 1;
  for (int64_t n = 0; n < d->N; n++) {
    const int64_t digit = d->digits[at + n], u = digit < 0 ? -digit : digit;
    const uint64_t site = (uint64_t)slot[n] << 40 | (uint64_t)d->wordline[k] << 20 | (uint64_t)bitline[n];
    if (u >= d->L || (digit < 0 && !d->pairs)) return 0;
    double net;
    if (d->pairs) {
      net = conductance(d, digit > 0 ? u : 0, site) - conductance(d, digit < 0 ? u : 0, site + 1);
    } else {
      net = conductance(d, u, site) - half[d->Q ? d->column[n] : 0];
    }
    const double whole = (net * unit + WHOLE) - WHOLE;
    good &= whole > -2147483648.0 && whole < 2147483648.0;
    out[n] = good ? (int32_t)whole : 0;
  }
  return good;
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
  return 1;
}

PyObject *draw_cells(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  Views views = {.count = 0};
  Draw d = {0};
  int good, fit = 1;
  (void)self;
  if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &fields, &PyDict_Type, &arrays)) return NULL;
  good = read_draw(fields, arrays, &views, &d);
  if (good) {
    Py_BEGIN_ALLOW_THREADS
    for (int64_t c = 0; c < d.C && fit; c++)
      for (int64_t s = 0; s < d.S && fit; s++)
        for (int64_t k = 0; k < d.K && fit; k++) fit = draw_row(&d, c, s, k);
    Py_END_ALLOW_THREADS
  }
  release(&views);
  return good ? PyBool_FromLong(fit) : NULL;
}
