
/* Many streams. A lane has the struct of a stream, in which it is computed beside others, up to $most together; its states
 * come from the slot of the stream and go back there. Lanes are an odd number of cache lines apart, so that their values
 * do not compete for the same places of a cache. */
typedef struct {
    ${prefix}_state state;
    unsigned char apart[64 * ((sizeof(${prefix}_state) + 63) / 64 / 2 * 2 + 3) - sizeof(${prefix}_state)];
} ${prefix}_lane;

#define FAR(kind) (sizeof(${prefix}_lane) / sizeof(kind))

static void ${prefix}_compute_many(${prefix}_lane *lanes, size_t n) {
$begin$statements
$finish}
#undef FAR

size_t ${prefix}_many_size(void) { return $most * sizeof(${prefix}_lane); }
