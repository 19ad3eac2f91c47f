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
  const letters = Math.floor(axis.labelLimit / 7.4);
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

// Leave out the middle of names on the axis, or more of their beginning, until all are told apart.
function shortenNames(rows, letters) {
  for (const field of ["label", "layer"]) {
    const names = [...new Set(rows.map((row) => row[field]).filter((n) => typeof n === "string"))];
    const short = shortened(names, letters);
    for (const row of rows) if (short.has(row[field])) row[field] = short.get(row[field]);
  }
}

function shortened(names, letters) {
  const brief = (name, share) => {
    if (name.length <= letters) return name;
    const tail = Math.min(letters - 1, Math.ceil(share * letters));
    return `${name.slice(0, letters - tail - 1)}\u2026${name.slice(-tail)}`;
  };
  for (const share of [0.6, 0.35, 0.8, 1]) {
    const all = names.map((name) => brief(name, share));
    if (new Set(all).size === names.length) return new Map(names.map((name, i) => [name, all[i]]));
  }
  const taken = new Map();  // by what is shown
  for (const name of names) {
    const free = [1, 0.3, 0.6].map((share) => brief(name, share)).find((text) => !taken.has(text));
    taken.set(free ?? name, name);
  }
  return new Map([...taken].map(([text, name]) => [name, text]));
}

const drawn = [...document.querySelectorAll("[data-chart]")].map((place) =>
  window.vegaEmbed(place, fitted(place), options));

// Tests wait for this, and so does printing.
Promise.all(drawn).then(() => { document.documentElement.dataset.charts = "drawn"; });
