
/* One frame for each of n streams. The states of the first are slot which[0] of `slots`, as `get` copies them, and so
 * on; no slot comes twice. Returns n; or, before anything changed, the index of the first frame that is refused. */
size_t ${prefix}_$name(${prefix}_lane *lanes, $unit *slots, const size_t *which, const $x_type *xs, $y_type *ys, size_t n) {
$check    for (size_t done = 0, some; done < n; done += some, which += some) {
        some = n - done < $most ? n - done : $most;
        for (size_t s = 0; s < some; ++s, xs += $inputs) {
            ${prefix}_state *const state = &lanes[s].state;
            ${prefix}_set(state, slots + which[s] * $carried);
            $take
        }
        ${prefix}_compute_many(lanes, some);
        for (size_t s = 0; s < some; ++s, ys += $outputs) {
            const ${prefix}_state *const state = &lanes[s].state;
            ${prefix}_get(state, slots + which[s] * $carried);
            $give
        }
    }
    return n;
}
