/* The boundary of what training computes: sizes and tables checked, then kernels without the GIL. */
#include "boundary.h"
#include "training.h"

enum { MOST = 1 << 24 };

static int within(int64_t value, int64_t low, int64_t high) { return low <= value && value <= high; }

#define NEED(test) do { if (!(test)) return #test; } while (0)

static const char *check_read_sizes(const Read *r) {
  NEED(within(r->A, 1, MOST) && within(r->V, 0, INT32_MAX) && within(r->G, 1, MOST));
  NEED(within(r->R, 1, INT16_MAX) && within(r->S, 1, 32) && within(r->L, 1, 1 << 12));
  NEED(within(r->n, 1, MOST) && within(r->np, r->n, MOST) && r->np % SLICE_LANES == 0);
  NEED(within(r->runs, 1, MOST) && within(r->length, 1, MOST) && r->K == r->runs * r->length);
  NEED(within(r->K, 1, INT32_MAX / 4) && r->K <= r->G * r->R && r->G * r->R <= INT32_MAX / 4);
  NEED(within(r->group_step, 1, MOST) && r->length % r->group_step == 0);
  NEED(within(r->pixels, 1, INT64_MAX / 8));
  NEED(within(r->span, 0, 1 << 16) && within(r->lowest, -INT16_MAX, 0));
  NEED(r->lowest + r->span <= INT16_MAX + 1);
  NEED(within(r->copies, 0, MOST) && within(r->positions, 1, INT32_MAX));
  NEED(within(r->places, 0, 1 << 16) && !(r->places & (r->places - 1)) && (!r->places || r->copies));
  return NULL;
}

/* Whether a number, zero or more, is a multiple; dividing 64 bits takes several times as long. */
static int multiple(int64_t value, int64_t step) {
  return value <= UINT32_MAX ? (uint32_t)value % (uint32_t)step == 0 : value % step == 0;
}

/* Windows of vectors first..last lie within the image, and what an ADC looks up within its table. */
static const char *check_read_tables(const Read *r, int64_t first, int64_t last) {
  int64_t start = 0, offset = 0;
  NEED(within(first, 0, last) && within(last, first, r->V));
  for (int64_t v = first; v < last; v++) {
    NEED(within(r->starts[v], 0, r->pixels) && multiple(r->starts[v], r->group_step));
    start = r->starts[v] > start ? r->starts[v] : start;
  }
  for (int64_t k = 0; k < r->runs; k++) {
    NEED(within(r->offsets[k], 0, r->pixels) && multiple(r->offsets[k], r->group_step));
    offset = r->offsets[k] > offset ? r->offsets[k] : offset;
  }
  NEED(start + offset + (r->A - 1) * r->group_step + r->length <= r->pixels);
  int64_t least = 0, most = 0;
  for (int64_t k = 0; k < r->A * r->G * r->R * r->W; k++) {
    least = r->cells[k] < least ? r->cells[k] : least;
    most = r->cells[k] > most ? r->cells[k] : most;
  }
  NEED(r->R * least >= INT16_MIN && r->R * most <= INT16_MAX);
  NEED(!r->span || (r->lowest <= r->R * least && r->R * most < r->lowest + r->span));
  for (int64_t p = 0; r->copies && p < r->positions; p++) NEED(within(r->copy_of[p], 0, r->copies - 1));
  return NULL;
}

#define TAKE(name, type, count, written)                                                          \
  if (!array(arrays, #name, product(2, (int64_t)(count), (int64_t)sizeof(type)), _Alignof(type),  \
             written, views, (void **)&r->name))                                                  \
    return 0;

static int read_fields(PyObject *fields, PyObject *arrays, int back, Views *views, Read *r) {
#define F(name) if (!number(fields, #name, &r->name)) return 0;
  READ_FIELDS(F)
#undef F
  const char *problem = check_read_sizes(r);
  if (problem) return refuse(problem);
  r->W = (r->S * r->np + 2 * SLICE_LANES - 1) / (2 * SLICE_LANES) * 2 * SLICE_LANES;
  const int64_t blocks = product(2, r->A, r->G), tall = product(3, blocks, r->R, r->W);
  const int64_t compared = product(3, blocks, r->L, r->W), outputs = product(3, r->V, r->A, r->n);
  const int64_t weights = product(3, blocks, r->R, r->np), decoded = !back || r->wants_scale;
  const int64_t shifted = product(3, r->copies, blocks, r->W);
  if (blocks < 0 || tall < 0 || compared < 0 || outputs < 0 || weights < 0 || shifted < 0)
    return refuse("sizes");
  READ_ARRAYS(TAKE)
  return 1;
}
#undef TAKE

static int64_t scratch_of(const Read *r) {
  const int64_t lists = product(2, (int64_t)(TILE * 4), r->K + COPIED + r->G + 1);
  const int64_t rows = product(3, (int64_t)(TILE * 4), r->G, r->R);
  const int64_t sums = product(2, (int64_t)(TILE * 4 + 6), r->W), lines = product(2, (int64_t)8, r->np);
  return lists < 0 || rows < 0 || sums < 0 || lines < 0 ? -1 : lists + rows + sums + lines + 8 * 64;
}

