"use strict";

const BYTES = Uint8Array.from(atob(MODEL.wasm), (letter) => letter.charCodeAt(0));

/** The address of a script: pages that are opened as a file may load a worklet from a data URL alone. */
function address(script) {
  return location.protocol === "file:"
    ? "data:text/javascript;charset=utf-8," + encodeURIComponent(script)
    : URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}

/** A node that steps the model in the thread of audio; `receive` takes what it sends. */
async function audioNode(context, length, receive, fail) {
  await context.audioWorklet.addModule(address(MODEL.script + MODEL.processor));
  const options = { numberOfOutputs: 1, channelCount: 1, channelCountMode: "explicit", processorOptions: { bytes: BYTES, length } };
  const node = new AudioWorkletNode(context, "edgernn-demo", options);
  node.port.onmessage = ({ data }) => receive(data);
  node.onprocessorerror = () => fail(new Error("the model stopped in the thread of audio; see the console"));
  node.connect(context.destination); // it is silent, and runs because it is connected
  return node;
}

/** The microphone -> what stops it. The browser converts its rate to that of the model. */
async function microphone(receive, fail) {
  const media = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false } });
  const context = new AudioContext({ sampleRate: MODEL.rate });
  const stop = () => {
    for (const track of media.getTracks()) track.stop();
    return context.close();
  };
  try {
    const node = await audioNode(context, Infinity, receive, fail);
    context.createMediaStreamSource(media).connect(node);
    await context.resume();
    return { stop, reset: () => node.port.postMessage("reset") };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A sound file, as fast as the model runs; the promise ends with its last frame. */
async function soundFile(data, receive) {
  const sound = await new OfflineAudioContext(1, 1, MODEL.rate).decodeAudioData(data);
  const context = new OfflineAudioContext(1, sound.length, MODEL.rate);
  await new Promise((resolve, reject) => {
    const taken = (message) => {
      receive(message);
      if (message.finished) resolve();
    };
    audioNode(context, sound.length, taken, reject)
      .then((node) => {
        const source = new AudioBufferSourceNode(context, { buffer: sound });
        source.connect(node);
        source.start();
        return context.startRendering();
      })
      .catch(reject);
  });
}

/** Frames of a model that does not take sound: a step of `stream` for each, in the page. */
function stepped(stream, model, frames, receive) {
  receive({ samples: frames, answers: stream.run(frames) });
}

/** Random frames, one each period -> what stops them. Each number walks, or is another symbol. */
function randomFrames(stream, model, receive) {
  const symbols = model.manifest["edgernn.vocabulary_size"];
  const frame = new Float32Array(model.inputs);
  const next = () => {
    for (let i = 0; i < frame.length; ++i)
      frame[i] = symbols ? Math.floor(Math.random() * symbols) : 0.9 * frame[i] + 0.8 * (Math.random() + Math.random() - 1);
    stepped(stream, model, frame, receive);
  };
  const timer = setInterval(next, Math.max(10, MODEL.periodMs || 50));
  return { stop: () => clearInterval(timer), reset: () => stream.reset() };
}

/** Lines of numbers with commas, a line for each step; a first line of names is passed over. */
function parsed(text, inputs) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  if (lines.length && lines[0].split(",").some((cell) => Number.isNaN(Number(cell)))) lines.shift();
  const numbers = lines.flatMap((line, i) => {
    const row = line.split(",").map(Number);
    if (row.length !== inputs || row.some(Number.isNaN))
      throw new Error("line " + (i + 1) + " of the numbers has " + row.length + " cells; expected " + inputs + " numbers with commas");
    return row;
  });
  if (!numbers.length) throw new Error("the file has no numbers; expected lines of " + inputs + " with commas");
  return new Float32Array(numbers);
}
