"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const slider = find("scale"), grid = find("grid"), stage = find("stage"), frame = find("frame");
const state = {
  mode: "grid", a: data.pair[0], b: data.pair[1], split: 50, magnify: false, point: [0.5, 0.5], lift: 0,
};
const LENS = 0.42, ZOOM = 4;
const COLOURS = ["--ink", "--series-1", "--series-4", "--series-3", "--series-2", "--series-5"];
const colour = (index) => `var(${COLOURS[Math.min(index, COLOURS.length - 1)]})`;
const scaleName = (scale) => `×${scale}`;

/* The image of a series at the slider's scale, or null where it has none. */
function imageOf(series) {
  return series.images[series.fixed ? 0 : Number(slider.value)];
}

function draw(canvas, image) {
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0);
}

function absence(series) {
  const there = data.scales.filter((_, index) => series.images[index]).map(scaleName);
  return `No ${series.name} at ${scaleName(data.scales[slider.value])}; there is at ${there.join(", ")}`;
}

function buildPanel(series) {
  const panel = document.createElement("figure");
  panel.innerHTML =
    '<div class="frame"><canvas role="img"></canvas><canvas class="lens" hidden></canvas><p class="absent" hidden></p></div>' +
    "<figcaption><strong></strong> <em class='quiet'></em><br><span></span></figcaption>";
  panel.querySelector("strong").textContent = series.name;
  panel.querySelector("span").textContent = series.note;
  panel.querySelector("canvas").setAttribute("aria-label", series.name);
  grid.append(panel);
  series.panel = panel;
}

function drawPanel(series) {
  const image = imageOf(series), absent = series.panel.querySelector(".absent");
  const canvas = series.panel.querySelector("canvas");
  absent.hidden = Boolean(image);
  canvas.style.visibility = image ? "visible" : "hidden";
  series.panel.querySelector("em").textContent = image ? `${image.naturalWidth}×${image.naturalHeight}` : "";
  if (image) draw(canvas, image);
  else absent.textContent = absence(series);
}

function drawStage() {
  const pair = [data.series[state.a], data.series[state.b]], images = pair.map(imageOf);
  const missing = pair.filter((_, index) => !images[index]);
  const difference = state.mode === "difference";
  const unequal = images.every(Boolean) && images[0].naturalWidth !== images[1].naturalWidth;
  const [back, front, handle, absent] = [find("back"), find("front"), find("handle"), find("stage-absent")];
  const nothing = missing.length > 0 || (difference && unequal);
  absent.hidden = !nothing;
  front.hidden = difference || nothing;
  front.style.display = front.hidden ? "none" : "block";
  handle.hidden = difference || nothing;
  const caption = find("stage-caption");
  caption.textContent = "";
  if (missing.length) absent.textContent = absence(missing[0]);
  else if (nothing) absent.textContent = "HR has more pixels than LR of this scale: compare LR with LR, or go to scale 1";
  if (nothing) return;
  if (difference) {
    const mean = drawDifference(back, images, Number(find("gain").value));
    caption.textContent =
      `A − B: gray where equal, brighter where ${pair[0].name} is brighter than ${pair[1].name}. ` +
      `Mean |A − B| is ${mean.toFixed(2)} of 255 gray levels.`;
    return;
  }
  draw(back, images[0]);
  draw(front, images[1]);
  front.style.clipPath = `inset(0 0 0 ${state.split}%)`;
  handle.style.left = `${state.split}%`;
  handle.setAttribute("aria-valuenow", Math.round(state.split));
  caption.textContent = `Left ${pair[0].name}, right ${pair[1].name}.`;
}

