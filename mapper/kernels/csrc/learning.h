/* All kernels that training runs, for one instruction set: see vectors.h. */
#include "training.h"
#include "vectors.h"

#include "spikes.h"
#include "rows.h"
#include "read.h"
#include "learn.h"
#include "walk.h"
