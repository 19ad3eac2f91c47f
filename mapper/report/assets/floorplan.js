// The floorplan: every crossbar of a round, coloured by layer, by used cells or by activity.
// Slots are numbered through tiles and chips; a layer fills its slots copy after copy, in a copy
// column block after column block, in a column block row block after row block.

const plan = JSON.parse(document.getElementById("data-floorplan").textContent);
const canvas = document.getElementById("plan");
const pen = canvas.getContext("2d");
const tip = document.getElementById("tip");
const told = document.getElementById("plan-told");
const key = document.getElementById("plan-key");
const colour = document.getElementById("plan-colour");
const round = document.getElementById("plan-round");

const GAP = plan.gap;   // between tiles, in crossbars
const CHIP_GAP = 3;     // between chips
const LARGEST = 60;     // a crossbar, in pixels
const EDGE = "#8888";   // seen on light and on dark
const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

const across = plan.tileColumns;
const down = Math.ceil(plan.tiles / across);
const inner = plan.crossbarColumns;
const innerDown = Math.ceil(plan.perTile / inner);
const chipWide = across * (inner + GAP) - GAP;
const chipHigh = down * (innerDown + GAP) - GAP;
const perChip = plan.tiles * plan.perTile;

let corners = new Float32Array(0);  // x and y of every slot in use
let brushes = [];                   // colours of the blocks of every layer
let layers = [], end = 0, chips = 1, chipsAcross = 1, largest = 1;
let scale = 10, left = 0, top = 0, chosen = -1, waiting = false;

function grid(layer) { return layer.rows.length * layer.columns.length; }

function useRound() {
  layers = plan.layers.filter((layer) => layer.round === Number(round.value || 0));
  end = Math.max(0, ...layers.map((layer) => layer.start + grid(layer) * layer.copies));
  chips = Math.max(1, Math.ceil(end / perChip));
  chipsAcross = Math.ceil(Math.sqrt(chips));
  largest = Math.max(1e-9, ...layers.flatMap((layer) => (layer.activity || [[0]]).flat()));
  chosen = -1;
  corners = new Float32Array(2 * end);
  for (let slot = 0; slot < end; slot++) corners.set(corner(slot), 2 * slot);
  mix();
  fitUsed();
}

// Where a slot is: its column and row among all crossbars of its chip, and its corner.
function place(slot) {
  const chip = Math.floor(slot / perChip), inChip = slot % perChip;
  const tile = Math.floor(inChip / plan.perTile), at = inChip % plan.perTile;
  const column = tile % across, row = Math.floor(tile / across);
  const x = column * (inner + GAP) + at % inner;
  const y = row * (innerDown + GAP) + Math.floor(at / inner);
  return {
    chip,
    column: column * inner + at % inner,
    row: row * innerDown + Math.floor(at / inner),
    x: x + (chip % chipsAcross) * (chipWide + CHIP_GAP),
    y: y + Math.floor(chip / chipsAcross) * (chipHigh + CHIP_GAP),
  };
}

function corner(slot) { const { x, y } = place(slot); return [x, y]; }

function slotIn(chip, column, row) {
  if (column < 0 || row < 0 || column >= across * inner || row >= down * innerDown) return -1;
  const tile = Math.floor(row / innerDown) * across + Math.floor(column / inner);
  const at = (row % innerDown) * inner + column % inner;
  if (tile >= plan.tiles || at >= plan.perTile) return -1;
  return chip * perChip + tile * plan.perTile + at;
}

function slotAt(px, py) {
  const x = px / scale + left, y = py / scale + top;
  const chipColumn = Math.floor(x / (chipWide + CHIP_GAP));
  const chipRow = Math.floor(y / (chipHigh + CHIP_GAP));
  const chip = chipRow * chipsAcross + chipColumn;
  if (chipColumn < 0 || chipColumn >= chipsAcross || chipRow < 0 || chip >= chips) return -1;
  const inX = x - chipColumn * (chipWide + CHIP_GAP), inY = y - chipRow * (chipHigh + CHIP_GAP);
  const tileColumn = Math.floor(inX / (inner + GAP)), tileRow = Math.floor(inY / (innerDown + GAP));
  const column = Math.floor(inX - tileColumn * (inner + GAP));
  const row = Math.floor(inY - tileRow * (innerDown + GAP));
  if (column >= inner || row >= innerDown) return -1;
  return slotIn(chip, tileColumn * inner + column, tileRow * innerDown + row);
}

