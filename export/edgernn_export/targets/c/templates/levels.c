/* One step compiled for several levels of processors, which have the same weights: the functions of the best level that
 * this processor has are chosen when the library is loaded, and called by a pointer. */
#include <stddef.h>
#include <stdint.h>
$detection
$types
$prototypes
typedef struct {
$fields} level;

static const level levels[] = {
$levels};

static const level *chosen = levels + $last;

/* Chooses a level by its place in the manifest. Returns 0; or 1 where the processor lacks it, and then nothing changes.
 * A state goes on from one level to the other. */
int ${prefix}_choose(int place) {
    if (place < 0 || place > $last || !has_level(place)) return 1;
    chosen = levels + place;
    return 0;
}

int ${prefix}_chosen(void) { return (int)(chosen - levels); }

__attribute__((constructor)) static void choose_best(void) {
    for (int place = 0; place <= $last && ${prefix}_choose(place); ++place) {
    }
}

$functions
