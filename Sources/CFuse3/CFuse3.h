#pragma once
// libfuse3's low-level API, as its pkg-config names it. API level 3.12 (FUSE_USE_VERSION 312) is what Debian 12 ships.
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
