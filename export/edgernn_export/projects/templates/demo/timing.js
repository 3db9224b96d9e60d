"use strict";

const TICKS = 20; // of the browser's clock, at least, for one time
const MOST_TIMES = 1000;

/**
 * Times steps of the model in the page, on the frames that it was given: an AudioWorklet has no clock. Browsers round
 * their clock, to 0.1 ms for most pages, so each time is the mean of the steps of a slice of several ticks.
 */
class Timing {
  constructor(model) {
    this.stream = model.stream();
    this.answer = new Float32Array(model.outputs);
    this.times = [];
    this.steps = 0;
    this.tick = tick();
  }

  /** Times one slice of steps on some frames, over and over. */
  slice(recording) {
    if (!recording.steps) return;
    const frames = Math.min(recording.steps, 100);
    const first = recording.steps - frames;
    const begin = performance.now();
    let steps = 0;
    let elapsed = 0;
    while (elapsed < TICKS * this.tick) {
      for (let i = 0; i < 16; ++i) this.stream.step(recording.frame(first + (steps++ % frames)), this.answer);
      elapsed = performance.now() - begin;
    }
    if (this.warm) this.times.push((1000 * elapsed) / steps);
    this.warm = true; // the first slice compiles
    this.steps = steps;
    if (this.times.length > MOST_TIMES) this.times.shift();
  }

  get sorted() {
    return [...this.times].sort((a, b) => a - b);
  }

  /** The text below the histogram. */
  text(sorted, periodMs) {
    if (!sorted.length) return "";
    const at = (share) => sorted[Math.floor((sorted.length - 1) * share)];
    const part = periodMs ? ", " + ((at(0.99) / 1000 / periodMs) * 100).toPrecision(2) + " % of a period of " + periodMs + " ms" : "";
    return (
      "Median " + at(0.5).toPrecision(3) + " µs, 99 % below " + at(0.99).toPrecision(3) + " µs" + part + ". " + sorted.length +
      " times, each the mean of about " + this.steps + " steps in this page: its clock moves by " +
      Math.ceil(1000 * this.tick) + " µs, and the thread of audio has none."
    );
  }
}

/** By how much the clock moves, in milliseconds. */
function tick() {
  let smallest = Infinity;
  for (let i = 0; i < 5; ++i) {
    const begin = performance.now();
    let now = begin;
    while (now === begin) now = performance.now();
    smallest = Math.min(smallest, now - begin);
  }
  return smallest;
}