function holder(slot) {
  const index = layers.findIndex((layer) =>
    slot >= layer.start && slot < layer.start + grid(layer) * layer.copies);
  if (index < 0) return null;
  const layer = layers[index], inCopy = (slot - layer.start) % grid(layer);
  return {
    layer, index,
    copy: Math.floor((slot - layer.start) / grid(layer)),
    columnBlock: Math.floor(inCopy / layer.rows.length),
    rowBlock: inCopy % layer.rows.length,
  };
}

function usedCells(layer, rowBlock, columnBlock) {
  const own = layer.rows[rowBlock] / layer.packed;  // of a column: those of its group
  return own * layer.columns[columnBlock] / (layer.wordlines * layer.bitlines);
}

function activity(layer, rowBlock, columnBlock) {
  return layer.activity ? layer.activity[layer.group[columnBlock]][rowBlock] : 0;
}

function shade(value) {
  const at = Math.min(Math.max(value, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  const mix = STOPS[low].map((from, i) => Math.round(from + (STOPS[low + 1][i] - from) * (at - low)));
  return `rgb(${mix.join(",")})`;
}

// Neighbours differ in lightness as well, for who sees no hues.
function hue(index) { return `hsl(${(index * 137.5 + 210) % 360} 52% ${[38, 66, 50][index % 3]}%)`; }

// Colours are worked out when they change, not for every frame.
function mix() { brushes = layers.map(paints); }
// Of a layer's blocks, in the order in which they fill a copy.
function paints(layer, index) {
  const made = [];
  for (let c = 0; c < layer.columns.length; c++) {
    for (let r = 0; r < layer.rows.length; r++) {
      if (colour.value === "cells") made.push(shade(usedCells(layer, r, c)));
      else if (colour.value === "activity") made.push(shade(activity(layer, r, c) / largest));
      else made.push(hue(index));
    }
  }
  return made;
}

function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  const wide = canvas.clientWidth, high = canvas.clientHeight;
  if (canvas.width !== Math.round(wide * ratio)) canvas.width = Math.round(wide * ratio);
  if (canvas.height !== Math.round(high * ratio)) canvas.height = Math.round(high * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  drawTiles(wide, high);
  const gap = scale > 5 ? 1 : 0;
  layers.forEach((layer, index) => {
    const colours = brushes[index], count = colours.length * layer.copies;
    let last = "";
    for (let i = 0; i < count; i++) {
      const slot = layer.start + i;
      const px = (corners[2 * slot] - left) * scale, py = (corners[2 * slot + 1] - top) * scale;
      if (px < -scale || py < -scale || px > wide || py > high) continue;
      const paint = colours[i % colours.length];
      if (paint !== last) pen.fillStyle = last = paint;
      pen.fillRect(px, py, scale - gap, scale - gap);
    }
  });
  if (colour.value === "layer") nameLayers(wide, high);
  drawChosen();
}

// Every layer's name on crossbars of its own, where it has room.
function nameLayers(wide, high) {
  const look = { font: "12px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" };
  Object.assign(pen, look, { lineWidth: 3, strokeStyle: "#fff", fillStyle: "#000" });
  const taken = [];
  for (const layer of layers) {
    const { chip, middle, line, length } = layer.nameAt;
    const { x, y } = place(chip * perChip);
    const px = (x + middle - left) * scale, py = (y + line - top) * scale, room = length * scale;
    const half = pen.measureText(layer.name).width / 2;
    if (room < 2 * half + 4 || px < half || py < 6 || px > wide - half || py > high - 6) continue;
    if (taken.some((other) => Math.abs(other.py - py) < 14
      && Math.abs(other.px - px) < half + other.half + 4)) continue;
    taken.push({ px, py, half });
    pen.strokeText(layer.name, px, py);
    pen.fillText(layer.name, px, py);
  }
}

function drawTiles(wide, high) {
  pen.strokeStyle = EDGE;
  pen.lineWidth = 1;
  const step = scale * (inner + GAP);
  for (let chip = 0; chip < chips; chip++) {
    const first = place(chip * perChip);
    const x = (first.x - left) * scale, y = (first.y - top) * scale;
    pen.strokeRect(x - 2, y - 2, chipWide * scale + 4, chipHigh * scale + 4);
    if (step < 6) continue;
    pen.beginPath();
    for (let tile = 0; tile < plan.tiles; tile++) {
      const corner = place(chip * perChip + tile * plan.perTile);
      const px = (corner.x - left) * scale, py = (corner.y - top) * scale;
      if (px < -step || py < -step || px > wide || py > high) continue;
      pen.rect(px - 0.5, py - 0.5, inner * scale, innerDown * scale);
    }
    pen.stroke();
  }
}

function drawChosen() {
  if (chosen < 0) return;
  const [x, y] = corner(chosen), px = (x - left) * scale, py = (y - top) * scale;
  const size = Math.max(scale, 6);
  for (const look of [{ lineWidth: 5, strokeStyle: "#fff" }, { lineWidth: 2, strokeStyle: "#000" }]) {
    Object.assign(pen, look);
    pen.strokeRect(px - 1, py - 1, size + 1, size + 1);
  }
}

function later() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(draw);
}

// --- what is seen ------------------------------------------------------------------------

// The canvas is as high as what is shown needs at its width, up to what the style sheet gives it.
function fit(x0, y0, x1, y1) {
  canvas.style.height = "";
  const wide = Math.max(canvas.clientWidth, 1), most = Math.max(canvas.clientHeight, 1);
  scale = Math.min(wide / (x1 - x0 + 1), most / (y1 - y0 + 1), LARGEST);
  const high = Math.max(60, Math.ceil(scale * (y1 - y0 + 1)));
  canvas.style.height = `${high}px`;
  left = (x0 + x1 - wide / scale) / 2;
  top = (y0 + y1 - high / scale) / 2;
  later();
}

function fitUsed() {
  if (end > perChip) { fitAll(); return; }
  const tiles = Math.max(1, Math.ceil(end / plan.perTile));
  fit(0, 0, Math.min(tiles, across) * (inner + GAP) - GAP,
    Math.ceil(tiles / across) * (innerDown + GAP) - GAP);
}

function fitAll() {
  const rows = Math.ceil(chips / chipsAcross);
  fit(0, 0, chipsAcross * (chipWide + CHIP_GAP) - CHIP_GAP, rows * (chipHigh + CHIP_GAP) - CHIP_GAP);
}

function zoom(factor, px = canvas.clientWidth / 2, py = canvas.clientHeight / 2) {
  const next = Math.min(Math.max(scale * factor, 0.5), LARGEST);
  left += px / scale - px / next;
  top += py / scale - py / next;
  scale = next;
  later();
}

function describe(slot) {
  const chip = Math.floor(slot / perChip), tile = Math.floor(slot % perChip / plan.perTile);
  const where = `slot ${slot}, chip ${chip}, tile ${tile}`;
  const found = holder(slot);
  if (!found) return `Empty: ${where}`;
  const { layer, copy, rowBlock, columnBlock } = found;
  const lines = [
    `${layer.name}: row block ${rowBlock} of ${layer.rows.length}, `
      + `column block ${columnBlock} of ${layer.columns.length}`,
    `copy ${copy + 1} of ${layer.copies}; ${where}`,
    `macro ${layer.macro}, ${layer.weightBits}-bit weights`,
    `${layer.rows[rowBlock]} of ${layer.wordlines} wordlines, ${layer.columns[columnBlock]} of `
      + `${layer.bitlines} bitlines: ${percent(usedCells(layer, rowBlock, columnBlock))} of the cells`,
  ];
  if (layer.packed > 1) lines.push(`${layer.packed} groups on its block diagonal, or what is left`);
  if (layer.activity) {
    lines.push(`${percent(activity(layer, rowBlock, columnBlock))} of its wordlines active`);
  }
  return lines.join("\n");
}

function percent(share) { return `${Number((100 * share).toPrecision(3))} %`; }
function choose(slot, open) {
  chosen = slot;
  told.textContent = slot < 0 ? "No crossbar chosen." : describe(slot).replaceAll("\n", "; ");
  const found = slot < 0 ? null : holder(slot);
  if (found) {
    const detail = { name: found.layer.name, row: found.rowBlock, column: found.columnBlock, open };
    document.dispatchEvent(new CustomEvent("crossbar-chosen", { detail }));
  }
  later();
}

function keepInView() {
  const { x, y } = place(chosen);
  const wide = canvas.clientWidth / scale, high = canvas.clientHeight / scale;
  if (x < left) left = x - 1;
  if (x + 1 > left + wide) left = x + 2 - wide;
  if (y < top) top = y - 1;
  if (y + 1 > top + high) top = y + 2 - high;
}

function step(columns, rows) {
  if (chosen < 0) { choose(0, false); return; }
  const { chip, column, row } = place(chosen);
  const next = slotIn(chip, column + columns, row + rows);
  if (next >= 0) choose(next, false);
  keepInView();
}

// --- keys, pointer -----------------------------------------------------------------------
const KEYS = {
  ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0),
  ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
  "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5),
  0: fitAll, Enter: () => choose(Math.max(chosen, 0), true),
};

