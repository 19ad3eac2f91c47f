/* The boundary of what training computes: sizes and tables checked, then kernels without the GIL. */
#include "boundary.h"
#include "training.h"

enum { MOST = 1 << 24 };

/* A kernel's variant for the `level` that stands where this is used: none needs VBMI2. */
#if defined(__x86_64__)
#define PICK_LEARNING(kernel) (level >= 2 ? kernel##_avx512 : level == 1 ? kernel##_avx2 : kernel##_base)
#elif defined(__aarch64__)
#define PICK_LEARNING(kernel) PICK(kernel)
#else
#define PICK_LEARNING(kernel) kernel##_base
#endif

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
  NEED(within(r->affine, 0, 1));
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
  const int64_t tall = r->A * r->G * r->R * r->W;
  for (int64_t k = tall; k < tall + SPARE_ROWS * r->W; k++) NEED(r->cells[k] == 0);
  for (int64_t k = 0; k < tall; k++) {
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
  r->W = (r->S + (r->S * r->np % (2 * SLICE_LANES) != 0)) * r->np;
  const int64_t blocks = product(2, r->A, r->G), tall = product(3, blocks, r->R, r->W);
  const int64_t compared = product(3, blocks, r->L, r->W), outputs = product(3, r->V, r->A, r->n);
  const int64_t weights = product(3, blocks, r->R, r->np), decoded = !back || r->wants_scale;
  const int64_t shifted = product(3, r->copies, blocks, r->W);
  const int64_t numbers = product(2, r->A, r->n), pairs = product(3, (int64_t)2, r->A, r->np);
  if (blocks < 0 || tall < 0 || compared < 0 || outputs < 0 || weights < 0 || shifted < 0)
    return refuse("sizes");
  if (weights > INT32_MAX - SPARE_ROWS * r->np || tall > INT64_MAX / 4) return refuse("weights");
  r->listed = r->K + SPARE_ROWS * (r->G + 1) + COPIED;
  READ_ARRAYS(TAKE)
  return 1;
}
#undef TAKE

static int64_t scratch_of(const Read *r) {
  const int64_t lists = product(2, (int64_t)(TILE * 4), r->listed + 2 * r->G);
  const int64_t rows = product(3, (int64_t)(TILE * 4), r->G, r->R);
  const int64_t sums = product(2, (int64_t)(TILE * 10), r->W);
  const int64_t lines = product(2, (int64_t)(TILE * 8 + 4), r->np), each = TILE * (4 + (int64_t)sizeof(float *));
  return lists < 0 || rows < 0 || sums < 0 || lines < 0 ? -1 : lists + rows + sums + lines + each + 10 * 64;
}

/* Places of the bits of a byte: of each that is 1, in order, and how many there are. */
typedef struct { int32_t place[256][8]; uint8_t count[256]; } Places;

static void list_places(Places *p, int32_t step) {
  memset(p, 0, sizeof *p);
  for (int bits = 0; bits < 256; bits++)
    for (int k = 0; k < 8; k++)
      if (bits >> k & 1) p->place[bits][p->count[bits]++] = k * step;
}

/* Write `step` times each of eight pixels that is 1, from pixel `k` on; return what follows them. */
static inline int32_t *list_eight(const Places *p, uint64_t pixels, int64_t k, int32_t step, int32_t *to) {
  const uint8_t bits = (uint8_t)(pixels * UINT64_C(0x0102040810204080) >> 56);
  const uint32_t base = (uint32_t)k * (uint32_t)step;
  for (int i = 0; i < 8; i++) to[i] = (int32_t)(base + (uint32_t)p->place[bits][i]);
  return to + p->count[bits];
}

static const char *count_units(Read *r, const uint8_t *x, int64_t units) {
  const int64_t unit = r->unit, step = r->np;
  Places places;
  list_places(&places, (int32_t)step);
  int32_t *to = r->active;
  for (int64_t u = 0; u < units; u++) {
    r->before[u] = (int32_t)(to - r->active);
    int64_t k = u * unit;
    const int64_t end = k + unit;
    for (; k + 8 <= end; k += 8) {
      uint64_t eight;
      memcpy(&eight, x + k, 8);
      if (eight & ~UINT64_C(0x0101010101010101)) return "wordlines are driven by 0 and 1";
      to = list_eight(&places, eight, k, (int32_t)step, to);
    }
    for (; k < end; k++) {
      if (x[k] > 1) return "wordlines are driven by 0 and 1";
      *to = (int32_t)((uint32_t)k * (uint32_t)step);
      to += x[k];
    }
  }
  r->before[units] = (int32_t)(to - r->active);
  memset(to, 0, COPIED * 4);
  return NULL;
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
  const int64_t count = high - low, units = count / r->unit;
  for (int64_t k = 0; k < count; k++) found += x[k] != 0;
  r->before = malloc((size_t)(units + 1) * 4);
  r->active = malloc((size_t)(found + COPIED) * 4);
  if (!r->before || !r->active) return "memory";
  return count_units(r, x, units);
}

