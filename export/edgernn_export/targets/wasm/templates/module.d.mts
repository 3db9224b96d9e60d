/** The types of $stem.mjs, which runs $stem.wasm. */

/** What a stream takes: plain arrays and typed arrays alike. */
export type Numbers = ArrayLike<number>;

/** A carried state: name -> its numbers, float32 or the integers of the model. */
export type State = Record<string, Float32Array | Int8Array | Int16Array>;

export interface Model {
  /** The manifest in the file: "edgernn.labels", "edgernn.period_ms", "edgernn.states" and so on. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** How many numbers a step takes: $inputs. */
  readonly inputs: number;
  /** How many numbers a step answers: $outputs. */
  readonly outputs: number;
  /** A new stream in its initial state. Any number of them may be used side by side. */
  stream(): Stream;
}

export interface Stream {
  /**
   * One frame -> its answer.
   * @param answer receives the answer and is returned; by default a new array.
   * @throws RangeError for a frame of another length, or that is not finite, beyond the limit, or an index outside the
   *   table; TypeError for what is no array of numbers. The state is then unchanged.
   */
  step(frame: Numbers, answer?: Float32Array): Float32Array;
  /**
   * Frames one after another in one array -> their answers in one array; the state is carried.
   * @throws as `step`; the state is then that before the frame that is refused.
   */
  run(frames: Numbers, answers?: Float32Array): Float32Array;
  /** Sets the initial state. */
  reset(): void;
  /** A copy of the carried state. Set it to resume; RangeError for another shape or numbers that a state cannot hold. */
  get state(): State;
  set state(values: Record<string, Numbers>);
  /** Gives its memory to the next stream. Every later call throws. */
  close(): void;
}

/**
 * Compiles a model, synchronously, and lets it test itself.
 * @param source the content of $stem.wasm; or the module that it was compiled to, for several threads.
 * @throws Error for another file, or a module that computes something else here than where it was written;
 *   WebAssembly.CompileError for a damaged file, or a browser without SIMD.
 */
export function instantiate(source: BufferSource | WebAssembly.Module): Model;
