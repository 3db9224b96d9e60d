// The yardstick: one step in float32 as a careful programmer writes it in plain C++, with every size fixed at compile
// time. It is compiled twice for the machine's own instructions: with -O3, and with -ffast-math, which also turns exp and
// tanh into calls for whole vectors.
//
// The formulas are those of edgernn's cells: the GRU of PyTorch (reset gate after the product), the LSTM of PyTorch.

#include <cmath>
#include <cstddef>
#include <cstring>

namespace {

constexpr std::size_t inputs = 40, hidden = HIDDEN, outputs = 12;

// y = W x + b, a column of W after the other, so that the sums of all rows grow side by side
template <std::size_t rows, std::size_t columns>
struct Affine {
    alignas(64) float w[columns][rows];
    alignas(64) float b[rows];

    void operator()(float *y, const float *x) const {
        alignas(64) float sum[rows];
        std::memcpy(sum, b, sizeof sum);
        for (std::size_t j = 0; j < columns; ++j)
            for (std::size_t i = 0; i < rows; ++i) sum[i] += w[j][i] * x[j];
        std::memcpy(y, sum, sizeof sum);
    }

    void fill(unsigned &seed) {
        float *const all = &w[0][0];
        for (std::size_t i = 0; i < rows * columns; ++i) {
            seed = seed * 1664525u + 1013904223u;
            all[i] = (float(seed >> 8) / float(1u << 24) - 0.5f) * 2.0f / std::sqrt(float(hidden));
        }
        std::memset(b, 0, sizeof b);
    }
};

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

struct Gru {
    Affine<3 * hidden, inputs> w;
    Affine<3 * hidden, hidden> u;
    Affine<outputs, hidden> out;
    alignas(64) float h[hidden] = {};

    void step(const float *x, float *y) {
        alignas(64) float a[3 * hidden], c[3 * hidden];
        w(a, x);
        u(c, h);
        for (std::size_t i = 0; i < hidden; ++i) {
            const float r = sigmoid(a[i] + c[i]), z = sigmoid(a[hidden + i] + c[hidden + i]);
            const float n = std::tanh(a[2 * hidden + i] + r * c[2 * hidden + i]);
            h[i] = n + z * (h[i] - n);
        }
        out(y, h);
    }
};

struct Lstm {
    Affine<4 * hidden, inputs> w;
    Affine<4 * hidden, hidden> u;
    Affine<outputs, hidden> out;
    alignas(64) float h[hidden] = {}, c[hidden] = {};

    void step(const float *x, float *y) {
        alignas(64) float a[4 * hidden], b[4 * hidden];
        w(a, x);
        u(b, h);
        for (std::size_t k = 0; k < hidden; ++k) {
            const float i = sigmoid(a[k] + b[k]), f = sigmoid(a[hidden + k] + b[hidden + k]);
            const float g = std::tanh(a[2 * hidden + k] + b[2 * hidden + k]);
            const float o = sigmoid(a[3 * hidden + k] + b[3 * hidden + k]);
            c[k] = f * c[k] + i * g;
            h[k] = o * std::tanh(c[k]);
        }
        out(y, h);
    }
};

#ifdef LSTM
Lstm net;
#else
Gru net;
#endif

}  // namespace

#define JOINED(a, b) a##b
#define NAMED(a, b) JOINED(a, b)

extern "C" void NAMED(KIND, _reset)() {
    unsigned seed = 1;
    net.w.fill(seed), net.u.fill(seed), net.out.fill(seed);
}

extern "C" void NAMED(KIND, _step)(const float *x, float *y) { net.step(x, y); }