function pixelsOf(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/* 128 + gain * (A - B) a channel, clipped; returns the mean of |A - B| in gray levels. */
function drawDifference(canvas, images, gain) {
  const [a, b] = images.map(pixelsOf);
  canvas.width = a.width;
  canvas.height = a.height;
  let sum = 0;
  for (let i = 0; i < a.data.length; i += 1) {
    if (i % 4 === 3) continue;
    const step = a.data[i] - b.data[i];
    sum += Math.abs(step);
    a.data[i] = 128 + gain * step;
  }
  canvas.getContext("2d").putImageData(a, 0, 0);
  return sum / (0.75 * a.data.length);
}

function drawLens(lens, source) {
  lens.hidden = !state.magnify || !source;
  if (lens.hidden) return;
  const side = Math.round(lens.parentElement.clientWidth * LENS * (window.devicePixelRatio || 1)) || 1;
  const [u, v] = state.point, keep = (value) => Math.min(Math.max(value, 0), 1 - LENS);
  lens.width = lens.height = side;
  lens.style.left = `${100 * keep(u - LENS / 2)}%`;
  lens.style.top = `${100 * keep(v - LENS / 2 - state.lift)}%`;
  const width = (source.width * LENS) / ZOOM, height = (source.height * LENS) / ZOOM;
  const context = lens.getContext("2d");
  context.imageSmoothingEnabled = document.body.classList.contains("smooth");
  context.drawImage(source, u * source.width - width / 2, v * source.height - height / 2, width, height, 0, 0, side, side);
}

function drawLenses() {
  for (const series of data.series) {
    drawLens(series.panel.querySelector(".lens"), imageOf(series) && series.panel.querySelector("canvas"));
  }
  const right = state.mode === "divider" && state.point[0] * 100 > state.split;
  drawLens(frame.querySelector(".lens"), find("stage-absent").hidden && find(right ? "front" : "back"));
}

const PLOT = { left: 44, right: 468, top: 12, bottom: 300 };
const across = (frequency) => PLOT.left + (PLOT.right - PLOT.left) * (frequency / 0.5);

function levels() {
  const all = data.series.flatMap((series) => series.spectra.flatMap((row) => row || []));
  const high = Math.ceil(Math.max(...all) / 10) * 10;
  return [Math.max(Math.floor(Math.min(...all) / 10) * 10, high - 90), high];
}

function drawSpectra() {
  const [low, high] = data.levels, scale = data.scales[slider.value];
  const down = (level) => PLOT.top + ((PLOT.bottom - PLOT.top) * (high - Math.max(level, low))) / (high - low);
  const parts = [];
  for (let level = low; level <= high; level += 20) {
    parts.push(`<line class="axis" x1="${PLOT.left}" x2="${PLOT.right}" y1="${down(level)}" y2="${down(level)}"/>`);
    parts.push(`<text x="${PLOT.left - 6}" y="${down(level) + 4}" text-anchor="end">${level}</text>`);
  }
  for (const frequency of [0, 0.1, 0.2, 0.3, 0.4, 0.5]) {
    parts.push(`<text x="${across(frequency)}" y="${PLOT.bottom + 18}" text-anchor="middle">${frequency}</text>`);
  }
  const nyquist = across(0.5 / scale);
  parts.push(`<line class="nyquist" x1="${nyquist}" x2="${nyquist}" y1="${PLOT.top}" y2="${PLOT.bottom}"/>`);
  data.series.forEach((series, index) => {
    const row = series.spectra[series.fixed ? 0 : slider.value];
    if (!row) return;
    const top = series.fixed ? 0.5 : 0.5 / scale;
    const points = row.slice(1).map((level, ring) => `${across(((ring + 1.5) / row.length) * top).toFixed(1)},${down(level).toFixed(1)}`);
    parts.push(`<polyline class="curve" style="stroke:${colour(index)}" points="${points.join(" ")}"/>`);
  });
  find("spectra").innerHTML = parts.join("");
}

function show() {
  const scale = data.scales[slider.value];
  find("shown").textContent = scaleName(scale);
  slider.setAttribute("aria-valuetext", `scale ${scale}`);
  data.series.forEach(drawPanel);
  if (state.mode !== "grid") drawStage();
  drawSpectra();
  drawLenses();
  document.body.dataset.scale = scale;
}

function choose(mode) {
  state.mode = mode;
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === mode);
  grid.hidden = mode !== "grid";
  stage.hidden = mode === "grid";
  find("pair").hidden = mode === "grid";
  find("gain-box").hidden = mode !== "difference";
  show();
}

function press(button, on) {
  button.setAttribute("aria-pressed", on);
}

function magnify(on) {
  state.magnify = on;
  document.body.classList.toggle("magnifying", on);
  press(find("magnify"), on);
  drawLenses();
}

