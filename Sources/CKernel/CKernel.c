// What can't be in the header: Swift's Glibc module is built without _GNU_SOURCE, and an enumeration of sys/resource.h
// differs then.
#define _GNU_SOURCE 1
#include "include/CKernel.h"

#include <sys/resource.h>

long ck_involuntary_switches(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : -1;
}
