
/** Gathers samples to frames and steps the model in the thread of audio; the page receives both. */
class Processor extends AudioWorkletProcessor {
  constructor({ processorOptions: { bytes, length } }) {
    super();
    const model = instantiate(bytes);
    this.stream = model.stream();
    this.frame = new Float32Array(model.inputs);
    this.filled = 0;
    this.left = length; // samples until the end; Infinity for a microphone
    this.answers = [];
    this.samples = [];
    this.port.onmessage = () => this.stream.reset();
  }

  process([[channel]]) {
    if (!channel) return true; // nothing is connected
    const count = Math.min(channel.length, this.left);
    for (let i = 0; i < count; ++i) {
      this.frame[this.filled++] = channel[i];
      if (this.filled === this.frame.length) {
        this.answers.push(...this.stream.step(this.frame));
        this.filled = 0;
      }
    }
    this.samples.push(...channel.subarray(0, count));
    this.left -= count;
    if (this.samples.length >= sampleRate / 50 || !this.left) this.send();
    return this.left > 0;
  }

  send() {
    this.port.postMessage({
      samples: new Float32Array(this.samples),
      answers: new Float32Array(this.answers),
      finished: !this.left,
    });
    this.samples.length = this.answers.length = 0;
  }
}
registerProcessor("edgernn-demo", Processor);
