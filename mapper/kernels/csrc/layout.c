/* Cells and references in the layouts that kernels read, from the order in which a graph has them. */
#include <string.h>

#include "boundary.h"
#include "layout.h"

/* The digits of a wordline, [N]: whole units of cells, or whether they are above 0. */
static void load_line(const Packing *p, int64_t at, int32_t *line) {
  const int shift = (int)p->shift;
  const int64_t N = p->N;
  if (p->item == 2) {
    const int16_t *from = (const int16_t *)p->cells + at;
    if (p->positive) for (int64_t n = 0; n < N; n++) line[n] = from[n] > 0;
    else for (int64_t n = 0; n < N; n++) line[n] = from[n] >> shift;
  } else {
    const int32_t *from = (const int32_t *)p->cells + at;
    if (p->positive) for (int64_t n = 0; n < N; n++) line[n] = from[n] > 0;
    else for (int64_t n = 0; n < N; n++) line[n] = from[n] >> shift;
  }
}

/* A few outputs of a slice as numbers of `octets` bytes; of nibbles the upper half joins the lower. */
static void put_numbers(const Packing *p, int64_t s, const int32_t *line, int64_t count, int64_t at) {
  if (p->nibbles) {
    uint8_t *to = p->out + at;
    const int up = s % 2 ? 4 : 0;
    for (int64_t n = 0; n < count; n++) to[n] |= (uint8_t)((uint32_t)line[n] << up);
  } else if (p->octets == 1) {
    int8_t *to = (int8_t *)p->out + at;
    for (int64_t n = 0; n < count; n++) to[n] = (int8_t)line[n];
  } else if (p->octets == 2) {
    int16_t *to = (int16_t *)p->out + at;
    for (int64_t n = 0; n < count; n++) to[n] = (int16_t)line[n];
  } else {
    memcpy((int32_t *)p->out + at, line, (size_t)count * 4);
  }
}

/* Slice s of wordline r of a block: out[block][Npad / at_once][rows + 1][stored][at_once]. */
static void put_sums(const Packing *p, int64_t block, int64_t s, int64_t r, const int32_t *line) {
  const int64_t outputs = p->N / p->groups, some = p->at_once, pieces = p->Npad / some;
  const int64_t stored = p->nibbles ? (p->S + 1) / 2 : p->S, slice = p->nibbles ? s / 2 : s;
  for (int64_t n = 0, piece = 0; n < outputs; n += some, piece++) {
    const int64_t at = ((block * pieces + piece) * (p->rows + 1) + r) * stored + slice;
    put_numbers(p, s, line + n, outputs - n < some ? outputs - n : some, at * some);
  }
}

/* Whether digits are on in a set: of positive, of negative ones, or a bit of them; 8 at most. */
static inline uint8_t bits_of(const Packing *p, int64_t set, const int32_t *line, int64_t count) {
  int on = 0;
  if (p->signed_digits) {
    const int32_t sign = set ? -1 : 1;
    for (int64_t j = 0; j < count; j++) on |= (line[j] == sign) << j;
  } else {
    for (int64_t j = 0; j < count; j++) on |= (line[j] >> set & 1) << j;
  }
  return (uint8_t)on;
}

/* The same as bits: out[block][colblks][sets][rows + 1][width]. */
static void put_bits(const Packing *p, int64_t block, int64_t s, int64_t r, const int32_t *line) {
  const int64_t outputs = p->N / p->groups, beside = p->folded ? 2 : 1, part = p->part;
  for (int64_t set = 0; set < p->sets * beside; set++)
    for (int64_t n = 0; n < outputs; n += 8) {
      const int64_t octet = (s * p->Npad + n) / 8, colblk = octet / part;
      const int64_t at = ((block * p->colblks + colblk) * p->sets + set / beside) * (p->rows + 1) + r;
      const int64_t left = outputs - n;
      const uint8_t on = left < 8 ? bits_of(p, set, line + n, left) : bits_of(p, set, line + n, 8);
      p->out[at * p->width + set % beside * part + octet % part] = on;
    }
}

