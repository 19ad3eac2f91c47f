/* The boundary to Python: arrays in, checked against each other, then kernels without the GIL.
 *
 * Stable ABI of CPython 3.11. Nothing here trusts the caller: a layer whose numbers, tables and
 * array lengths do not fit together raises ValueError.
 */
#include "boundary.h"
#include "fields.h"

static int read_neurons(PyObject *fields, PyObject *arrays, int64_t T, int64_t B, int64_t P,
                        int64_t N, Views *views, Neurons *n) {
#define F(name) if (!number(fields, #name, &n->name)) return 0;
  NEURON_FIELDS(F)
#undef F
  const char *problem = check_neurons(n, N);
  if (problem) return refuse(problem);
  const int64_t tables = product(3, n->per_position ? P : (int64_t)1, N, (int64_t)8);
  const int64_t thresholds = product(2, tables, n->levels);
  const int64_t state = product(4, B, P, N, (int64_t)4), current = n->has_current ? state : 0;
  const int64_t fast = n->fast ? product(2, (int64_t)20, N) : 0;
  const int64_t all = product(5, T, B, P, N, (int64_t)4);
#define A(name, type, size, written)                                                             \
  {                                                                                              \
    const int64_t spikes = given(arrays, "spikes") ? product(5, T, B, P, n->Nw, (int64_t)8) : 0; \
    const int64_t outputs = given(arrays, #name) ? all : 0;                                      \
    (void)spikes, (void)outputs;                                                                 \
    if (!array(arrays, #name, size, _Alignof(type), written, views, (void **)&n->name)) return 0; \
  }
  NEURON_ARRAYS(A)
#undef A
  if (n->i_out && !n->has_current) return refuse("i_out");
  n->level_step = (n->per_position ? P : (int64_t)1) * N;
  const int binary = n->levels == 1 && n->least_level == 0;
  if (n->fired && binary && !n->spikes) return refuse("spikes");
  if (n->fired && !binary && !n->levels_out) return refuse("levels_out");
  if (!binary && n->spikes) return refuse("spikes");
  return 1;
}

static int read_layer(PyObject *fields, PyObject *arrays, Views *views, Layer *l) {
#define F(name) if (!number(fields, #name, &l->name)) return 0;
  LAYER_FIELDS(F)
#undef F
  l->refplanes = l->NP + 3;
  l->counted = l->kind == BITS && l->folded ? l->width / 2 : l->width;
  const char *problem = check_sizes(l);
  if (problem) return refuse(problem);
  const int bits = l->kind == BITS;
  const int64_t stored = l->nibbles ? (l->S + 1) / 2 : l->S;
  const int64_t item = l->kind == SUMS8 ? 1 : l->kind == SUMS16 ? 2 : 4;
  const int64_t x = product(7, l->planes, l->T, l->B, l->H, l->W, l->Cw, (int64_t)8);
  const int64_t plane_weights = l->planes * 4, rowmap = l->PH * 4, colmap = l->PW * 4;
  const int64_t combos = l->ncombos * (int64_t)sizeof(Combo);
  const int64_t segments = l->nsegments * (int64_t)sizeof(Segment);
  const int64_t blocks = l->nblocks * (int64_t)sizeof(Block);
  const int64_t clusters = l->nclusters * (int64_t)sizeof(Cluster);
  const int64_t significances = l->S * 4, scales = product(3, l->nclusters, l->Ng, (int64_t)4);
  const int64_t start = product(3, l->refcopies, l->N, (int64_t)4);
  l->cells_step = bits ? product(5, l->nblocks, l->colblks, l->sets, l->rows + 1, l->width)
                       : product(5, l->nblocks, l->rows + 1, l->Npad, stored, item);
  l->refs_step = bits ? product(6, l->nblocks, l->colblks, 1 + l->parity, l->L, l->refplanes, l->width) : 0;
  const int64_t in_halves = l->quick || !l->wide, held = l->readout == SENSE ? l->L * (1 + l->steps) : l->quick ? 5 : 4;
  const int64_t read = bits ? 0 : product(3, l->nblocks, held, l->cols);
  l->tables_step = in_halves ? 0 : read;
  l->halves_step = in_halves && l->quick != EVEN ? read : 0;
  l->rests_step = bits || l->wide || l->noisy ? 0 : product(2, l->nblocks, l->Npad);
  const int lossless = !bits && l->exact >= l->rows; /* cells are never read */
  const int64_t weights = lossless ? 0 : product(2, l->cellcopies, l->cells_step), refs = product(2, l->refcopies, l->refs_step);
  const int64_t tables = product(3, l->refcopies, l->tables_step, (int64_t)4);
  const int64_t halves = !bits && l->quick == EVEN ? 5 * 32 * 2 : product(3, l->refcopies, l->halves_step, (int64_t)2);
  const int64_t rests = product(3, l->refcopies, l->rests_step, (int64_t)2);
  const int64_t rises = bits || l->readout == ADC ? 0 : l->L * 4;
  const int64_t whole = !bits && l->exact ? product(4, l->nblocks, l->rows + 1, l->Npad, (int64_t)2) : 0;
  const int64_t P = l->all_rows * l->all_columns;
  const int64_t numbers = l->noisy ? l->nblocks * 4 : 0, keys = l->noisy ? product(3, l->T, l->sampled ? P : l->B, (int64_t)8) : 0;
  const int64_t noise = !l->noisy || !l->wide ? 0 : l->readout == ADC ? NOISE_NUMBERS * 4 : l->reaches * 4;
  const int64_t y_out = l->has_neurons ? 0 : product(5, l->T, l->B, P, l->N, (int64_t)4);
  l->bands = (l->Ho + l->tile_rows - 1) / l->tile_rows;
  l->jobs = l->B * l->bands;
  const int traced = given(arrays, "heard");
  const int64_t driven = traced ? product(4, l->T, l->B, l->all_rows, (int64_t)8) : 0;
  const int64_t heard = traced ? product(3, l->jobs, l->nblocks, (int64_t)8) : 0;
#define A(name, type, size, written) \
  if (!array(arrays, #name, size, _Alignof(type), written, views, (void **)&l->name)) return 0;
  LAYER_ARRAYS(A)
#undef A
  l->ranges = malloc((size_t)l->ncombos * sizeof(Range));
  if (!l->ranges) { PyErr_NoMemory(); return 0; }
  problem = check_tables(l);
  if (problem) return refuse(problem);
  return !l->has_neurons || read_neurons(fields, arrays, l->T, l->B, P, l->N, views, &l->n);
}

int supported(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
    return 0;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
    return 1;
  return __builtin_cpu_supports("avx512vbmi2") ? 3 : 2;
#elif defined(__aarch64__)
  return 1; /* every such processor has NEON */
#else
  return 0;
#endif
}

static PyObject *run_layer(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  int level;
  long long first, last;
  Views views = {.count = 0};
  Layer layer = {0};
  Scratch scratch = {0};
  int good = 0;
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!O!LL", &level, &PyDict_Type, &fields, &PyDict_Type, &arrays, &first,
                        &last))
    return NULL;
  if (!usable(level) || !read_layer(fields, arrays, &views, &layer)) goto done;
  if (layer.kind == BITS && layer.width > vector_bytes(level)) { refuse("width"); goto done; }
  if (layer.kind != BITS && layer.at_once * 2 < vector_bytes(level)) { refuse("at_once"); goto done; }
  if (first < 0 || first > last || last > layer.jobs) { refuse("jobs"); goto done; }
  if (!scratch_make(&layer, &scratch)) { PyErr_NoMemory(); goto done; }
  Py_BEGIN_ALLOW_THREADS
  for (int64_t job = first; job < last; job++) PICK(run_job)(&layer, &scratch, job);
  Py_END_ALLOW_THREADS
  scratch_free(&scratch);
  good = 1;
done:
  free(layer.ranges);
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

static PyObject *run_neurons(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  int level, good = 0;
  int64_t T, B, P, N;
  Views views = {.count = 0};
  Neurons n = {0};
  int32_t *y;
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!O!", &level, &PyDict_Type, &fields, &PyDict_Type, &arrays))
    return NULL;
  if (!usable(level)) return NULL;
#define F(name) if (!number(fields, #name, &name)) return NULL;
  SUMS_FIELDS(F)
#undef F
  if (T < 1 || B < 1 || P < 1 || N < 1) { refuse("sizes"); return NULL; }
#define A(name, type, size, written) \
  array(arrays, #name, size, _Alignof(type), written, &views, (void **)&name)
  if (SUMS_ARRAYS(A) && read_neurons(fields, arrays, T, B, P, N, &views, &n)) {
#undef A
    uint8_t *fired = malloc((size_t)N + 64);
    if (fired) {
      Py_BEGIN_ALLOW_THREADS
      for (int64_t t = 0; t < T; t++)
        for (int64_t b = 0; b < B; b++) {
          const int32_t *in = y + (t * B + b) * P * N;
          PICK(run_neurons)(&n, in, N, t, b, 0, P, B, P, N, fired);
        }
      Py_END_ALLOW_THREADS
      good = 1;
    } else {
      PyErr_NoMemory();
    }
    free(fired);
  }
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

static int read_regions(PyObject *arrays, Views *views, Regions *g) {
  if (g->images < 1 || g->H < 1 || g->W < 1 || g->Cw < 1 || g->rows < 1 || g->columns < 1)
    return refuse("sizes");
  const int64_t words = product(5, g->images, g->H, g->W, g->Cw, (int64_t)8);
  const int64_t counts = product(4, g->rows, g->columns, g->Cw, (int64_t)512);
  if (!array(arrays, "x", words, 8, 0, views, (void **)&g->x)) return 0;
  if (!array(arrays, "rows", g->H, 1, 0, views, (void **)&g->row_class)) return 0;
  if (!array(arrays, "columns", g->W, 1, 0, views, (void **)&g->column_class)) return 0;
  if (!array(arrays, "out", counts, 8, 1, views, (void **)&g->out)) return 0;
  for (int64_t k = 0; k < g->H; k++) if (g->row_class[k] >= g->rows) return refuse("rows");
  for (int64_t k = 0; k < g->W; k++) if (g->column_class[k] >= g->columns) return refuse("columns");
  return 1;
}

/* count_regions(level, arrays, images, H, W, Cw, rows, columns): how often each channel is on in
 * each class of rows and columns, added to out int64 [rows][columns][Cw * 64]. */
static PyObject *count_regions(PyObject *self, PyObject *args) {
  PyObject *arrays;
  int level, good = 0;
  long long images, H, W, Cw, rows, columns;
  Views views = {.count = 0};
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!LLLLLL", &level, &PyDict_Type, &arrays, &images, &H, &W, &Cw, &rows,
                        &columns))
    return NULL;
  Regions g = {.images = images, .H = H, .W = W, .Cw = Cw, .rows = rows, .columns = columns};
  if (usable(level) && read_regions(arrays, &views, &g)) {
    uint64_t *nothing = calloc((size_t)(W * Cw), sizeof *nothing);
    const uint64_t **from = malloc((size_t)(images * H + 8) * sizeof *from);
    if (nothing && from) {
      g.nothing = nothing;
      Py_BEGIN_ALLOW_THREADS
      PICK(count_regions)(&g, from);
      Py_END_ALLOW_THREADS
      good = 1;
    } else {
      PyErr_NoMemory();
    }
    free(nothing);
    free(from);
  }
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

/* count_on(level, arrays, planes, images, words): bits that are on in any plane of x
 * [planes][images][words], into out int64 [images]. */
static PyObject *count_on(PyObject *self, PyObject *args) {
  PyObject *arrays;
  int level, good = 0;
  long long planes, images, words;
  Views views = {.count = 0};
  const uint64_t *x;
  int64_t *out;
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!LLL", &level, &PyDict_Type, &arrays, &planes, &images, &words))
    return NULL;
  if (planes < 1 || images < 1 || words < 1) { refuse("sizes"); return NULL; }
  const int64_t size = product(4, (int64_t)planes, (int64_t)images, (int64_t)words, (int64_t)8);
  if (usable(level) && array(arrays, "x", size, 8, 0, &views, (void **)&x) &&
      array(arrays, "out", product(2, (int64_t)images, (int64_t)8), 8, 1, &views, (void **)&out)) {
    Py_BEGIN_ALLOW_THREADS
    PICK(count_on)(x, planes, images, words, out);
    Py_END_ALLOW_THREADS
    good = 1;
  }
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

/* Read the sizes that packing and unpacking share, and both arrays: bits and int64 numbers. */
static int read_packed(PyObject *arrays, Packed *x, int to_bits, Views *views, int64_t **dense) {
  if (x->planes < 1 || x->planes > 64 || x->images < 1 || x->P < 1 || x->C < 1 || x->C > INT64_MAX - 63)
    return refuse("sizes");
  x->Cw = (x->C + 63) / 64;
  const int64_t size = product(5, x->planes, x->images, x->P, x->Cw, (int64_t)8);
  const int64_t numbers = product(4, x->images, x->C, x->P, (int64_t)8);
  return array(arrays, "bits", size, 8, to_bits, views, (void **)&x->words) &&
         array(arrays, "numbers", numbers, 8, !to_bits, views, (void **)dense);
}

/* unpack(level, arrays, planes, images, P, C, signed): numbers [images][C][P] from bits. */
static PyObject *unpack(PyObject *self, PyObject *args) {
  PyObject *arrays;
  int level, good;
  long long planes, images, P, C, is_signed;
  Views views = {.count = 0};
  int64_t *out;
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!LLLLL", &level, &PyDict_Type, &arrays, &planes, &images, &P, &C,
                        &is_signed))
    return NULL;
  Packed x = {.planes = planes, .images = images, .P = P, .C = C, .is_signed = is_signed};
  good = usable(level) && read_packed(arrays, &x, 0, &views, &out);
  if (good) {
    Py_BEGIN_ALLOW_THREADS
    PICK(unpack)(&x, out);
    Py_END_ALLOW_THREADS
  }
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

/* pack(level, arrays, planes, images, P, C, low, high): bits from numbers [images][C][P], and
 * whether all were in range. */
static PyObject *pack(PyObject *self, PyObject *args) {
  PyObject *arrays;
  int level, good, fit = 0;
  long long planes, images, P, C, low, high;
  Views views = {.count = 0};
  int64_t *from;
  (void)self;
  if (!PyArg_ParseTuple(args, "iO!LLLLLL", &level, &PyDict_Type, &arrays, &planes, &images, &P, &C,
                        &low, &high))
    return NULL;
  Packed x = {.planes = planes, .images = images, .P = P, .C = C};
  good = usable(level) && read_packed(arrays, &x, 1, &views, &from);
  if (good) {
    Py_BEGIN_ALLOW_THREADS
    fit = PICK(pack)(&x, from, (uint64_t *)x.words, low, high);
    Py_END_ALLOW_THREADS
  }
  release(&views);
  return good ? PyBool_FromLong(fit) : NULL;
}

static PyObject *level(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  return PyLong_FromLong(supported());
}

static PyMethodDef methods[] = {
    {"level", level, METH_NOARGS, "What this processor has; see boundary.h."},
    {"run_layer", run_layer, METH_VARARGS, "Run jobs of a crossbar layer."},
    {"run_neurons", run_neurons, METH_VARARGS, "Run a layer of integer neurons."},
    {"count_regions", count_regions, METH_VARARGS, "Count how often each channel is on."},
    {"count_on", count_on, METH_VARARGS, "Count what is not zero, by image."},
    {"pack", pack, METH_VARARGS, "Turn numbers into packed values."},
    {"unpack", unpack, METH_VARARGS, "Turn packed values into numbers."},
    {"lay_spikes", lay_spikes, METH_VARARGS, "Turn spikes into the bytes that training reads."},
    {"read_forward", read_forward, METH_VARARGS, "Read a layer's columns, for training."},
    {"read_backward", read_backward, METH_VARARGS, "Pass gradients through a layer's columns."},
    {"walk_forward", walk_forward, METH_VARARGS, "Run neurons in single precision."},
    {"walk_backward", walk_backward, METH_VARARGS, "Pass gradients through neurons."},
    {"pack_cells", pack_cells, METH_VARARGS, "Put a layer's cells into the kernels' layout."},
    {"pack_references", pack_references, METH_VARARGS, "Put thresholds into the kernels' layout."},
    {"draw_cells", draw_cells, METH_VARARGS, "Draw the cells of a layer of a die."},
    {"behind_wires", behind_wires, METH_VARARGS, "Find what crossbars carry behind their wires."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_core",
                                        "Native kernels; see csrc/layer.h.", -1, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void) {
  PyObject *module = PyModule_Create(&definition);
  if (!module || add_exports(module)) return module;
  Py_DECREF(module);
  return NULL;
}
