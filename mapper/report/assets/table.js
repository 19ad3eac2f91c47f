// The table of layers: sort by a column, find a layer, take the shown rows as CSV.

const table = document.getElementById("layer-table");
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
const find = document.getElementById("layer-find");
const macro = document.getElementById("layer-macro");
const count = document.getElementById("layer-count");

function valueOf(row, column) {
  const held = row.cells[column].dataset.value;
  return heads[column].dataset.kind === "number" ? Number(held) : held;
}

function sortBy(column) {
  const head = heads[column];
  const numeric = head.dataset.kind === "number";
  const was = head.getAttribute("aria-sort");
  // The largest number is what one looks for; names begin with A.
  const rising = was ? was === "descending" : !numeric;
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const compare = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b);
  const rows = [...body.rows].sort((a, b) => {
    const order = compare(valueOf(a, column), valueOf(b, column));
    return rising ? order : -order;
  });
  body.append(...rows);
}

heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sortBy(column));
  head.replaceChildren(button);
});

function filter() {
  const wanted = find.value.trim().toLowerCase();
  const kind = macro.value;
  const at = heads.findIndex((head) => head.dataset.key === "macro");
  let shown = 0;
  for (const row of body.rows) {
    const named = row.cells[0].dataset.value.toLowerCase().includes(wanted);
    row.hidden = !named || (kind !== "" && row.cells[at].dataset.value !== kind);
    shown += !row.hidden;
  }
  count.textContent = `${shown} of ${body.rows.length} layers`;
}

// A text that begins like a formula is kept from being one in a spreadsheet.
function quoted(text) {
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function intervals() {
  const first = body.rows[0];
  return heads.map((_, column) => first !== undefined && "low" in first.cells[column].dataset);
}

function csv() {
  const wide = intervals();
  const names = heads.flatMap(({ dataset: { key } }, i) =>
    wide[i] ? [key, `${key}_low`, `${key}_high`] : [key]);
  const rows = [...body.rows].filter((row) => !row.hidden).map((row) =>
    [...row.cells].flatMap(({ dataset }, i) =>
      wide[i] ? [dataset.value, dataset.low, dataset.high] : [dataset.value]));
  return [names, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

document.getElementById("layer-csv").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = table.dataset.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
find.addEventListener("input", filter);
macro.addEventListener("change", filter);
filter();