static void pack_lines(const Packing *p, int32_t *line) {
  const int64_t outputs = p->N / p->groups;
  for (int64_t c = 0; c < p->C; c++)
    for (int64_t g = 0; g < p->G; g++)
      for (int64_t r = 0; r < p->spans[2 * g + 1]; r++)
        for (int64_t s = 0; s < p->S; s++) {
          load_line(p, ((c * p->S + s) * p->K + p->spans[2 * g] + r) * p->N, line);
          for (int64_t group = 0; group < p->groups; group++) {
            const int64_t block = (c * p->groups + group) * p->G + g;
            if (p->octets) put_sums(p, block, s, r, line + group * outputs);
            else put_bits(p, block, s, r, line + group * outputs);
          }
        }
}

static const int64_t MOST = 1 << 24;

static int within(int64_t value, int64_t low, int64_t high) { return low <= value && value <= high; }

/* Numbers of Packing, or what does not hold. */
static const char *check_packing(Packing *p) {
  if (!within(p->C, 1, MOST) || !within(p->S, 1, 32) || !within(p->K, 1, MOST)) return "sizes";
  if (!within(p->N, 1, MOST) || !within(p->groups, 1, p->N) || p->N % p->groups) return "groups";
  if (!within(p->G, 1, MOST) || !within(p->rows, 1, MOST)) return "blocks";
  if (p->Npad % 16 || !within(p->Npad, p->N / p->groups, MOST)) return "Npad";
  if ((p->item != 2 && p->item != 4) || !within(p->shift, 0, 31) || !within(p->positive, 0, 1)) return "item";
  if (!within(p->nibbles, 0, p->octets == 1) || !within(p->folded, 0, 1)) return "nibbles";
  if (p->octets) {
    if (p->octets != 1 && p->octets != 2 && p->octets != 4) return "octets";
    return within(p->at_once, 1, p->Npad) && p->Npad % p->at_once == 0 ? NULL : "at_once";
  }
  if ((p->width != 16 && p->width != 32 && p->width != 64) || !within(p->sets, 1, 32)) return "width";
  if (!within(p->signed_digits, 0, 1) || p->sets << p->folded > (p->signed_digits ? 2 : 32)) return "sets";
  p->part = p->width >> p->folded;
  p->colblks = (p->S * p->Npad + 8 * p->part - 1) / (8 * p->part);
  return NULL;
}

static int read_packing(PyObject *fields, PyObject *arrays, Views *views, Packing *p) {
#define F(name) if (!number(fields, #name, &p->name)) return 0;
  PACKING_FIELDS(F)
#undef F
  const char *problem = check_packing(p);
  if (problem) return refuse(problem);
  const int64_t cells = product(5, p->C, p->S, p->K, p->N, p->item), spans = p->G * 16;
  const int64_t stored = p->nibbles ? (p->S + 1) / 2 : p->S;
  const int64_t each = p->octets ? product(4, p->rows + 1, stored, p->Npad, p->octets)
                                 : product(4, p->colblks, p->sets, p->rows + 1, p->width);
  const int64_t out = product(4, p->C, p->groups, p->G, each);
#define A(name, type, size, written) \
  if (!array(arrays, #name, size, _Alignof(type), written, views, (void **)&p->name)) return 0;
  PACKING_ARRAYS(A)
#undef A
  if ((uintptr_t)p->cells % (uintptr_t)p->item || (uintptr_t)p->out % 4) return refuse("alignment");
  for (int64_t g = 0; g < p->G; g++)
    if (!within(p->spans[2 * g], 0, p->K) || !within(p->spans[2 * g + 1], 0, p->rows) ||
        p->spans[2 * g] + p->spans[2 * g + 1] > p->K)
      return refuse("spans");
  return 1;
}

/* pack_cells(fields, arrays): cells int16 or int32 [C][S][K][N], into zeros. */
PyObject *pack_cells(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  Views views = {.count = 0};
  Packing p = {0};
  int good;
  (void)self;
  if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &fields, &PyDict_Type, &arrays)) return NULL;
  good = read_packing(fields, arrays, &views, &p);
  int32_t *line = good ? malloc((size_t)p.N * 4) : NULL;
  if (line) {
    Py_BEGIN_ALLOW_THREADS
    pack_lines(&p, line);
    Py_END_ALLOW_THREADS
    free(line);
  } else if (good) {
    PyErr_NoMemory();
    good = 0;
  }
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}

/* What 8 columns at most are compared with: no sum is farther from 0, so a threshold that is may be
 * moved next to them. Those of halves are rounded up, and in the second of two ways down. */
