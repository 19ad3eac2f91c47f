/* The kernels for x86-64 processors with AVX-512 that compresses bytes. */
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2")
#define LEVEL 3
#define VARIANT vbmi2
#include "kernels.h"
#else
typedef int spikeloom_no_vbmi2;
#endif