static int64_t common(int64_t a, int64_t b) { return b ? common(b, a % b) : a; }

/* Cut the runs of wordlines where row blocks end. */
static const char *cut_runs(Read *r) {
  r->stretches = malloc((size_t)(r->runs + r->G) * sizeof(Stretch));
  r->cuts = malloc((size_t)(r->G + 1) * 4);
  r->spare = malloc((size_t)(r->A * SPARE_ROWS) * 4);
  if (!r->stretches || !r->cuts || !r->spare) return "memory";
  for (int64_t a = 0; a < r->A; a++)
    for (int64_t q = 0; q < SPARE_ROWS; q++)
      r->spare[a * SPARE_ROWS + q] = (int32_t)(((r->A - a) * r->G * r->R + q) * r->np);
  int64_t row = 0, found = 0;
  for (int64_t g = 0; g < r->G; g++) {
    const int64_t end = (g + 1) * r->R < r->K ? (g + 1) * r->R : r->K;
    r->cuts[g] = (int32_t)found;
    while (row < end) {
      const int64_t run = row / r->length, after = (run + 1) * r->length < end ? (run + 1) * r->length : end;
      const int64_t at = r->offsets[run] + row - run * r->length;
      r->stretches[found++] = (Stretch){(int32_t)(at / r->unit), (int32_t)((after - row) / r->unit),
                                        (uint32_t)(row - at) * (uint32_t)r->np};
      row = after;
    }
  }
  r->cuts[r->G] = (int32_t)found;
  return NULL;
}

/* Make what kernels look up; the caller frees it. */
static const char *prepare(Read *r, int64_t first, int64_t last) {
  r->unit = common(r->group_step, r->R);
  r->steep = malloc((size_t)(r->L * r->S) * 4);
  if (!r->steep) return "memory";
  for (int64_t l = 0; l < r->L && r->halves; l++)
    for (int64_t s = 0; s < r->S; s++) r->steep[l * r->S + s] = r->gaps[l] / (r->halves[s] * r->halves[s]);
  const char *problem = cut_runs(r);
  return problem ? problem : list_pixels(r, first, last);
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
  if (first < last && !problem) (back ? PICK_LEARNING(read_backward) : PICK_LEARNING(read_forward))(&r, first, last, scratch);
  Py_END_ALLOW_THREADS
  good = !problem || refuse(problem);
done:
  free(held);
  free(r.active);
  free(r.before);
  free(r.steep);
  free(r.stretches);
  free(r.cuts);
  free(r.spare);
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

PyObject *read_forward(PyObject *self, PyObject *args) { (void)self; return read_with(args, 0); }
PyObject *read_backward(PyObject *self, PyObject *args) { (void)self; return read_with(args, 1); }

/* --- spikes -------------------------------------------------------------------------------- */

static const char *check_spikes(const Spikes *s) {
  NEED(within(s->B, 1, INT32_MAX) && within(s->C, 1, MOST) && within(s->H, 1, MOST) && within(s->W, 1, MOST));
  NEED(within(s->last, 0, 1) && within(s->fy, 1, MOST) && within(s->fx, 1, MOST));
  NEED(within(s->tall, 1, MOST) && within(s->wide, 1, MOST));
  NEED(within(s->top, -MOST, MOST) && within(s->left, -MOST, MOST));
  return NULL;
}

#define TAKE(name, type, count, written)                                                          \
  if (!array(arrays, #name, product(2, (int64_t)(count), (int64_t)sizeof(type)), _Alignof(type),  \
             written, views, (void **)&s->name))                                                  \
    return 0;

static int spikes_fields(PyObject *fields, PyObject *arrays, Views *views, Spikes *s) {
#define F(name) if (!number(fields, #name, &s->name)) return 0;
  SPIKES_FIELDS(F)
#undef F
  const char *problem = check_spikes(s);
  if (problem) return refuse(problem);
  SPIKES_ARRAYS(TAKE)
  return 1;
}
#undef TAKE

PyObject *lay_spikes(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  int level, good = 0, spikes = 0;
  Views views = {.count = 0};
  Spikes s = {0};
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!O!", &level, &PyDict_Type, &fields, &PyDict_Type, &arrays)) return NULL;
  if (!usable(level) || !spikes_fields(fields, arrays, &views, &s)) goto done;
  Py_BEGIN_ALLOW_THREADS
  spikes = PICK_LEARNING(lay_spikes)(&s);
  Py_END_ALLOW_THREADS
  good = 1;
done:
  release(&views);
  return good ? PyBool_FromLong(spikes) : NULL;
}

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
  (back ? PICK_LEARNING(walk_backward) : PICK_LEARNING(walk_forward))(&w, first, last);
  Py_END_ALLOW_THREADS
  good = 1;
done:
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

PyObject *walk_forward(PyObject *self, PyObject *args) { (void)self; return walk_with(args, 0); }
PyObject *walk_backward(PyObject *self, PyObject *args) { (void)self; return walk_with(args, 1); }
