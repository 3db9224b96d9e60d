// Replays frames, each from the states that come with it: answers and new states go to the file `answers`, after the
// initial states. All files hold the numbers in the types of the module.
import { readFileSync, writeFileSync } from "node:fs";
import { instantiate } from "./model.mjs";

const module = new WebAssembly.Module(readFileSync("model.wasm"));
const imports = WebAssembly.Module.imports(module).map((each) => each.name);
if (imports.length) throw new Error("the module imports " + imports.join(", "));
const model = instantiate(module);
const stream = model.stream();
const bytes = readFileSync("frames");
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const symbols = model.manifest["edgernn.vocabulary_size"];
let at = 0;

function read(kind, count) {
  const values = new kind(buffer.slice(at, at + count * kind.BYTES_PER_ELEMENT));
  at += values.byteLength;
  return values;
}

const parts = [];
const initial = stream.state;
parts.push(...Object.values(initial));
while (at < buffer.byteLength) {
  const frame = read(symbols ? Int32Array : Float32Array, model.inputs);
  const before = Object.entries(initial).map(([name, values]) => [name, read(values.constructor, values.length)]);
  stream.state = Object.fromEntries(before);
  parts.push(stream.step(frame), ...Object.values(stream.state));
}
writeFileSync("answers", Buffer.concat(parts.map((each) => Buffer.from(each.buffer))));
