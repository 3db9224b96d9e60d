"use strict";

/** A canvas with as many dots as the screen has, cleared; the colours of the page. */
function surface(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue("--" + name).trim();
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height, colour };
}

/** The pixels in front of a drawing, for the names of the labels; waves and scores begin at the same place. */
function gutter(pen, labels) {
  return labels.length ? Math.ceil(Math.max(...labels.map((label) => pen.measureText(shortened(label)).width))) + 8 : 0;
}

function shortened(label) {
  return label.length > 16 ? label.slice(0, 15) + "…" : label;
}

/** Samples as the lowest and the highest of each column. */
function drawWave(canvas, samples, labels) {
  const { pen, width: whole, height, colour } = surface(canvas);
  const left = gutter(pen, labels);
  const width = whole - left;
  pen.translate(left, 0);
  pen.strokeStyle = colour("line");
  pen.beginPath();
  pen.moveTo(0, height / 2);
  pen.lineTo(width, height / 2);
  pen.stroke();
  if (!samples.length) return;
  let most = 0.05;
  for (const value of samples) most = Math.max(most, Math.abs(value));
  pen.fillStyle = colour("accent");
  const half = height / 2 - 2;
  for (let column = 0; column < width; ++column) {
    const from = Math.floor((column * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((column + 1) * samples.length) / width));
    let low = Infinity;
    let high = -Infinity;
    for (let i = from; i < to && i < samples.length; ++i) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    if (low > high) continue;
    pen.fillRect(column, height / 2 - (high / most) * half, 1, Math.max(1, ((high - low) / most) * half));
  }
}

/** Rows of numbers as curves of one scale: value(step, row). */
function drawCurves(canvas, steps, rows, value) {
  const { pen, width, height, colour } = surface(canvas);
  let low = Infinity;
  let high = -Infinity;
  for (let step = 0; step < steps; ++step)
    for (let row = 0; row < rows; ++row) {
      low = Math.min(low, value(step, row));
      high = Math.max(high, value(step, row));
    }
  if (!steps) return;
  const span = high - low || 1;
  const hues = Math.max(rows, 1);
  for (let row = 0; row < rows; ++row) {
    pen.strokeStyle = rows === 1 ? colour("accent") : "hsl(" + (210 + (row * 360) / hues) + " 60% 52%)";
    pen.beginPath();
    for (let step = 0; step < steps; ++step) {
      const x = (step * width) / Math.max(1, steps - 1);
      const y = height - 4 - ((value(step, row) - low) / span) * (height - 8);
      if (step) pen.lineTo(x, y);
      else pen.moveTo(x, y);
    }
    pen.stroke();
  }
  pen.fillStyle = colour("pale");
  pen.fillText(high.toPrecision(3), 2, 12);
  pen.fillText(low.toPrecision(3), 2, height - 4);
}

/** Shares as dark cells: a row for each label, a column for each step. */
function drawShares(canvas, labels, columns) {
  canvas.style.height = Math.min(480, Math.max(60, labels.length * 18)) + "px";
  const { pen, width, height, colour } = surface(canvas);
  const row = height / labels.length;
  const every = Math.ceil(13 / row); // labels that have room
  const left = gutter(pen, labels);
  pen.textBaseline = "middle";
  pen.fillStyle = colour("pale");
  labels.forEach((label, i) => {
    if (i % every === 0) pen.fillText(shortened(label), 0, (i + 0.5) * row);
  });
  pen.strokeStyle = colour("line");
  pen.strokeRect(left + 0.5, 0.5, width - left - 1, height - 1);
  pen.fillStyle = colour("accent");
  const edge = (t) => Math.round(left + (t * (width - left)) / columns.length);
  columns.forEach((each, t) => {
    for (let i = 0; i < labels.length; ++i) {
      if (each[i] < 0.01) continue;
      pen.globalAlpha = Math.min(1, each[i]);
      pen.fillRect(edge(t), i * row + 1, Math.max(1, edge(t + 1) - edge(t)), row - 2);
    }
  });
  pen.globalAlpha = 1;
}

/** How often each time occurred; the longest twentieth is in the last bar. */
function drawHistogram(canvas, sorted) {
  const { pen, width, height, colour } = surface(canvas);
  if (!sorted.length) return;
  const base = height - 18;
  const last = sorted[Math.floor((sorted.length - 1) * 0.95)];
  const low = sorted[0] * 0.95;
  const high = Math.max(last, low + 1e-6);
  const bins = new Array(40).fill(0);
  for (const value of sorted) ++bins[Math.min(39, Math.floor(((value - low) / (high - low)) * 40))];
  const most = Math.max(...bins);
  pen.fillStyle = colour("accent");
  bins.forEach((count, i) => {
    const tall = (count / most) * (base - 4);
    pen.fillRect((i * width) / 40 + 1, base - tall, width / 40 - 2, tall);
  });
  pen.strokeStyle = colour("line");
  pen.beginPath();
  pen.moveTo(0, base + 0.5);
  pen.lineTo(width, base + 0.5);
  pen.stroke();
  pen.fillStyle = colour("pale");
  pen.fillText(low.toPrecision(3) + " µs", 0, height - 4);
  pen.textAlign = "right";
  pen.fillText(high.toPrecision(3) + " µs and longer", width, height - 4);
}