/* List the pixels that are 1 among those that vectors first..last see. */
static const char *list_pixels(Read *r, int64_t first, int64_t last) {
  int64_t low = r->pixels, high = 0, ahead = 0, found = 0;
  for (int64_t v = first; v < last; v++) {
    low = r->starts[v] < low ? r->starts[v] : low;
    high = r->starts[v] > high ? r->starts[v] : high;
  }
  for (int64_t k = 0; k < r->runs; k++) ahead = r->offsets[k] > ahead ? r->offsets[k] : ahead;
  high += ahead + (r->A - 1) * r->group_step + r->length;
  NEED(low < high && high - low <= INT32_MAX);
  r->origin = low;
  const uint8_t *x = r->x + low;
  const int64_t count = high - low, units = count / r->group_step;
  for (int64_t k = 0; k < count; k++) found += x[k] != 0;
  r->before = malloc((size_t)(units + 1) * 4);
  r->active = malloc((size_t)(found + COPIED) * 4);
  if (!r->before || !r->active) return "memory";
  int32_t *to = r->active;
  for (int64_t unit = 0; unit < units; unit++) {
    r->before[unit] = (int32_t)(to - r->active);
    for (int64_t k = unit * r->group_step; k < (unit + 1) * r->group_step; k++) {
      if (x[k] > 1) return "wordlines are driven by 0 and 1";
      *to = (int32_t)k;
      to += x[k];
    }
  }
  r->before[units] = (int32_t)(to - r->active);
  memset(to, 0, COPIED * 4);
  return NULL;
}

/* Make what kernels look up; the caller frees it. */
static const char *prepare(Read *r, int64_t first, int64_t last) {
  r->steep = malloc((size_t)(r->L * r->S) * 4);
  if (!r->steep) return "memory";
  for (int64_t l = 0; l < r->L && r->halves; l++)
    for (int64_t s = 0; s < r->S; s++) r->steep[l * r->S + s] = r->gaps[l] / (r->halves[s] * r->halves[s]);
  return list_pixels(r, first, last);
}

static PyObject *read_with(PyObject *args, int back) {
  PyObject *fields, *arrays;
  int level, good = 0;
  long long first, last;
  Views views = {.count = 0};
  Read r = {0};
  void *held = NULL;
  if (!PyArg_ParseTuple(args, "iO!O!LL", &level, &PyDict_Type, &fields, &PyDict_Type, &arrays, &first, &last))
    return NULL;
  if (!usable(level) || !read_fields(fields, arrays, back, &views, &r)) goto done;
  const char *problem = check_read_tables(&r, first, last);
  if (problem) { refuse(problem); goto done; }
  const int64_t bytes = scratch_of(&r);
  held = bytes < 0 ? NULL : malloc((size_t)bytes + 64);
  if (!held) { PyErr_NoMemory(); goto done; }
  void *scratch = (void *)(((uintptr_t)held + 63) / 64 * 64);
  Py_BEGIN_ALLOW_THREADS
  if (first < last) problem = prepare(&r, first, last);
  if (first < last && !problem) (back ? PICK(read_backward) : PICK(read_forward))(&r, first, last, scratch);
  Py_END_ALLOW_THREADS
  good = !problem || refuse(problem);
done:
  free(held);
  free(r.active);
  free(r.before);
  free(r.steep);
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

PyObject *read_forward(PyObject *self, PyObject *args) { (void)self; return read_with(args, 0); }
PyObject *read_backward(PyObject *self, PyObject *args) { (void)self; return read_with(args, 1); }

/* --- neurons ------------------------------------------------------------------------------- */

#define TAKE(name, type, count, written)                                                          \
  if (!array(arrays, #name, product(2, (int64_t)(count), (int64_t)sizeof(type)), _Alignof(type),  \
             written, views, (void **)&w->name))                                                  \
    return 0;

static int walk_fields(PyObject *fields, PyObject *arrays, int back, Views *views, Walk *w) {
#define F(name) if (!number(fields, #name, &w->name)) return 0;
  WALK_FIELDS(F)
#undef F
  if (!within(w->T, 1, MOST) || !within(w->N, 0, INT64_MAX / 8) ||
      !within(w->reset, NO_RESET, TO_VALUE))
    return refuse("sizes");
  const int64_t all = product(2, w->T, w->N);
  if (all < 0) return refuse("sizes");
  WALK_ARRAYS(TAKE)
  return 1;
}
#undef TAKE

static PyObject *walk_with(PyObject *args, int back) {
  PyObject *fields, *arrays;
  int level, good = 0;
  long long first, last;
  Views views = {.count = 0};
  Walk w = {0};
  if (!PyArg_ParseTuple(args, "iO!O!LL", &level, &PyDict_Type, &fields, &PyDict_Type, &arrays, &first, &last))
    return NULL;
  if (!usable(level) || !walk_fields(fields, arrays, back, &views, &w)) goto done;
  if (first < 0 || first > last || last > w.N) { refuse("neurons"); goto done; }
  Py_BEGIN_ALLOW_THREADS
  (back ? PICK(walk_backward) : PICK(walk_forward))(&w, first, last);
  Py_END_ALLOW_THREADS
  good = 1;
done:
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

PyObject *walk_forward(PyObject *self, PyObject *args) { (void)self; return walk_with(args, 0); }
PyObject *walk_backward(PyObject *self, PyObject *args) { (void)self; return walk_with(args, 1); }
