// Draw every chart of the page. Expressions are interpreted, never compiled; tooltips are text.

const specs = JSON.parse(document.getElementById("data-charts").textContent);
const tip = document.getElementById("tip");

function showTip(handler, event, item, value) {
  if (value === null || value === undefined || value === "") {
    tip.hidden = true;
    return;
  }
  const lines = typeof value === "object"
    ? Object.entries(value).map(([name, held]) => `${name}: ${held}`)
    : [String(value)];
  tip.textContent = lines.join("\n");
  tip.hidden = false;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  const left = Math.min(event.clientX + 14, window.innerWidth - width - 8);
  const top = Math.min(event.clientY + 14, window.innerHeight - height - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

const options = {
  ast: true,
  renderer: "svg",
  actions: false,
  defaultStyle: false,
  tooltip: showTip,
};

// A phone leaves names little room: legends do not wrap by themselves, and axes cut off the end of
// a name, which tells layers apart.
function fitted(place) {
  const spec = specs[place.dataset.chart], width = place.clientWidth;
  const axis = spec.config.axis, longest = axis.labelLimit;
  axis.labelLimit = Math.min(longest, Math.round(0.38 * width));
  const letters = Math.floor(axis.labelLimit / 6.5);
  for (const part of [spec, ...(spec.layer || [])]) {
    if (axis.labelLimit < longest) shortenNames(part.data?.values || [], letters);
    fitLegend(part.encoding?.color, width, longest);
  }
  return spec;
}

function fitLegend(colour, width, longest) {
  if (colour?.legend?.orient !== "top" || !colour.scale?.domain) return;
  const letters = Math.max(...colour.scale.domain.map((name) => String(name).length));
  const entry = Math.min(7 * letters, longest) + 30;
  colour.legend.columns = Math.max(1, Math.floor((0.62 * width) / entry));
}

// Leave out the middle of names on the axis; names that would become equal stay as they are.
function shortenNames(rows, letters) {
  const tail = Math.ceil(0.6 * letters), head = letters - tail - 1;
  const brief = (name) => (name.length <= letters ? name
    : `${name.slice(0, head)}\u2026${name.slice(-tail)}`);
  for (const field of ["label", "layer"]) {
    const names = new Set(rows.map((row) => row[field]).filter((name) => typeof name === "string"));
    if (new Set([...names].map(brief)).size < names.size) continue;
    for (const row of rows) if (names.has(row[field])) row[field] = brief(row[field]);
  }
}

const drawn = [...document.querySelectorAll("[data-chart]")].map((place) =>
  window.vegaEmbed(place, fitted(place), options));

// Tests wait for this, and so does printing.
Promise.all(drawn).then(() => { document.documentElement.dataset.charts = "drawn"; });
