/* What the step and its compiler call: MicroPython offers no C library to native code. Compiled without builtins. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* e**x = 2**n e**r with |r| <= ln(2) / 2, and the series of e**r. */
float expf(float x) {
    if (!(x > -104.0f && x < 89.0f)) return x != x ? x : x < 0 ? 0.0f : of_bits(0x7f800000);
    const float turns = x * 1.44269504f;
    const int n = (int)(turns < 0 ? turns - 0.5f : turns + 0.5f), half = n / 2;
    const float r = x - (float)n * 0.693145752f - (float)n * 1.42860677e-6f; /* ln(2) in two parts */
    float sum = 1.0f / 5040;
    sum = sum * r + 1.0f / 720;
    sum = sum * r + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 0.5f;
    sum = sum * r * r + r + 1.0f;
    return sum * of_bits((uint32_t)(half + 127) << 23) * of_bits((uint32_t)(n - half + 127) << 23);
}

/* ln(x) = n ln(2) + ln(m) with m from 0.7 to 1.4, and ln(m) = 2 atanh((m - 1) / (m + 1)) as a series. */
float logf(float x) {
    if (!(x > 0)) return of_bits(x == 0 ? 0xff800000 : 0x7fc00000);
    if (x > 3.4028235e38f) return x;
    const int small = x < 1.17549435e-38f;
    const uint32_t bits = bits_of(small ? x * 16777216.0f : x);
    int n = (int)(bits >> 23) - 127 - (small ? 24 : 0);
    float m = of_bits((bits & 0x7fffff) | 0x3f800000);
    if (m > 1.41421356f) m *= 0.5f, ++n;
    const float s = (m - 1) / (m + 1), q = s * s;
    float sum = 2.0f / 9;
    sum = sum * q + 2.0f / 7;
    sum = sum * q + 2.0f / 5;
    sum = sum * q + 2.0f / 3;
    return (float)n * 0.693145752f + ((float)n * 1.42860677e-6f + sum * q * s + 2 * s);
}

/* The integer root of the significand, bit by bit, rounded to the nearest. */
float sqrtf(float x) {
    if (!(x > 0) || x > 3.4028235e38f) return x < 0 ? of_bits(0x7fc00000) : x;
    const int small = x < 1.17549435e-38f;
    const uint32_t bits = bits_of(small ? x * 16777216.0f : x);
    const int n = (int)(bits >> 23) - 127 - (small ? 24 : 0), odd = n & 1;
    const uint64_t square = (uint64_t)((bits & 0x7fffff) | 0x800000) << (23 + odd);
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 23; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= square) root += bit;
    root += square - root * root > root; /* more than (root + 1/2)**2 */
    return of_bits((uint32_t)root - 0x800000 + ((uint32_t)((n - odd) / 2 + 127) << 23));
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    char *t = to;
    const char *f = from;
    while (size--) *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    char *t = to;
    const char *f = from;
    if (t <= f) return memcpy(to, from, size);
    while (size--) t[size] = f[size];
    return to;
}

void *memset(void *to, int value, size_t size) {
    char *t = to;
    while (size--) *t++ = (char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const unsigned char *x = a, *y = b;
    for (; size--; ++x, ++y)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}

size_t strlen(const char *text) {
    size_t size = 0;
    while (text[size]) ++size;
    return size;
}