canvas.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});

let held = null;
canvas.addEventListener("pointerdown", (event) => {
  held = { x: event.clientX, y: event.clientY, moved: false };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (held) drag(event);
  else hover(event);
});
canvas.addEventListener("pointerup", (event) => {
  if (held && !held.moved) {
    const slot = slotAt(event.offsetX, event.offsetY);
    if (slot >= 0) choose(slot, false);
  }
  held = null;
});
canvas.addEventListener("pointercancel", () => { held = null; });
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("dblclick", () => { if (chosen >= 0) choose(chosen, true); });
canvas.addEventListener("wheel", (event) => {
  // A page that is scrolled past does not zoom.
  if (document.activeElement !== canvas && !event.ctrlKey) return;
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
}, { passive: false });

function drag(event) {
  const dx = event.clientX - held.x, dy = event.clientY - held.y;
  if (!held.moved && Math.abs(dx) + Math.abs(dy) < 4) return;
  Object.assign(held, { x: event.clientX, y: event.clientY, moved: true });
  left -= dx / scale;
  top -= dy / scale;
  tip.hidden = true;
  later();
}

function hover(event) {
  const slot = slotAt(event.offsetX, event.offsetY);
  tip.hidden = slot < 0;
  if (slot < 0) return;
  tip.textContent = describe(slot);
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
}

