#include "i2c/core/driver.hpp"

PENUMBRA_I2C_DRIVER(hdc302x)
