/* Vectors of one instruction set; VARIANT names it and LEVEL says what it has:
 * 0 plain vectors of 16 bytes, 1 AVX2 and FMA, 2 AVX-512 (F, BW, VL, DQ), 3 that and VBMI2.
 * With NEON, level 0 has the instructions of Arm for what the compiler does not find itself. */
#if LEVEL >= 2
#include <immintrin.h>
#define VECTOR 64
#elif LEVEL == 1
#include <immintrin.h>
#define VECTOR 32
#else
#define VECTOR 16
#if defined(NEON)
#include <arm_neon.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif
#endif
#define AI inline __attribute__((always_inline))
#define NAME3(a, b) a##_##b
#define NAME2(a, b) NAME3(a, b)
#define NAME(name) NAME2(name, VARIANT)

#define LANES32 (VECTOR / 4)
typedef int32_t lanes32 __attribute__((vector_size(VECTOR)));
typedef float float32 __attribute__((vector_size(VECTOR)));
static AI lanes32 NAME(load32)(const int32_t *p) { lanes32 v; memcpy(&v, p, sizeof v); return v; }
