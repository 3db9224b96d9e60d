// One step of a recurrent network, from $stem.wasm.
//
//     import { instantiate } from "./$stem.mjs";
//
//     const stream = instantiate(bytes).stream(); // bytes: the content of $stem.wasm
//     const answer = stream.step(new Float32Array($inputs)); // $outputs numbers
//
// Everything here is synchronous, and nothing is fetched or evaluated: it also runs in an AudioWorklet.

const CHECKSUM = "$checksum";
const LARGEST_STATE = $largest_state; // the largest magnitude in a state that may be set
const ALIGNMENT = 64; // bytes of a cache line
const PAGE = 65536; // bytes of WebAssembly's memory
const INTEGERS = { 8: Int8Array, 16: Int16Array };

/** Compiles the content of $stem.wasm, or takes what it is compiled to, and lets it test itself. */
export function instantiate(source) {
  const module = source instanceof WebAssembly.Module ? source : new WebAssembly.Module(source);
  const memory = new Memory(new WebAssembly.Instance(module).exports);
  return new Model(memory, model_of(memory));
}

/** The memory of an instance: each stream has a place in it, which another one takes after it is closed. */
class Memory {
  constructor(code) {
    this.code = code;
    this.unused = [];
    if (!(code.memory instanceof WebAssembly.Memory && code.__heap_base instanceof WebAssembly.Global))
      throw new Error("this module is not $stem.wasm: it has no memory of edgernn");
    this.end = code.__heap_base.value;
    code._initialize();
  }

  get buffer() {
    return this.code.memory.buffer;
  }

  take(bytes) {
    const at = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT;
    const missing = at + bytes - this.buffer.byteLength;
    if (missing > 0) this.code.memory.grow(Math.ceil(missing / PAGE));
    this.end = at + bytes;
    return at;
  }

  /** The numbers that a function of the module writes to `at`. */
  numbers(name, at, count) {
    this.code["edgernn_" + name](at);
    return [...new Uint32Array(this.buffer, at, count)];
  }
}

function about(memory) {
  const bytes = new Uint8Array(memory.buffer);
  let text = "";
  for (let at = memory.code.edgernn_about(); bytes[at]; ++at) text += String.fromCharCode(bytes[at]);
  return JSON.parse(text);
}

/** What all streams share: the manifest, and where values are. */
function model_of(memory) {
  const manifest = about(memory);
  if (manifest["edgernn.sha256"] !== CHECKSUM)
    throw new Error("this module is not the $stem.wasm that $stem.mjs was written for: export both again");
  const quantization = manifest["edgernn.quantization"];
  const kind = (name) => INTEGERS[quantization[name]?.bits] ?? Float32Array;
  const states = Object.entries(manifest["edgernn.states"]).map(([name, width]) => ({ name, width, kind: kind(name) }));
  const carried = states.reduce((bytes, state) => bytes + state.width * state.kind.BYTES_PER_ELEMENT, 0);
  const scratch = memory.take(Math.max(carried, ALIGNMENT));
  check_answers(memory, kind("y"), scratch);
  const converts = "x" in quantization || "y" in quantization;
  const inside = memory.numbers("places", scratch, 2);
  const outside = converts ? memory.numbers("number_places", scratch, 3) : inside;
  return {
    manifest,
    states,
    carried,
    scratch,
    inputs: manifest["edgernn.inputs"],
    outputs: manifest["edgernn.outputs"],
    symbols: manifest["edgernn.vocabulary_size"],
    limit: manifest["edgernn.limit"],
    x: "x" in quantization ? outside[0] : inside[0],
    y: "y" in quantization ? outside[1] : inside[1],
    size: converts ? outside[2] : memory.code.edgernn_size(),
    advance: converts ? memory.code.edgernn_advance_numbers : memory.code.edgernn_advance,
  };
}

function check_answers(memory, kind, scratch) {
  const at = scratch + 16;
  const failed = memory.code.edgernn_self_test_at(scratch, at);
  if (!failed) return;
  const [frame, element] = new Uint32Array(memory.buffer, scratch, 2);
  const [answer, expected, most] = new kind(memory.buffer, at, 3);
  const how = "element " + element + ": " + answer + ", expected " + expected + ", at most " + most + " apart";
  throw new Error(
    "$stem.wasm computes something else here than where it was written: frame " +
      (failed > 1 ? frame + ", " + how : frame + " is refused"),
  );
}

/** A compiled model, which makes a stream for each carried state. */
class Model {
  #memory;
  #model;

  constructor(memory, model) {
    this.#memory = memory;
    this.#model = model;
    this.manifest = model.manifest;
    this.inputs = model.inputs;
    this.outputs = model.outputs;
    Object.freeze(this);
  }

  stream() {
    return new Stream(this.#memory, this.#model);
  }
}

/** One carried state. */
class Stream {
  #memory;
  #model;
  #at;
  #x;
  #y;

  constructor(memory, model) {
    this.#memory = memory;
    this.#model = model;
    this.#at = memory.unused.pop() ?? memory.take(model.size);
    this.reset();
  }

