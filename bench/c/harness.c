/* Times one step of several builds of a model in turn, without Python: prints nanoseconds per step as JSON.
 *
 * A round times a block of steps of each contender, one after another; what is printed are the medians of the rounds.
 * A plain read of as many bytes as a model has weights is timed alike: the limit that no step can pass.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fp32.h"
#include "int8.h"
#include "sparse.h"

void plain_reset(void);
void plain_step(const float *x, float *y);
void fast_reset(void);
void fast_step(const float *x, float *y);

enum { FRAMES = 64, BLOCK = 128, CONTENDERS = 7 };

static float frames[FRAMES][FP32_INPUTS], y[FP32_OUTPUTS];
static fp32_state fp32;
static int8_state int8;
static sparse_state sparse;
static char *bytes;
static volatile float sink;

static void step_fp32(size_t i) { fp32_step(&fp32, frames[i % FRAMES], y); }
static void step_int8(size_t i) { int8_step(&int8, frames[i % FRAMES], y); }
static void step_sparse(size_t i) { sparse_step(&sparse, frames[i % FRAMES], y); }
static void step_plain(size_t i) { plain_step(frames[i % FRAMES], y); }
static void step_fast(size_t i) { fast_step(frames[i % FRAMES], y); }

/* Eight sums, each in one register, so that nothing but the loads can be the limit: wider ones go through the stack. */
#ifdef __AVX512F__
enum { REGISTER = 64 };
#else
enum { REGISTER = 32 };
#endif
typedef float lanes __attribute__((vector_size(REGISTER), aligned(REGISTER)));

static void read_bytes(size_t n) {
    const lanes *const p = (const lanes *)(const void *)bytes;
    lanes sum[8] = {{0}};
    for (size_t i = 0; i + 8 <= n / sizeof(lanes); i += 8)
        for (size_t k = 0; k < 8; ++k) sum[k] += p[i + k];
    for (size_t k = 1; k < 8; ++k) sum[0] += sum[k];
    float all = 0;
    for (size_t k = 0; k < sizeof(lanes) / sizeof(float); ++k) all += sum[0][k];
    sink = all;
}

static void read_fp32(size_t i) { (void)i, read_bytes(FP32_WEIGHT_BYTES); }
static void read_int8(size_t i) { (void)i, read_bytes(INT8_WEIGHT_BYTES); }

static const struct {
    const char *name;
    void (*step)(size_t);
} contenders[CONTENDERS] = {
    {"fp32", step_fp32},
    {"int8", step_int8},
    {"sparse int8", step_sparse},
    {"C++", step_plain},
    {"C++ -ffast-math", step_fast},
    {"read of fp32's weights", read_fp32},
    {"read of int8's weights", read_int8},
};

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, z = *(const double *)b;
    return (x > z) - (x < z);
}

int main(int count, char **arguments) {
    const size_t rounds = count > 1 ? strtoul(arguments[1], NULL, 10) : 401;
    double *took[CONTENDERS];
    for (size_t c = 0; c < CONTENDERS; ++c) took[c] = calloc(rounds, sizeof(double));
    bytes = aligned_alloc(64, (FP32_WEIGHT_BYTES + 63) / 64 * 64);
    for (size_t i = 0; i < (FP32_WEIGHT_BYTES + 63) / 64 * 64; ++i) bytes[i] = 0;
    for (size_t t = 0; t < FRAMES; ++t)
        for (size_t i = 0; i < FP32_INPUTS; ++i) frames[t][i] = 2.0f * (float)rand() / (float)RAND_MAX - 1.0f;
    fp32_reset(&fp32), int8_reset(&int8), sparse_reset(&sparse), plain_reset(), fast_reset();
    for (size_t r = 0; r < rounds; ++r)
        for (size_t c = 0; c < CONTENDERS; ++c) {
            for (size_t i = 0; i < BLOCK / 4; ++i) contenders[c].step(i); /* its weights are back in the cache */
            const double start = now_ns();
            for (size_t i = 0; i < BLOCK; ++i) contenders[c].step(i);
            took[c][r] = (now_ns() - start) / BLOCK;
        }
    printf("{");
    for (size_t c = 0; c < CONTENDERS; ++c) {
        qsort(took[c], rounds, sizeof(double), ascending);
        printf("%s\"%s\": %.1f", c ? ", " : "", contenders[c].name, took[c][rounds / 2]);
    }
    printf("}\n");
    return 0;
}
