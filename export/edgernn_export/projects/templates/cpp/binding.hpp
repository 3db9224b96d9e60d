// $name: one step of a recurrent network in C++17. Compile $name.c and ${name}_binding.c as C. Written by edgernn.
//
//     $module::Stream stream;  // one carried state: copies are streams of their own; use each on one thread at a time
//     $module::Frame frame{};
//     $module::Answer answer{};
//     if (stream.step(frame, answer) != $module::Status::ok) { /* the frame is refused, the state is that before it */ }
//
// Nothing is allocated or thrown.
#ifndef ${upper}_HPP
#define ${upper}_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "${name}_binding.h"

namespace $module {

using Number = $number_type;  // in a frame; answers are float
using RawInput = $raw_x_type;
using RawOutput = $raw_y_type;

inline constexpr std::size_t inputs = $inputs;    // numbers in a frame
inline constexpr std::size_t outputs = $outputs;  // numbers in an answer
inline constexpr std::size_t carried = $carried;  // elements of State
inline constexpr std::int32_t symbols = $symbols; // a frame is an index below it; 0: a frame is numbers
inline constexpr double limit = $limit;  // the largest magnitude of a number in a frame
inline constexpr double period_ms = $period_ms;  // between frames; 0: unknown
inline constexpr std::size_t frames_per_step = $frames_per_step;  // in a frame, oldest first
inline constexpr std::size_t delay_frames = $delay_frames;
inline constexpr std::size_t warmup_frames = $warmup_frames;

using Frame = std::array<Number, inputs>;
using Answer = std::array<float, outputs>;
using State = std::array<$unit_type, carried>;  // all states, as `states` says

/// An input, output or state: `width` elements from `at` on; states are counted in bytes. An integer q of the step stands
/// for (q - zero) * scale.
struct Value {
  std::string_view name;
  std::size_t at, width;
  int bits;
  double scale;
  int zero;
};

inline constexpr std::array<Value, $input_count> input_values{{$input_values}};
inline constexpr std::array<Value, $output_count> output_values{{$output_values}};
inline constexpr std::array<Value, $state_count> states{{$state_values}};
inline constexpr std::array<std::string_view, $label_count> labels{{$labels}};

enum class Status { ok, refused, wrong_size };

/// Exactly N elements, of an array of that length or at a pointer.
template <class T, std::size_t N>
class Block {
 public:
  constexpr Block(T (&array)[N]) noexcept : first_(array) {}
  constexpr Block(std::array<std::remove_const_t<T>, N>& array) noexcept : first_(array.data()) {}
  template <class U = T, class = std::enable_if_t<std::is_const_v<U>>>
  constexpr Block(const std::array<std::remove_const_t<U>, N>& array) noexcept : first_(array.data()) {}
  explicit constexpr Block(T* first) noexcept : first_(first) {}
  constexpr T* data() const noexcept { return first_; }

 private:
  T* first_;
};

/// Any number of elements: of a vector, an array, or at a pointer.
template <class T>
class Span {
 public:
  constexpr Span(T* first, std::size_t size) noexcept : first_(first), size_(size) {}
  template <class C, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<C&>().data()), T*>>>
  constexpr Span(C&& all) noexcept : first_(all.data()), size_(all.size()) {}
  constexpr T* data() const noexcept { return first_; }
  constexpr std::size_t size() const noexcept { return size_; }

 private:
  T* first_;
  std::size_t size_;
};

/// How far `run` came.
struct Done {
  Status status;
  std::size_t steps;  // done; where a frame is refused, its index
};

class Stream {
 public:
  Stream() noexcept { reset(); }

  /// Sets the initial states.
  void reset() noexcept { ${prefix}_reset(&state_); }

  /// One frame. A refused one is not finite, beyond `limit`, or no index below `symbols`; the state is then unchanged.
  [[nodiscard]] Status step(Block<const Number, inputs> frame, Block<float, outputs> answer) noexcept {
    return ${prefix}_step_numbers(&state_, frame.data(), answer.data()) ? Status::refused : Status::ok;
  }

  /// One frame of what the step itself computes with: integers, where the model has them.
  [[nodiscard]] Status step_raw(Block<const RawInput, inputs> frame, Block<RawOutput, outputs> answer) noexcept {
    return ${prefix}_step(&state_, frame.data(), answer.data()) ? Status::refused : Status::ok;
  }

  /// Frames one after another, up to the first that is refused.
  [[nodiscard]] Done run(Span<const Number> frames, Span<float> answers) noexcept {
    const std::size_t steps = frames.size() / inputs;
    if (frames.size() != steps * inputs || answers.size() != steps * outputs) return {Status::wrong_size, 0};
    const std::size_t done = ${prefix}_run_numbers(&state_, frames.data(), answers.data(), steps);
    return {done == steps ? Status::ok : Status::refused, done};
  }

  /// Loads code, weights and state into the caches, shortly before a frame is due. Only `scratch` changes.
  void prime(Stream& scratch) const noexcept { ${prefix}_prime(&state_, &scratch.state_); }

  /// A copy of all states.
  State state() const noexcept {
    State copy{};
    ${prefix}_get(&state_, copy.data());
    return copy;
  }

  /// Goes on from a copy. One with numbers that no state holds is refused, and nothing changes.
  [[nodiscard]] Status set_state(const State& copy) noexcept {
    return ${prefix}_restore(&state_, copy.data()) ? Status::refused : Status::ok;
  }

 private:
  ${prefix}_state state_;
};

/// The manifest of the model, as JSON.
inline std::string_view manifest() noexcept { return ${prefix}_about(); }

/// Whether this build computes what the exporter did.
[[nodiscard]] inline bool self_test() noexcept { return ${prefix}_self_test() == 0; }

}  // namespace $module

#endif