  reset() {
    this.#memory.code.edgernn_reset(this.#place());
  }

  step(frame, answer = new Float32Array(this.#model.outputs)) {
    const { inputs, outputs } = this.#model;
    if (lengthOf(frame, "frame") !== inputs)
      throw new RangeError("a frame of " + frame.length + " numbers arrived; expected " + inputs);
    checkRoom(answer, outputs);
    this.#advance(frame, 0, answer);
    return answer;
  }

  run(frames, answers) {
    const { inputs, outputs } = this.#model;
    const steps = lengthOf(frames, "block of frames") / inputs;
    if (!Number.isInteger(steps))
      throw new RangeError(frames.length + " numbers arrived; expected a multiple of " + inputs);
    answers ??= new Float32Array(steps * outputs);
    checkRoom(answers, steps * outputs);
    for (let t = 0; t < steps; ++t) this.#advance(frames, t, answers);
    return answers;
  }

  get state() {
    const { states, carried, scratch } = this.#model;
    this.#memory.code.edgernn_get(this.#place(), scratch);
    const bytes = this.#memory.buffer.slice(scratch, scratch + carried);
    const values = {};
    let at = 0;
    for (const { name, width, kind } of states) {
      const end = at + width * kind.BYTES_PER_ELEMENT;
      values[name] = new kind(bytes.slice(at, end));
      at = end;
    }
    return values;
  }

  set state(values) {
    const { states, carried, scratch } = this.#model;
    const names = Object.keys(values).sort().join(", ");
    const expected = states.map((state) => state.name).sort().join(", ");
    if (names !== expected) throw new RangeError("states " + names + " arrived; expected " + expected);
    const bytes = new Uint8Array(carried);
    let at = 0;
    for (const state of states) {
      bytes.set(new Uint8Array(stateOf(state, values[state.name]).buffer), at);
      at += state.width * state.kind.BYTES_PER_ELEMENT;
    }
    const place = this.#place();
    new Uint8Array(this.#memory.buffer).set(bytes, scratch);
    this.#memory.code.edgernn_set(place, scratch);
  }

  close() {
    this.#memory.unused.push(this.#place());
    this.#at = 0;
  }

  #place() {
    if (!this.#at) throw new Error("this stream is closed; make another one");
    const { buffer } = this.#memory;
    if (this.#x?.buffer !== buffer) {
      // the memory has grown since
      const { x, y, inputs, outputs, symbols } = this.#model;
      this.#x = new (symbols ? Int32Array : Float32Array)(buffer, this.#at + x, inputs);
      this.#y = new Float32Array(buffer, this.#at + y, outputs);
    }
    return this.#at;
  }

  #advance(frames, t, answers) {
    const { inputs, outputs, symbols, advance } = this.#model;
    const place = this.#place();
    const x = this.#x;
    for (let i = 0, at = t * inputs; i < inputs; ++i, ++at) {
      const value = frames[at];
      if (typeof value !== "number") throw new TypeError(refused(t, i, value) + "a number");
      if (symbols && !(Number.isInteger(value) && value >= 0 && value < symbols))
        throw new RangeError(refused(t, i, value) + "an index from 0 to " + (symbols - 1));
      x[i] = value;
    }
    if (advance(place)) throw this.#refusal(frames, t);
    const y = this.#y;
    for (let i = 0, at = t * outputs; i < outputs; ++i, ++at) answers[at] = y[i];
  }

  #refusal(frames, t) {
    const { inputs, limit } = this.#model;
    for (let i = 0; i < inputs; ++i) {
      const value = frames[t * inputs + i];
      if (!(Math.abs(Math.fround(value)) <= limit))
        return new RangeError(refused(t, i, value) + "a number of magnitude at most " + limit);
    }
    return new RangeError("frame " + t + " is refused, and the state is that before it");
  }
}

function refused(t, i, value) {
  return "frame " + t + " must not enter the state, which is that before it: element " + i + " is " + String(value) + "; expected ";
}

function lengthOf(values, what) {
  if (!(Array.isArray(values) || ArrayBuffer.isView(values)) || values.length === undefined)
    throw new TypeError("a " + what + " is an array of numbers; " + String(values) + " arrived");
  return values.length;
}

function checkRoom(answers, count) {
  if (!(answers instanceof Float32Array)) throw new TypeError("answers are written to a Float32Array; another kind arrived");
  if (answers.length !== count)
    throw new RangeError("room for " + answers.length + " answers arrived; expected " + count);
}

function stateOf({ name, width, kind }, values) {
  if (lengthOf(values, "state") !== width)
    throw new RangeError("state " + name + " has " + values.length + " numbers; expected " + width);
  const valid =
    kind === Float32Array
      ? (value) => Math.abs(value) <= LARGEST_STATE
      : (value) => Number.isInteger(value) && new kind([value])[0] === value;
  for (const value of values)
    if (typeof value !== "number" || !valid(value))
      throw new RangeError("state " + name + " must not hold " + String(value) + ", as a " + kind.name);
  return new kind(values);
}
