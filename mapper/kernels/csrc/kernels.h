/* All kernels that execute networks, for one instruction set: see vectors.h. */
#include "draw.h"
#include "layer.h"
#include "vectors.h"

#include "lists.h"

#define VB 16
#include "bits.h"
#if LEVEL >= 1
#define VB 32
#include "bits.h"
#endif
#if LEVEL == 1
#define VB 32
#define POSITIONS 2
#define SHAPE beside
#include "bits.h"
#endif
#if LEVEL >= 2
#define VB 64
#include "bits.h"
#endif

#include "noise.h"
#include "conduct.h"
#include "whole.h"

#include "quick.h"
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
