#pragma once
// libseccomp, as its pkg-config names it.
#include <seccomp.h>
