/* What training computes, for x86-64 processors with AVX-512 as the first servers had it. */
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq")
#define LEVEL 2
#define VARIANT avx512
#include "learning.h"
#else
typedef int spikeloom_no_learning_avx512;
#endif
