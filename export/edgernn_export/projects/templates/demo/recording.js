"use strict";

/** Numbers that arrive a few at a time; the oldest are dropped once there are too many. */
class Row {
  constructor(most) {
    this.most = most;
    this.clear();
  }

  clear() {
    this.room = new Float32Array(4096);
    this.length = 0;
    this.dropped = 0;
  }

  append(values) {
    if (this.length + values.length > this.most) {
      const half = Math.floor(this.length / 2);
      this.room.copyWithin(0, half, this.length);
      this.length -= half;
      this.dropped += half;
    }
    if (this.length + values.length > this.room.length) {
      const larger = new Float32Array(2 * (this.length + values.length));
      larger.set(this.room.subarray(0, this.length));
      this.room = larger;
    }
    this.room.set(values, this.length);
    this.length += values.length;
  }

  get values() {
    return this.room.subarray(0, this.length);
  }
}

/** What went into the model and what it answered, a frame and an answer for each step. */
class Recording {
  constructor(inputs, outputs, seconds) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.seconds = seconds; // of a step
    const steps = Math.ceil(600 / seconds);
    this.frames = new Row(2 * Math.floor(steps / 2) * inputs);
    this.answers = new Row(2 * Math.floor(steps / 2) * outputs);
  }

  clear() {
    this.frames.clear();
    this.answers.clear();
  }

  append(frames, answers) {
    this.frames.append(frames);
    this.answers.append(answers);
  }

  get steps() {
    return this.answers.length / this.outputs;
  }

  answer(step) {
    return this.answers.room.subarray(step * this.outputs, (step + 1) * this.outputs);
  }

  frame(step) {
    return this.frames.room.subarray(step * this.inputs, (step + 1) * this.inputs);
  }
}

/** The share of each label: what is a distribution stays as it is, and of scores the softmax is taken, set by set. */
function shares(answer, widths) {
  const result = new Float32Array(answer.length);
  let at = 0;
  for (const width of widths) {
    const part = answer.subarray(at, at + width);
    const sum = part.reduce((total, value) => total + value, 0);
    const distribution = part.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3;
    const largest = Math.max(...part);
    const powers = distribution ? part : part.map((value) => Math.exp(value - largest));
    const total = powers.reduce((all, value) => all + value, 0);
    result.set(powers.map((value) => value / total), at);
    at += width;
  }
  return result;
}