// --- key of colours ----------------------------------------------------------------------
function showKey() {
  key.replaceChildren();
  if (colour.value !== "layer") {
    const most = colour.value === "cells" ? 1 : largest;
    for (let i = 0; i <= 4; i++) addKey(shade(i / 4), percent(most * i / 4));
    return;
  }
  layers.slice(0, 60).forEach((layer, index) => addKey(hue(index), layer.name));
}

function addKey(paint, text) {
  const item = document.createElement("span"), swatch = document.createElement("i");
  swatch.style.background = paint;
  item.append(swatch, text);
  key.append(item);
}

colour.querySelector("[value=activity]").disabled = !plan.measured;
for (let i = 0; i < plan.rounds; i++) round.add(new Option(String(i), String(i)));
document.getElementById("plan-rounds").hidden = plan.rounds < 2;
round.addEventListener("change", () => { useRound(); showKey(); });
colour.addEventListener("change", () => { mix(); showKey(); later(); });
document.getElementById("plan-in").addEventListener("click", () => zoom(1.5));
document.getElementById("plan-out").addEventListener("click", () => zoom(1 / 1.5));
document.getElementById("plan-used").addEventListener("click", fitUsed);
document.getElementById("plan-all").addEventListener("click", fitAll);
new ResizeObserver(later).observe(canvas);
useRound();
showKey();
