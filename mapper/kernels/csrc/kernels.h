/* All kernels for one instruction set; VARIANT names it and LEVEL says what it has:
 * 0 plain vectors of 16 bytes, 1 AVX2 and FMA, 2 AVX-512 (F, BW, VL, DQ), 3 that and VBMI2. */
#include "layer.h"

#if LEVEL >= 2
#include <immintrin.h>
#define VECTOR 64
#elif LEVEL == 1
#include <immintrin.h>
#define VECTOR 32
#else
#define VECTOR 16
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#endif
#define AI inline __attribute__((always_inline))
#define NAME3(a, b) a##_##b
#define NAME2(a, b) NAME3(a, b)
#define NAME(name) NAME2(name, VARIANT)

#include "lists.h"

#define VB 16
#include "bits.h"
#if LEVEL >= 1
#define VB 32
#include "bits.h"
#endif
#if LEVEL >= 2
#define VB 64
#include "bits.h"
#endif

#define LANES32 (VECTOR / 4)
typedef int32_t lanes32 __attribute__((vector_size(VECTOR)));
typedef float float32 __attribute__((vector_size(VECTOR)));
static AI lanes32 NAME(load32)(const int32_t *p) { lanes32 v; memcpy(&v, p, sizeof v); return v; }

#include "noise.h"

#if LEVEL > 0 || defined(__SSE2__)
#include "quick.h"
#define QUICK
#endif
#define NARROW
#define NIBBLES
#define SUMS bytes
#define CELL int8_t
#define NUM int16_t
#include "sums.h"
#undef NIBBLES
#define SUMS halves
#define CELL int16_t
#define NUM int16_t
#include "sums.h"
#undef QUICK
#undef NARROW
#define SUMS words
#define CELL int32_t
#define NUM int32_t
#include "sums.h"

#include "merge.h"
#include "expand.h"
#include "regions.h"
#include "dense.h"
#include "neurons.h"
#include "fire.h"
#include "job.h"
#include "training.h"
#include "read.h"
#include "walk.h"
