// Replays golden.bin: frames, and the answers that they had where the model was exported.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <vector>

#include "$name.hpp"

namespace {

constexpr std::size_t steps = $golden_steps;
constexpr double error = $golden_error;  // the largest difference that another machine may show

int failures = 0;

void check(bool holds, const char* law) {
  if (holds) return;
  std::printf("FAILED: %s\n", law);
  ++failures;
}

template <class T>
std::vector<T> read(std::ifstream& file, std::size_t count) {
  std::vector<T> values(count);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
  return values;
}

bool close(const std::vector<float>& answers, const std::vector<float>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (!(std::abs(static_cast<double>(answers[i]) - static_cast<double>(expected[i])) <= error)) {
      std::printf("answer %zu: %.9g, expected %.9g\n", i, static_cast<double>(answers[i]), static_cast<double>(expected[i]));
      return false;
    }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream file(argc > 1 ? argv[1] : "golden.bin", std::ios::binary);
  const auto frames = read<$module::Number>(file, steps * $module::inputs);
  const auto expected = read<float>(file, steps * $module::outputs);
  check(file.good() && file.peek() == std::ifstream::traits_type::eof(), "golden.bin has the size of the model");
  check($module::self_test(), "the self-test passes");
  check($module::manifest().find("edgernn.graph") != std::string_view::npos, "the manifest is there");

  $module::Stream stream;
  std::vector<float> answers(expected.size());
  for (std::size_t t = 0; t < steps; ++t) {
    const $module::Block<const $module::Number, $module::inputs> frame(frames.data() + t * $module::inputs);
    const $module::Block<float, $module::outputs> answer(answers.data() + t * $module::outputs);
    check(stream.step(frame, answer) == $module::Status::ok, "a frame of the golden is accepted");
  }
  check(close(answers, expected), "the answers are those of the exporter");

  stream.reset();
  std::vector<float> again(expected.size());
  const $module::Done done = stream.run(frames, again);
  check(done.status == $module::Status::ok && done.steps == steps && again == answers, "a run has the bits of its steps");

  const $module::State saved = stream.state();
  $module::Stream other(stream), resumed;
  check(resumed.set_state(saved) == $module::Status::ok, "a saved state is accepted");
  std::array<$module::Answer, 3> next{};
  std::array<$module::Stream*, 3> streams{&stream, &other, &resumed};
  const $module::Block<const $module::Number, $module::inputs> first(frames.data());
  for (std::size_t i = 0; i < streams.size(); ++i)
    check(streams[i]->step(first, next[i]) == $module::Status::ok, "the stream goes on");
  check(next[0] == next[1] && next[0] == next[2], "a copy and a resumed state go on as the stream does");

  $module::Frame wrong{};
  wrong[0] = $module::symbols ? $module::Number(-1) : std::numeric_limits<$module::Number>::quiet_NaN();
  const $module::State before = stream.state();
  check(stream.step(wrong, next[0]) == $module::Status::refused, "a frame that is no number of the model is refused");
  check(stream.state() == before, "a refused frame leaves the state");
  using Unit = std::numeric_limits<$module::State::value_type>;
  if (Unit::has_quiet_NaN && !before.empty()) {
    $module::State invalid = before;
    invalid.fill(Unit::quiet_NaN());
    check(stream.set_state(invalid) == $module::Status::refused, "a state that is not finite is refused");
    check(stream.state() == before, "a refused state changes nothing");
  }
  check(stream.run({frames.data(), $module::inputs}, {answers.data(), 0}).status == $module::Status::wrong_size,
        "answers without room are refused");

  if (failures == 0) std::printf("$name: %zu frames, %zu streams, 1 passed, 0 failed\n", steps, streams.size());
  return failures != 0;
}
