
/* A state of integers, with a frame and an answer in float: a step that quantizes the one and dequantizes the other. */
typedef struct {
    ${prefix}_state state;
    float x[$inputs];
    float y[$outputs];
} ${prefix}_numbers;

int ${prefix}_advance_numbers(${prefix}_numbers *all) {
$before    if (${prefix}_advance(&all->state)) return 1;
$after    return 0;
}

void ${prefix}_prime_numbers(const ${prefix}_numbers *all, ${prefix}_numbers *scratch) {
    memcpy(scratch, all, sizeof *scratch);
    while (${prefix}_advance_numbers(scratch)) { /* x may be a refused frame */
        memset(scratch->x, 0, sizeof scratch->x);
        memset(scratch->state.x, 0, sizeof scratch->state.x);
    }
}

void ${prefix}_number_places(size_t places[3]) {
    places[0] = offsetof(${prefix}_numbers, x);
    places[1] = offsetof(${prefix}_numbers, y);
    places[2] = sizeof(${prefix}_numbers);
}
