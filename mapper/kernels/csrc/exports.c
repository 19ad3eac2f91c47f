/* What Python reads of the headers: their constants, and the names that descriptions must have. */
#include "boundary.h"
#include "draw.h"
#include "fields.h"
#include "layout.h"
#include "training.h"
#include "wires.h"

typedef struct { const char *name; long long number; } Constant;
typedef struct { const char *name; const Constant *members; } Group;
typedef struct { const char *name; const char *const *numbers, *const *arrays; } Described;

#define CONSTANT(name, ...) {#name, name},
#define GROUP(name, members) {name, (const Constant[]){members(CONSTANT){NULL, 0}}},
static const Group groups[] = {
    GROUP("kind", KINDS) GROUP("mode", MODES) GROUP("readout", READOUTS) GROUP("quick", QUICKS)
    GROUP("leak", LEAKS) GROUP("rounding", ROUNDINGS) GROUP("reset", RESETS) GROUP("phase", PHASES) GROUP("limit", LIMITS)
    {NULL, NULL}};

#define NAMED(name, ...) #name,
#define DESCRIBED(name, numbers, arrays) \
  {name, (const char *const[]){numbers(NAMED) NULL}, (const char *const[]){arrays(NAMED) NULL}},
static const Described described[] = {
    DESCRIBED("layer", LAYER_FIELDS, LAYER_ARRAYS) DESCRIBED("neurons", NEURON_FIELDS, NEURON_ARRAYS)
    DESCRIBED("sums", SUMS_FIELDS, SUMS_ARRAYS) DESCRIBED("read", READ_FIELDS, READ_ARRAYS)
    DESCRIBED("spikes", SPIKES_FIELDS, SPIKES_ARRAYS)
    DESCRIBED("walk", WALK_FIELDS, WALK_ARRAYS) DESCRIBED("draw", DRAW_FIELDS, DRAW_ARRAYS)
    DESCRIBED("wires", WIRES_FIELDS, WIRES_ARRAYS)
    DESCRIBED("packing", PACKING_FIELDS, PACKING_ARRAYS)
    DESCRIBED("references", REFERENCE_FIELDS, REFERENCE_ARRAYS)
    {NULL, NULL, NULL}};

/* Put a value into a dict, which takes a reference of its own, or fail with what made it NULL. */
static int put(PyObject *into, const char *name, PyObject *value) {
  const int good = value && PyDict_SetItemString(into, name, value) == 0;
  Py_XDECREF(value);
  return good;
}

static PyObject *names_of(const char *const *names) {
  PyObject *list = PyList_New(0), *made = NULL;
  int good = list != NULL;
  for (; good && *names; names++) {
    PyObject *name = PyUnicode_FromString(*names);
    good = name && PyList_Append(list, name) == 0;
    Py_XDECREF(name);
  }
  if (good) made = PyList_AsTuple(list);
  Py_XDECREF(list);
  return made;
}

static PyObject *members_of(const Constant *member) {
  PyObject *made = PyDict_New();
  int good = made != NULL;
  for (; good && member->name; member++)
    good = put(made, member->name, PyLong_FromLongLong(member->number));
  if (good) return made;
  Py_XDECREF(made);
  return NULL;
}

/* Add to a module what `fill` puts into a dict. */
static int add(PyObject *module, const char *name, int (*fill)(PyObject *)) {
  PyObject *made = PyDict_New();
  const int good = made && fill(made) && PyModule_AddObjectRef(module, name, made) == 0;
  Py_XDECREF(made);
  return good;
}

static int fill_constants(PyObject *into) {
  for (const Group *group = groups; group->name; group++)
    if (!put(into, group->name, members_of(group->members))) return 0;
  return 1;
}

static int fill_numbers(PyObject *into) {
  for (const Described *d = described; d->name; d++)
    if (!put(into, d->name, names_of(d->numbers))) return 0;
  return 1;
}

static int fill_arrays(PyObject *into) {
  for (const Described *d = described; d->name; d++)
    if (!put(into, d->name, names_of(d->arrays))) return 0;
  return 1;
}

static int fill_variants(PyObject *into) {
#define VARIANT(name, bytes) if (!put(into, #name, PyLong_FromLong(bytes))) return 0;
  VARIANTS(VARIANT)
#undef VARIANT
  return 1;
}

int add_exports(PyObject *module) {
  return PyModule_AddIntMacro(module, INTERFACE) == 0 && add(module, "VARIANTS", fill_variants) &&
         add(module, "CONSTANTS", fill_constants) && add(module, "NUMBERS", fill_numbers) &&
         add(module, "ARRAYS", fill_arrays);
}