function smooth(on) {
  document.body.classList.toggle("smooth", on);
  press(find("smooth"), on);
  drawLenses();
}

function swap() {
  [state.a, state.b] = [state.b, state.a];
  find("a").value = state.a;
  find("b").value = state.b;
  show();
}

function moveTo(index) {
  slider.value = index;
  show();
}

function split(percent) {
  state.split = Math.min(Math.max(percent, 0), 100);
  drawStage();
  drawLenses();
}

/* A pointer over an image: the magnifier follows it, and on the stage without magnifier the divider does. */
function follow(event) {
  const box = event.target.closest(".frame");
  if (!box) return;
  const area = box.getBoundingClientRect();
  const point = [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
  if (state.magnify) {
    state.point = point.map((value) => Math.min(Math.max(value, 0), 1));
    // A finger would cover what the lens shows.
    state.lift = event.pointerType === "touch" ? 0.34 : 0;
    drawLenses();
  } else if (box === frame && state.mode === "divider" && event.buttons) {
    frame.setPointerCapture(event.pointerId);
    split(100 * point[0]);
  }
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["SELECT", "INPUT"].includes(event.target.tagName) && event.target !== slider;
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (steps && event.shiftKey && state.magnify) {
    state.point = state.point.map((value, axis) => Math.min(Math.max(value + 0.02 * steps[axis], 0), 1));
    state.lift = 0;
    drawLenses();
  } else if (typing) {
    return;
  } else if (steps && steps[0] && event.target === find("handle")) {
    split(state.split + 2 * steps[0]);
  } else if (steps && steps[0] && event.target !== slider) {
    moveTo(Number(slider.value) + steps[0]);
  } else if (event.key === "Home" || event.key === "End") {
    moveTo(event.key === "Home" ? 0 : data.scales.length - 1);
  } else {
    const act = {
      1: () => choose("grid"), 2: () => choose("divider"), 3: () => choose("difference"),
      m: () => magnify(!state.magnify), s: () => smooth(!document.body.classList.contains("smooth")), x: swap,
    }[event.key.toLowerCase()];
    if (!act) return;
    act();
  }
  event.preventDefault();
}

function buildControls() {
  slider.max = data.scales.length - 1;
  const marked = [...new Set([data.scales[0], ...data.knots, data.scales.at(-1)])];
  for (const scale of marked) {
    const index = data.scales.indexOf(scale), mark = document.createElement("button");
    mark.type = "button";
    mark.textContent = scaleName(scale);
    mark.style.left = `${(100 * index) / Math.max(data.scales.length - 1, 1)}%`;
    mark.title = data.knots.includes(scale) ? "a scale that it was trained at" : "";
    mark.classList.toggle("knot", data.knots.includes(scale));
    mark.addEventListener("click", () => moveTo(index));
    find("marks").append(mark);
  }
  for (const [id, chosen] of [["a", state.a], ["b", state.b]]) {
    data.series.forEach((series, index) => find(id).add(new Option(series.name, index)));
    find(id).value = chosen;
    find(id).addEventListener("change", () => { state[id] = Number(find(id).value); show(); });
  }
  data.series.forEach((series, index) => {
    const entry = document.createElement("span"), line = document.createElement("i");
    line.style.background = colour(index);
    entry.append(line, series.name);
    find("legend").append(entry);
  });
  slider.addEventListener("input", show);
  find("gain").addEventListener("change", show);
  find("swap").addEventListener("click", swap);
  find("magnify").addEventListener("click", () => magnify(!state.magnify));
  find("smooth").addEventListener("click", () => smooth(!document.body.classList.contains("smooth")));
  for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => choose(button.dataset.mode));
  for (const kind of ["pointerdown", "pointermove"]) document.querySelector("main").addEventListener(kind, follow);
  document.addEventListener("keydown", onKey);
  window.addEventListener("resize", drawLenses);
}

async function load(uri) {
  if (!uri) return null;
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}

async function begin() {
  await Promise.all(data.series.map(async (series) => { series.images = await Promise.all(series.frames.map(load)); }));
  data.levels = levels();
  data.series.forEach(buildPanel);
  buildControls();
  slider.value = data.first;
  choose("grid");
  document.body.dataset.ready = "1";
}

begin();
