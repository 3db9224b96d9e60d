"use strict";

const SHOWN_SECONDS = 8; // of a live input
const element = (id) => document.getElementById(id);

const page = { source: null, recording: null, timing: null, whole: false, dirty: true };

async function begin() {
  const { instantiate } = await import(address(MODEL.script));
  const model = instantiate(BYTES);
  const manifest = model.manifest;
  page.model = model;
  page.labels = manifest["edgernn.labels"];
  page.widths = Object.values(manifest["edgernn.named_outputs"] || {});
  if (!page.widths.length) page.widths = [model.outputs];
  page.recording = new Recording(model.inputs, model.outputs, (MODEL.periodMs || 50) / 1000);
  page.timing = new Timing(model);
  page.stream = model.stream();
  describe(manifest);
  element("live").onclick = () => toggle().catch(fail);
  element("file").onchange = (event) => open(event.target).catch(fail);
  element("reset").onclick = reset;
  window.addEventListener("resize", changed);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  requestAnimationFrame(draw);
  setInterval(() => page.source && page.timing.slice(page.recording), 250);
  document.body.dataset.ready = "yes";
}

/** The fixed texts of the page. */
function describe(manifest) {
  const sound = MODEL.rate !== null;
  const period = MODEL.periodMs ? " every " + MODEL.periodMs + " ms" : "";
  document.title = MODEL.name + " – demo";
  element("name").textContent = MODEL.name;
  element("facts").textContent =
    "A step takes " + counted(page.model.inputs, sound ? "sample" : "number") + (sound ? " at " + MODEL.rate.toLocaleString("en") + " Hz" : "") + period +
    " and answers with " + counted(page.model.outputs, "number") + " in " + manifest["edgernn.precision"] + ". The model has " + BYTES.length.toLocaleString("en") +
    " bytes of WebAssembly. It runs in this page: nothing is sent anywhere.";
  element("live").textContent = live();
  element("kind").textContent = sound ? "Open a sound file" : "Open a CSV file";
  element("file").accept = sound ? "audio/*" : ".csv,text/csv,text/plain";
  element("input-title").textContent = sound ? "Waveform" : "Input";
  element("course-title").textContent = page.labels.length ? "Scores over time" : "Answers over time";
  element("save").download = MODEL.name + "-scores.csv";
}

function counted(count, what) {
  return count + " " + what + (count === 1 ? "" : "s");
}

function live() {
  const name = MODEL.rate !== null ? "microphone" : "random frames";
  return (page.source ? "Stop " : "Start ") + name;
}

function fail(error) {
  element("problem").textContent = error.message || String(error);
  element("status").textContent = "";
}

function clear() {
  element("problem").textContent = "";
  element("player").hidden = true;
  page.recording.clear();
  page.whole = false;
  changed();
}

function changed() {
  page.dirty = true;
}

function receive({ samples, answers }) {
  page.recording.append(samples, answers);
  changed();
}

async function toggle() {
  const button = element("live");
  button.disabled = true;
  try {
    if (page.source) await stop();
    else {
      clear();
      page.stream.reset();
      page.source = MODEL.rate !== null ? await microphone(receive, fail) : randomFrames(page.stream, page.model, receive);
      element("status").textContent = "Running.";
    }
  } finally {
    button.disabled = false;
    button.textContent = live();
    button.setAttribute("aria-pressed", String(page.source !== null));
  }
}

async function stop() {
  const source = page.source;
  page.source = null;
  await source.stop();
  await times();
  saved();
  element("status").textContent = "Stopped after " + page.recording.steps + " steps.";
}

function reset() {
  if (page.source) page.source.reset();
  else page.stream.reset();
  element("status").textContent = "The state is the initial one.";
}

/** Runs a file from the initial state. */
async function open(input) {
  const file = input.files[0];
  if (!file) return;
  if (page.source) await toggle();
  clear();
  element("status").textContent = "Reading " + file.name + " …";
  if (MODEL.rate !== null) await sound(file);
  else {
    page.stream.reset();
    stepped(page.stream, page.model, parsed(await file.text(), page.model.inputs), receive);
  }
  input.value = ""; // the same file may be opened again
  page.whole = true;
  changed();
  await times();
  saved();
  element("status").textContent = file.name + ": " + page.recording.steps + " steps from the initial state.";
}

