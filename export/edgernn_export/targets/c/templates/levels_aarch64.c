#include <sys/auxv.h>

static int has_level(int place) {
    const unsigned long has = getauxval(AT_HWCAP);
    switch (place) {
$cases    default: return 1;
    }
}
