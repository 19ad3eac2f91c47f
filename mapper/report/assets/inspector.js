// The crossbar inspector: the level of every cell of a crossbar, its weights and references.
// Cells come packed: a row of bits for each wordline, on it whole weights side by side, of a weight
// its slices from the lowest, of a pair the plus and then the minus cell.

const held = JSON.parse(document.getElementById("data-inspector").textContent);
const pick = (name) => document.getElementById(name);

if (held.kept > 0) {
  const [layerList, blockList, sliceList] = ["cell-layer", "cell-block", "cell-slice"].map(pick);
  const told = pick("cell-told"), one = pick("cell-one"), canvas = pick("cells");
  const pen = canvas.getContext("2d"), key = pick("cell-key"), tables = pick("cell-references");
  const ON = "#2f6db5", MINUS = "#d0682a", OFF = "#8883";

  let layer, crossbar, levels, wide, high, size = 8, chosen = [0, 0];

  const outputsOf = (block) => layer.columns[block][1] - layer.columns[block][0];
  const rowsOf = (block) => layer.rows[block][1] - layer.rows[block][0];
  const perSlice = () => (layer.pairs ? 2 : 1);
  const perWeight = () => perSlice() * layer.significances.length;
  const slice = () => Number(sliceList.value);

  function option(list, text, value) { list.add(new Option(text, String(value))); }

  function showLayer() {
    layer = held.layers[Number(layerList.value)];
    blockList.replaceChildren();
    layer.crossbars.forEach(({ row, column }, i) => option(blockList, `${row}, ${column}`, i));
    const before = sliceList.value;
    sliceList.replaceChildren();
    layer.significances.forEach((s, i) => option(sliceList, `slice ${i}, counts ${s}`, i));
    option(sliceList, "all bitlines as written", -1);
    if ([...sliceList.options].some((o) => o.value === before)) sliceList.value = before;
    showBlock();
  }

  // Levels of all cells, row after row.
  function unpack({ row, column, cells }) {
    const bytes = Uint8Array.from(atob(cells), (c) => c.charCodeAt(0));
    const count = outputsOf(column) * perWeight();
    const stride = Math.ceil(count * layer.cellBits / 8);
    const made = new Uint8Array(rowsOf(row) * count);
    for (let r = 0; r < rowsOf(row); r++) {
      for (let c = 0; c < count; c++) {
        let level = 0;
        for (let b = 0; b < layer.cellBits; b++) {
          const bit = c * layer.cellBits + b;
          level = 2 * level + (bytes[r * stride + (bit >> 3)] >> (7 - (bit & 7)) & 1);
        }
        made[r * count + c] = level;
      }
    }
    return made;
  }

  function showBlock() {
    crossbar = layer.crossbars[Number(blockList.value)];
    levels = unpack(crossbar);
    const [r0, r1] = layer.rows[crossbar.row], [c0, c1] = layer.columns[crossbar.column];
    told.textContent = `${layer.name}: wordlines ${r0} to ${r1 - 1}, outputs ${c0} to ${c1 - 1}; `
      + `${layer.weightBits}-bit ${layer.encoding} weights on ${layer.cells}, read by `
      + `${layer.readout}. ${layer.crossbars.length} of ${layer.rows.length * layer.columns.length} `
      + (layer.turns > 1 ? "row blocks" : "crossbars") + " of this layer are in the page.";
    showReferences();
    showSlice();
  }

  function showSlice() {
    const count = outputsOf(crossbar.column);
    wide = slice() < 0 ? count * perWeight() : count;
    high = rowsOf(crossbar.row);
    chosen = [Math.min(chosen[0], wide - 1), Math.min(chosen[1], high - 1)];
    draw();
    showKey();
  }

  function level(row, bitline) { return levels[row * outputsOf(crossbar.column) * perWeight() + bitline]; }

  // The digit of a weight in a slice: signed where cells are pairs.
  function digit(row, output, at) {
    const first = output * perWeight() + at * perSlice();
    return layer.pairs ? level(row, first) - level(row, first + 1) : level(row, first);
  }

  function weight(row, output) {
    return layer.significances.reduce((sum, s, i) => sum + s * digit(row, output, i), layer.offset);
  }

  function shown(row, column) {
    return slice() < 0 ? level(row, column) : digit(row, column, slice());
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const room = Math.max(120, canvas.parentElement.clientWidth);
    size = Math.max(2, Math.min(16, Math.floor(Math.min(room / wide, 480 / high))));
    canvas.style.width = `${wide * size}px`;
    canvas.style.height = `${high * size}px`;
    canvas.width = wide * size * ratio;
    canvas.height = high * size * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const gap = size > 4 ? 1 : 0, most = layer.top;
    for (let r = 0; r < high; r++) {
      for (let c = 0; c < wide; c++) {
        const value = shown(r, c);
        pen.fillStyle = OFF;
        pen.fillRect(c * size, r * size, size - gap, size - gap);
        if (!value) continue;
        pen.globalAlpha = 0.25 + 0.75 * Math.abs(value) / most;
        pen.fillStyle = value > 0 ? ON : MINUS;
        pen.fillRect(c * size, r * size, size - gap, size - gap);
        pen.globalAlpha = 1;
      }
    }
    const [c, r] = chosen;
    pen.lineWidth = 3; pen.strokeStyle = "#fff"; pen.strokeRect(c * size, r * size, size, size);
    pen.lineWidth = 1; pen.strokeStyle = "#000"; pen.strokeRect(c * size, r * size, size, size);
  }

  function read(row, column) {
    const bitline = slice() < 0;
    const output = bitline ? Math.floor(column / perWeight()) : column;
    const [r0] = layer.rows[crossbar.row], [c0] = layer.columns[crossbar.column];
    const what = bitline ? `bitline ${column} holds ${level(row, column)}`
      : `slice ${slice()} holds ${digit(row, output, slice())}`;
    const own = layer.group, place = own && [Math.floor(row / own.rows), Math.floor(output / own.outputs)];
    const told = own && place[0] !== place[1] ? "the wordline is of another group"
      : `the weight is ${weight(row, output)}`;
    return `wordline ${r0 + row}, output ${c0 + output}: ${what}; ${told}`;
  }

  function point(column, row) {
    chosen = [Math.min(Math.max(column, 0), wide - 1), Math.min(Math.max(row, 0), high - 1)];
    one.textContent = read(chosen[1], chosen[0]);
    draw();
  }

  function showKey() {
    key.replaceChildren();
    const kinds = slice() >= 0 && layer.pairs ? [[ON, "plus"], [MINUS, "minus"], [OFF, "0"]]
      : [[ON, layer.cellBits > 1 ? "level, darker is more" : "1"], [OFF, "0"]];
    for (const [paint, text] of kinds) {
      const item = document.createElement("span"), swatch = document.createElement("i");
      swatch.style.background = paint;
      item.append(swatch, text);
      key.append(item);
    }
  }

  // --- references ------------------------------------------------------------------------

  function paragraph(text) {
    const made = document.createElement("p");
    made.textContent = text;
    tables.append(made);
  }

  function showReferences() {
    tables.replaceChildren();
    const names = Object.keys(crossbar.references);
    if (!names.length) paragraph(`The readout (${layer.readout}) takes every partial sum `
      + "as it is.");
    if (layer.halfActive) paragraph("Sums are compared with half of what the active wordlines could "
      + "give, plus these thresholds.");
    for (const name of names) showReference(name, crossbar.references[name]);
  }

  function showReference(name, values) {
    const alike = new Set(values.flat()).size === 1;
    if (alike) { paragraph(`${name}: ${values[0][0]} for every slice and output`); return; }
    const table = document.createElement("table"), head = table.createTHead().insertRow();
    const outputs = Math.max(...values.map((row) => row.length));
    const [c0] = layer.columns[crossbar.column];
    const cell = (row, text, tag = "td") => {
      const made = document.createElement(tag);
      made.textContent = text;
      if (tag === "th") made.scope = row === head ? "col" : "row";
      row.append(made);
    };
    cell(head, name, "th");
    values.forEach((_, i) => cell(head, values.length === 1 ? "every slice" : `slice ${i}`, "th"));
    const body = table.createTBody();
    for (let n = 0; n < outputs; n++) {
      const row = body.insertRow();
      cell(row, outputs === 1 ? "every output" : `output ${c0 + n}`, "th");
      for (const row_values of values) cell(row, row_values[n]);
    }
    const frame = document.createElement("div");
    frame.className = "scroll tall";
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", name);
    frame.append(table);
    tables.append(frame);
  }

  // --- events ----------------------------------------------------------------------------

  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const move = KEYS[event.key];
    if (!move) return;
    event.preventDefault();
    point(chosen[0] + move[0], chosen[1] + move[1]);
  });
  canvas.addEventListener("pointermove", (event) =>
    point(Math.floor(event.offsetX / size), Math.floor(event.offsetY / size)));

  document.addEventListener("crossbar-chosen", ({ detail }) => {
    const at = held.layers.findIndex(({ name }) => name === detail.name);
    if (at < 0) return;
    if (layerList.value !== String(at)) { layerList.value = String(at); showLayer(); }
    const block = layer.crossbars.findIndex(({ row, column }) =>
      Math.floor(row / layer.turns) === detail.row && column === detail.column);
    if (block >= 0) { blockList.value = String(block); showBlock(); }
    else told.textContent = `${detail.name}: the crossbar of row block ${detail.row} and column `
      + `block ${detail.column} is not in this page; another one of the layer is shown.`;
    if (detail.open) { pick("crossbar").scrollIntoView(); canvas.focus(); }
  });

  held.layers.forEach(({ name, crossbars }, i) => {
    if (crossbars.length) option(layerList, name, i);
  });
  layerList.addEventListener("change", showLayer);
  blockList.addEventListener("change", showBlock);
  sliceList.addEventListener("change", showSlice);
  new ResizeObserver(draw).observe(canvas.parentElement);
  showLayer();
}
