/* Currents behind the resistance of wires, as passes/dies/wires.py defines them: two ladders that feed
 * each other.
 *
 * Doubles are added and multiplied in the order of NumPy's definition, and never fused, so that both
 * give the same bits.
 */
#include "boundary.h"
#include "wires.h"

/* Of one crossbar: `current` and `risen` are [R, B], of which the caller gets what the last round left. */
typedef struct { const double *cells; double *wordline, *bitline, *current, *risen; } Crossbar;

/* What each cell of row r conducts, and what rows up to it bring onto the bitlines on average. */
static void drive_row(const Wires *w, const Crossbar *x, int64_t r) {
  const int64_t B = w->B;
  const double *restrict cells = x->cells + r * B, *restrict wordline = x->wordline + r * B;
  const double *restrict bitline = x->bitline + r * B, mean = w->mean[r];
  double *restrict current = x->current + r * B, *risen = x->risen + r * B;
  for (int64_t b = 0; b < B; b++) {
    const double left = wordline[b] - bitline[b];
    current[b] = cells[b] * (left > 0 ? left : 0);
  }
  if (r == 0) {
    for (int64_t b = 0; b < B; b++) risen[b] = mean * current[b];
  } else {
    const double *above = risen - B;
    for (int64_t b = 0; b < B; b++) risen[b] = above[b] + mean * current[b];
  }
}

/* What the wordline of row r has at each cell, as it carries the current of those behind. */
static void supply_row(const Wires *w, const Crossbar *x, int64_t r, double *behind) {
  const double *current = x->current + r * w->B, segment = w->segment[0];
  double *wordline = x->wordline + r * w->B, sum = 0, lost = 0;
  for (int64_t b = w->B - 1; b >= 0; b--) behind[b] = sum = b == w->B - 1 ? current[b] : sum + current[b];
  for (int64_t b = 0; b < w->B; b++) {
    lost = b == 0 ? behind[b] : lost + behind[b];
    wordline[b] = 0.5 * (wordline[b] + 1.0 - segment * lost);
  }
}

/* What the bitlines have at row r: from the other rows' mean currents, and its own cell's. */
static void raise_row(const Wires *w, const Crossbar *x, int64_t r) {
  const int64_t B = w->B;
  const double *restrict current = x->current + r * B;
  const double mean = w->mean[r], segment = w->segment[0], segments = (double)(w->R - r);
  double *restrict bitline = x->bitline + r * B;
  double *risen = x->risen + r * B;
  const double *below = r == w->R - 1 ? NULL : risen + B;
  for (int64_t b = 0; below && b < B; b++) risen[b] = below[b] + risen[b];
  for (int64_t b = 0; b < B; b++) {
    const double own = segments * current[b], others = segment * (risen[b] - mean * own);
    bitline[b] = 0.5 * (bitline[b] + others + segment * own);
  }
}

/* Say what others take, and what cells carry, at where the ladders rest. */
static void finish(const Wires *w, const Crossbar *x) {
  const double segment = w->segment[0];
  for (int64_t r = 0; r < w->R; r++) {
    const double segments = (double)(w->R - r), mean = w->mean[r];
    for (int64_t b = 0; b < w->B; b++) {
      const int64_t at = r * w->B + b;
      x->risen[at] = segment * (x->risen[at] - mean * (segments * x->current[at]));
      x->current[at] = x->cells[at] * (x->wordline[at] - x->bitline[at]);
    }
  }
}

static void solve(const Wires *w, int64_t c) {
  const int64_t one = w->R * w->B, at = c * one;
  const Crossbar x = {w->cells + at, w->wordline, w->bitline, w->carried + at, w->others + at};
  for (int64_t k = 0; k < one; k++) x.wordline[k] = 1, x.bitline[k] = 0;
  for (int64_t round = 0; round < w->rounds; round++) {
    for (int64_t r = 0; r < w->R; r++) {
      drive_row(w, &x, r);
      if (w->supplied) supply_row(w, &x, r, w->behind);
    }
    for (int64_t r = w->R - 1; r >= 0; r--) raise_row(w, &x, r);
  }
  finish(w, &x);
}

static int read_wires(PyObject *fields, PyObject *arrays, Views *views, Wires *w) {
#define F(name) if (!number(fields, #name, &w->name)) return 0;
  WIRES_FIELDS(F)
#undef F
  if (w->C < 1 || w->R < 1 || w->B < 1 || w->R > INT64_MAX / 8 || w->B > INT64_MAX / 8) return refuse("sizes");
  if (w->rounds < 1 || w->rounds > 1000) return refuse("rounds");
  const int64_t one = product(3, w->R, w->B, (int64_t)8), all = product(2, w->C, one);
#define A(name, type, size, written) \
  if (!array(arrays, #name, size, _Alignof(type), written, views, (void **)&w->name)) return 0;
  WIRES_ARRAYS(A)
#undef A
  return 1;
}

PyObject *behind_wires(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  Views views = {.count = 0};
  Wires w = {0};
  int good;
  (void)self;
  if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &fields, &PyDict_Type, &arrays)) return NULL;
  good = read_wires(fields, arrays, &views, &w);
  if (good) {
    Py_BEGIN_ALLOW_THREADS
    for (int64_t c = 0; c < w.C; c++) solve(&w, c);
    Py_END_ALLOW_THREADS
  }
  release(&views);
  return good ? PyBool_FromLong(1) : NULL;
}
