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
  if (n->fired && !n->spikes) return refuse("spikes");
  return 1;
}

static int read_layer(PyObject *fields, PyObject *arrays, Views *views, Layer *l) {
#define F(name) if (!number(fields, #name, &l->name)) return 0;
  LAYER_FIELDS(F)
#undef F
  l->refplanes = l->NP + 3;
  const char *problem = check_sizes(l);
  if (problem) return refuse(problem);
  const int bits = l->kind == BITS;
  const int64_t item = l->kind == SUMS8 ? 1 : l->kind == SUMS16 ? 2 : 4;
  const int64_t x = product(7, l->planes, l->T, l->B, l->H, l->W, l->Cw, (int64_t)8);
  const int64_t rowmap = l->PH * 4, colmap = l->PW * 4;
  const int64_t combos = l->ncombos * (int64_t)sizeof(Combo);
  const int64_t segments = l->nsegments * (int64_t)sizeof(Segment);
  const int64_t blocks = l->nblocks * (int64_t)sizeof(Block);
  const int64_t clusters = l->nclusters * (int64_t)sizeof(Cluster);
  const int64_t significances = l->S * 4, scales = product(3, l->nclusters, l->Ng, (int64_t)4);
  const int64_t start = l->N * 4;
  const int64_t weights = bits ? product(5, l->nblocks, l->colblks, l->sets, l->rows + 1, l->width)
                               : product(4, l->nblocks, l->rows + 1, l->cols, item);
  const int64_t refs = bits ? product(5, l->nblocks, l->colblks, l->L, l->refplanes, l->width) : 0;
  const int64_t held = l->readout == SENSE ? l->L : 3;
  const int64_t tables = bits ? 0 : product(4, l->nblocks, held, l->cols, (int64_t)4);
  const int64_t rises = bits || l->readout == ADC ? 0 : l->L * 4;
  const int64_t P = l->all_rows * l->all_columns;
  const int64_t y_out = l->has_neurons ? 0 : product(5, l->T, l->B, P, l->N, (int64_t)4);
#define A(name, type, size, written) \
  if (!array(arrays, #name, size, _Alignof(type), written, views, (void **)&l->name)) return 0;
  LAYER_ARRAYS(A)
#undef A
  l->bands = (l->Ho + l->tile_rows - 1) / l->tile_rows;
  l->jobs = l->B * l->bands;
  l->ranges = malloc((size_t)l->ncombos * sizeof(Range));
  if (!l->ranges) { PyErr_NoMemory(); return 0; }
  problem = check_tables(l);
  if (problem) return refuse(problem);
  return !l->has_neurons || read_neurons(fields, arrays, l->T, l->B, P, l->N, views, &l->n);
}

int supported(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) return 0;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512vbmi2")
             ? 2
             : 1;
#else
  return 0;
#endif
}

static void run_jobs(const Layer *l, Scratch *s, int level, int64_t first, int64_t last) {
  for (int64_t job = first; job < last; job++) {
#if defined(__x86_64__)
    if (level == 2) { run_job_avx512(l, s, job); continue; }
    if (level == 1) { run_job_avx2(l, s, job); continue; }
#endif
    (void)level;
    run_job_base(l, s, job);
  }
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
  if (layer.kind == BITS && layer.width > (16 << level)) { refuse("width"); goto done; }
  if (first < 0 || first > last || last > layer.jobs) { refuse("jobs"); goto done; }
  if (!scratch_make(&layer, &scratch)) { PyErr_NoMemory(); goto done; }
  Py_BEGIN_ALLOW_THREADS
  run_jobs(&layer, &scratch, level, first, last);
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
  if (!usable(level) || !number(fields, "T", &T) || !number(fields, "B", &B) ||
      !number(fields, "P", &P) || !number(fields, "N", &N))
    return NULL;
  if (T < 1 || B < 1 || P < 1 || N < 1) { refuse("sizes"); return NULL; }
  if (array(arrays, "y", product(5, T, B, P, N, (int64_t)4), 4, 0, &views, (void **)&y) &&
      read_neurons(fields, arrays, T, B, P, N, &views, &n)) {
    uint8_t *fired = malloc((size_t)N + 64);
    if (fired) {
      Py_BEGIN_ALLOW_THREADS
      for (int64_t t = 0; t < T; t++)
        for (int64_t b = 0; b < B; b++) {
          const int32_t *in = y + (t * B + b) * P * N;
#if defined(__x86_64__)
          if (level == 2) run_neurons_avx512(&n, in, N, t, b, 0, P, B, P, N, fired);
          else if (level == 1) run_neurons_avx2(&n, in, N, t, b, 0, P, B, P, N, fired);
          else
#endif
          run_neurons_base(&n, in, N, t, b, 0, P, B, P, N, fired);
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

enum { COUNT_PLANES = 32, MOST_COUNTERS = 1 << 20 };

/* Add the bits of a run of pixels to vertical counters: plane p holds bit p of 64 counts. */
static void count_bits(const uint64_t *x, int64_t count, int64_t step, uint64_t *planes) {
  int64_t k = 0;
  for (; k + 3 <= count; k += 3) {
    uint64_t a = x[k * step], b = x[(k + 1) * step], c = x[(k + 2) * step], t = a ^ b;
    uint64_t carry = (a & b) | (t & c), sum = t ^ c, old = planes[0];
    planes[0] = old ^ sum;
    uint64_t more = old & sum;
    old = planes[1];
    planes[1] = old ^ carry ^ more;
    carry = (old & carry) | (more & (old ^ carry));
    for (int p = 2; carry; p++) { old = planes[p]; planes[p] = old ^ carry; carry &= old; }
  }
  for (; k < count; k++) {
    uint64_t carry = x[k * step];
    for (int p = 0; carry; p++) { uint64_t old = planes[p]; planes[p] = old ^ carry; carry &= old; }
  }
}

/* Add counters to numbers and clear them. */
static void take_counts(uint64_t *planes, int32_t *counts) {
  for (int p = 0; p < COUNT_PLANES; p++) {
    if (planes[p])
      for (int i = 0; i < 64; i++) counts[i] += (int32_t)((planes[p] >> i & 1) << p);
    planes[p] = 0;
  }
}

/* Count one image. With counters for every region they are read once, otherwise after each run. */
static void count_image(const uint64_t *x, int64_t H, int64_t W, int64_t Cw, const uint8_t *row_class,
                        const uint8_t *column_class, int64_t columns, int64_t regions,
                        uint64_t *counters, int32_t *out) {
  uint64_t own[COUNT_PLANES] = {0};
  for (int64_t y = 0; y < H; y++)
    for (int64_t at = 0, end; at < W; at = end) {
      for (end = at + 1; end < W && column_class[end] == column_class[at]; end++) continue;
      const int64_t to = (row_class[y] * columns + column_class[at]) * Cw;
      for (int64_t w = 0; w < Cw; w++) {
        uint64_t *planes = counters ? counters + (to + w) * COUNT_PLANES : own;
        count_bits(x + (y * W + at) * Cw + w, end - at, Cw, planes);
        if (!counters) take_counts(own, out + (to + w) * 64);
      }
    }
  for (int64_t k = 0; counters && k < regions * Cw; k++)
    take_counts(counters + k * COUNT_PLANES, out + k * 64);
}

/* count_regions(x, images, H, W, Cw, row_classes, column_classes, rows, columns, out):
 * how often each channel is on in each class of rows and columns of each image,
 * out int32 [images][rows][columns][Cw * 64]. Columns of a class are given as a sorted list. */
static PyObject *count_regions(PyObject *self, PyObject *args) {
  PyObject *arrays;
  long long images, H, W, Cw, rows, columns;
  Views views = {.count = 0};
  const uint64_t *x;
  const uint8_t *row_class, *column_class;
  int32_t *out;
  uint64_t *counters = NULL;
  int good = 0;
  (void)self;
  if (!PyArg_ParseTuple(args, "O!LLLLLL", &PyDict_Type, &arrays, &images, &H, &W, &Cw, &rows, &columns))
    return NULL;
  if (images < 1 || H < 1 || W < 1 || Cw < 1 || rows < 1 || columns < 1 || H > INT32_MAX / W) {
    refuse("sizes");
    return NULL;
  }
  const int64_t words = product(5, (int64_t)images, (int64_t)H, (int64_t)W, (int64_t)Cw, (int64_t)8);
  const int64_t counts = product(6, (int64_t)images, (int64_t)rows, (int64_t)columns, (int64_t)Cw,
                                 (int64_t)64, (int64_t)4);
  if (!array(arrays, "x", words, 8, 0, &views, (void **)&x)) goto done;
  if (!array(arrays, "rows", H, 1, 0, &views, (void **)&row_class)) goto done;
  if (!array(arrays, "columns", W, 1, 0, &views, (void **)&column_class)) goto done;
  if (!array(arrays, "out", counts, 4, 1, &views, (void **)&out)) goto done;
  for (long long k = 0; k < H; k++) if (row_class[k] >= rows) { refuse("rows"); goto done; }
  for (long long k = 0; k < W; k++) if (column_class[k] >= columns) { refuse("columns"); goto done; }
  if (rows * columns * Cw <= MOST_COUNTERS / COUNT_PLANES)
    counters = calloc((size_t)(rows * columns * Cw), COUNT_PLANES * sizeof(uint64_t));
  Py_BEGIN_ALLOW_THREADS
  for (int64_t n = 0; n < images; n++)
    count_image(x + n * H * W * Cw, H, W, Cw, row_class, column_class, columns, rows * columns, counters,
                out + n * rows * columns * Cw * 64);
  Py_END_ALLOW_THREADS
  good = 1;
done:
  free(counters);
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

static PyObject *level(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  return PyLong_FromLong(supported());
}

static PyMethodDef methods[] = {
    {"level", level, METH_NOARGS, "What this processor has: 0 nothing special, 1 AVX2, 2 AVX-512."},
    {"run_layer", run_layer, METH_VARARGS, "Run jobs of a crossbar layer."},
    {"run_neurons", run_neurons, METH_VARARGS, "Run a layer of integer neurons."},
    {"count_regions", count_regions, METH_VARARGS, "Count how often each channel is on."},
    {"read_forward", read_forward, METH_VARARGS, "Read a layer's columns, for training."},
    {"read_backward", read_backward, METH_VARARGS, "Pass gradients through a layer's columns."},
    {"walk_forward", walk_forward, METH_VARARGS, "Run neurons in single precision."},
    {"walk_backward", walk_backward, METH_VARARGS, "Pass gradients through neurons."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_core",
                                        "Native kernels; see csrc/layer.h.", -1, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&definition); }
