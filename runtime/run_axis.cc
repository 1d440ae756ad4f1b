#include "runtime/run_axis.h"
