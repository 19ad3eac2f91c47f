/* What training computes, for x86-64 processors with AVX2. */
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,bmi,bmi2,lzcnt,popcnt")
#define LEVEL 1
#define VARIANT avx2
#include "learning.h"
#else
typedef int spikeloom_no_learning_avx2;
#endif
