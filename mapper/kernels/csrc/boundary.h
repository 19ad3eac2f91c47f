/* What crosses from Python: numbers and arrays by name, each checked for its size.
 *
 * Stable ABI of CPython 3.11; included first, before any other header.
 */
#ifndef SPIKELOOM_BOUNDARY_H
#define SPIKELOOM_BOUNDARY_H
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "check.h"

enum { MOST_ARRAYS = 40 };

typedef struct { Py_buffer views[MOST_ARRAYS]; int count; } Views;

static inline void release(Views *views) {
  for (int k = 0; k < views->count; k++) PyBuffer_Release(&views->views[k]);
  views->count = 0;
}

static inline int refuse(const char *what) {
  PyErr_Format(PyExc_ValueError, "a native layer does not fit together: %s", what);
  return 0;
}

/* Look a name up; each place keeps its key, as making and hashing one takes as long as the rest. */
static inline PyObject *look_up(PyObject *dict, const char *name, PyObject **key) {
  if (!*key) *key = PyUnicode_InternFromString(name);
  return *key ? PyDict_GetItemWithError(dict, *key) : NULL;
}

/* Read a number from a dict. */
static inline int number_at(PyObject *fields, const char *name, PyObject **key, int64_t *out) {
  PyObject *value = look_up(fields, name, key);
  if (!value) return refuse(name);
  *out = PyLong_AsLongLong(value);
  return *out != -1 || !PyErr_Occurred();
}

/* Take an aligned C-contiguous array of exactly `bytes` bytes from a dict; None where that is 0. */
static inline int array_at(PyObject *arrays, const char *name, PyObject **key, int64_t bytes, size_t align,
                    int written, Views *views, void **out) {
  PyObject *value = look_up(arrays, name, key);
  *out = NULL;
  if (bytes == 0) return value == NULL || value == Py_None ? 1 : refuse(name);
  if (bytes < 0 || !value || value == Py_None || views->count == MOST_ARRAYS) return refuse(name);
  Py_buffer *view = &views->views[views->count];
  int flags = PyBUF_C_CONTIGUOUS | (written ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(value, view, flags) < 0) return 0;
  views->count++;
  if (view->len != bytes) return refuse(name);
  if ((uintptr_t)view->buf % align) return refuse(name);
  *out = view->buf;
  return 1;
}

static inline int given_at(PyObject *arrays, const char *name, PyObject **key) {
  PyObject *value = look_up(arrays, name, key);
  return value && value != Py_None;
}

#define number(fields, name, out) \
  ({ static PyObject *key_; number_at(fields, name, &key_, out); })
#define array(arrays, name, bytes, align, written, views, out) \
  ({ static PyObject *key_; array_at(arrays, name, &key_, bytes, align, written, views, out); })
#define given(arrays, name) ({ static PyObject *key_; given_at(arrays, name, &key_); })

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "kernels read bytes of words, the lowest first"
#endif

/* Variants of a kernel by level, which is their place in this list, with the bytes of their widest
 * vectors; and the variant for the `level` that stands where PICK is used. */
#if defined(__x86_64__)
#define VARIANTS(E) E(base, 16) E(avx2, 32) E(avx512, 64) E(vbmi2, 64)
#define PICK(kernel) \
  (level == 3 ? kernel##_vbmi2 : level == 2 ? kernel##_avx512 : level == 1 ? kernel##_avx2 : kernel##_base)
#elif defined(__aarch64__)
#define VARIANTS(E) E(base, 16) E(neon, 16)
#define PICK(kernel) (level == 1 ? kernel##_neon : kernel##_base)
#else
#define VARIANTS(E) E(base, 16)
#define PICK(kernel) kernel##_base
#endif

/* The highest level of this processor. */
int supported(void);

static inline int64_t vector_bytes(int level) {
#define BYTES(name, bytes) bytes,
  static const int64_t bytes_of[] = {VARIANTS(BYTES)};
#undef BYTES
  return bytes_of[level];
}

static inline int usable(int level) {
  return (level >= 0 && level <= supported()) || refuse("this processor lacks the instructions");
}

/* Add what Python reads of the headers: constants, and the names of numbers and arrays. */
int add_exports(PyObject *module);

PyObject *lay_spikes(PyObject *self, PyObject *args);
PyObject *read_forward(PyObject *self, PyObject *args);
PyObject *read_backward(PyObject *self, PyObject *args);
PyObject *walk_forward(PyObject *self, PyObject *args);
PyObject *walk_backward(PyObject *self, PyObject *args);
PyObject *pack_cells(PyObject *self, PyObject *args);
PyObject *pack_references(PyObject *self, PyObject *args);
PyObject *draw_cells(PyObject *self, PyObject *args);
PyObject *behind_wires(PyObject *self, PyObject *args);
#endif
