#include "models/vit_encoder.h"