static void near(const References *r, const int64_t *table, int64_t way, int64_t count, int64_t *found) {
  const int64_t low = r->signed_sums ? -r->greatest : 0, high = r->greatest + 1;
  for (int64_t j = 0; j < 8; j++) found[j] = high;
  for (int64_t j = 0; j < count; j++) {
    const int64_t t = r->halved ? (table[j] >> 1) + (table[j] & 1 & !way) : table[j];
    found[j] = t < low ? low : t > high ? high : t;
  }
}

/* One octet of columns in all planes, `width` bytes apart; bits past the last column stay 0. Of carried
 * ones, planes are those that t - 1 has not. */
static void put_planes(const References *r, const int64_t *t, int64_t count, uint8_t *to) {
  for (int64_t plane = 0; plane < r->planes; plane++) {
    int on = 0;
    for (int64_t j = 0; j < count; j++) on |= (int)((r->carried ? ~(t[j] - 1) : t[j]) >> plane & 1) << j;
    to[plane * r->width] = (uint8_t)on;
  }
  int first = 0, second = 0, always = 0;
  for (int64_t j = 0; j < count; j++) {
    first |= (r->carried ? t[j] <= 8 : t[j] < 0) << j;
    second |= (r->carried && t[j] <= 16) << j;
    always |= (t[j] <= 0) << j;
  }
  to[r->planes * r->width] = (uint8_t)first;
  to[(r->planes + 1) * r->width] = (uint8_t)second;
  to[(r->planes + 2) * r->width] = (uint8_t)always;
}

/* Table [blocks][L][columns], out[blocks][colblks][parity][L][planes + 3][width]. */
static void pack_tables(const References *r, int64_t part, int64_t colblks) {
  const int64_t planes = r->planes + 3;
  int64_t found[8];
  for (int64_t b = 0; b < r->blocks; b++)
    for (int64_t l = 0; l < r->L; l++)
      for (int64_t way = 0; way < r->parity; way++)
        for (int64_t n = 0; n < r->columns; n += 8) {
          const int64_t count = r->columns - n < 8 ? r->columns - n : 8, octet = n / 8;
          near(r, r->table + (b * r->L + l) * r->columns + n, way, count, found);
          const int64_t at = ((b * colblks + octet / part) * r->parity + way) * r->L + l;
          put_planes(r, found, count, r->out + at * planes * r->width + octet % part);
        }
}

static int read_references(PyObject *fields, PyObject *arrays, Views *views, References *r, int64_t *part,
                           int64_t *colblks) {
#define F(name) if (!number(fields, #name, &r->name)) return 0;
  REFERENCE_FIELDS(F)
#undef F
  if (!within(r->L, 1, MOST) || !within(r->blocks, 1, INT64_MAX) || !within(r->columns, 1, MOST)) return refuse("sizes");
  if ((r->width != 16 && r->width != 32 && r->width != 64) || !within(r->folded, 0, 1)) return refuse("width");
  if (!within(r->planes, 1, 32) || !within(r->parity, 1, 2) || !within(r->halved, 0, 1)) return refuse("planes");
  if (!within(r->carried, 0, !r->signed_sums)) return refuse("carried");
  if (!within(r->signed_sums, 0, 1) || !within(r->greatest, 0, INT32_MAX)) return refuse("greatest");
  *part = r->width >> r->folded;
  *colblks = (r->columns + 8 * *part - 1) / (8 * *part);
  const int64_t table = product(4, r->blocks, r->L, r->columns, (int64_t)8);
  const int64_t out = product(6, r->blocks, *colblks, r->parity, r->L, r->planes + 3, r->width);
#define A(name, type, size, written) \
  if (!array(arrays, #name, size, _Alignof(type), written, views, (void **)&r->name)) return 0;
  REFERENCE_ARRAYS(A)
#undef A
  return 1;
}

/* pack_references(fields, arrays): thresholds as bit planes, into zeros. */
PyObject *pack_references(PyObject *self, PyObject *args) {
  PyObject *fields, *arrays;
  Views views = {.count = 0};
  References r = {0};
  int64_t part, colblks;
  (void)self;
  if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &fields, &PyDict_Type, &arrays)) return NULL;
  const int good = read_references(fields, arrays, &views, &r, &part, &colblks);
  if (good) {
    Py_BEGIN_ALLOW_THREADS
    pack_tables(&r, part, colblks);
    Py_END_ALLOW_THREADS
  }
  release(&views);
  if (!good) return NULL;
  Py_RETURN_NONE;
}