async function sound(file) {
  await soundFile(await file.arrayBuffer(), receive);
  const player = element("player");
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  player.setAttribute("aria-label", "Play " + file.name);
  player.hidden = false;
}

/** Fills the histogram, a few milliseconds at a time. */
async function times() {
  for (let i = 0; i < 100; ++i) {
    page.timing.slice(page.recording);
    if (i % 8 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  changed();
}

/** Offers the answers as a file of lines. */
function saved() {
  const { recording, labels, model } = page;
  const names = labels.length ? labels : Array.from({ length: model.outputs }, (_, i) => "y" + i);
  const lines = [names.map((name) => '"' + name.replaceAll('"', '""') + '"').join(",")];
  for (let step = 0; step < recording.steps; ++step) lines.push(Array.from(recording.answer(step)).join(","));
  const link = element("save");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.hidden = recording.steps === 0;
}

/** Draws what is new, at most once for each picture of the screen. */
function draw() {
  if (page.dirty) {
    page.dirty = false;
    drawAll();
  }
  requestAnimationFrame(draw);
}

function drawAll() {
  const { recording, labels } = page;
  const shown = page.whole ? recording.steps : Math.min(recording.steps, Math.ceil(SHOWN_SECONDS / recording.seconds));
  const first = recording.steps - shown;
  const frames = recording.frames.values;
  if (MODEL.rate !== null) drawWave(element("wave"), frames.subarray(Math.max(0, first * recording.inputs)), labels);
  else drawCurves(element("wave"), shown, Math.min(recording.inputs, 16), (step, i) => recording.frame(first + step)[i]);
  const courses = Array.from({ length: shown }, (_, step) => recording.answer(first + step));
  const course = element("course");
  if (labels.length) drawShares(course, labels, courses.map((each) => shares(each, page.widths)));
  else {
    course.style.height = "9rem";
    drawCurves(course, shown, recording.outputs, (step, i) => courses[step][i]);
  }
  const seconds = (shown * recording.seconds).toFixed(2);
  element("wave").setAttribute("aria-label", "The input of " + seconds + " seconds");
  course.setAttribute("aria-label", "The scores of " + shown + " steps; the table below has the latest");
  drawLatest();
  const sorted = page.timing.sorted;
  drawHistogram(element("histogram"), sorted);
  const text = page.timing.text(sorted, MODEL.periodMs);
  element("time").textContent = text || "Times appear once the model runs.";
  element("histogram").setAttribute("aria-label", "Histogram. " + text);
}

/** The latest answer: the label with the largest share of each set, and a table. */
function drawLatest() {
  const { recording, labels } = page;
  if (!recording.steps) {
    element("answer").textContent = "-";
    element("scores").replaceChildren();
    return;
  }
  const answer = recording.answer(recording.steps - 1);
  const values = labels.length ? shares(answer, page.widths) : answer;
  const best = [];
  let at = 0;
  for (const width of page.widths) {
    let largest = at;
    for (let i = at; i < at + width; ++i) if (values[i] > values[largest]) largest = i;
    best.push(largest);
    at += width;
  }
  element("answer").textContent = labels.length ? best.map((i) => labels[i]).join(" · ") : answer.length === 1 ? answer[0].toPrecision(4) : "";
  const most = labels.length ? 1 : Math.max(...values.map(Math.abs), 1e-9);
  element("scores").replaceChildren(
    ...Array.from(values, (value, i) => line(labels[i] || "y" + i, value, Math.abs(value) / most, labels.length > 0)),
  );
}

function line(name, value, length, share) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = head.title = name;
  const bar = document.createElement("td");
  bar.className = "score";
  const inside = document.createElement("div");
  inside.style.width = 100 * Math.min(1, length) + "%";
  bar.append(inside);
  const text = document.createElement("td");
  text.textContent = share ? (100 * value).toFixed(1) + " %" : value.toPrecision(4);
  row.append(head, bar, text);
  return row;
}

begin().catch(fail);
