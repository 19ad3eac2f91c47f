// Draw every chart of the page. Expressions are interpreted, never compiled; tooltips are text.

const specs = JSON.parse(document.getElementById("data-charts").textContent);
const tip = document.getElementById("tip");

function showTip(handler, event, item, value) {
  if (value === null || value === undefined || value === "") {
    tip.hidden = true;
    return;
  }
  const lines = typeof value === "object"
    ? Object.entries(value).map(([name, held]) => `${name}: ${String(held).replaceAll("\n", "")}`)
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

// Names are put on lines for the width there is, and bars get the room for them. Legends do not wrap
// by themselves. What needs more room than there is scrolls in its own box.
function fitted(place) {
  const spec = specs[place.dataset.chart], least = spec.usermeta?.least || 0;
  if (least > place.clientWidth) {
    spec.width = least;
    place.classList.add("wide");
    place.tabIndex = 0;
  }
  const width = Math.max(least, place.clientWidth);
  const axis = spec.config.axis, longest = axis.labelLimit;
  const room = Math.min(longest, Math.round(0.38 * width));
  axis.labelLimit = 0;
  const names = new Set(), parts = [spec, ...(spec.layer || [])];
  for (const part of parts) {
    wrapNames(part.data?.values || [], Math.floor(room / 7.4), names);
    fitLegend(part.encoding?.color, width, longest);
  }
  const lines = Math.max(1, ...[...names].map((name) => name.split("\n").length));
  if (lines > 1 && spec.height) spec.height = Math.max(spec.height, names.size * (15 * lines + 8));
  return spec;
}

function fitLegend(colour, width, longest) {
  if (colour?.legend?.orient !== "top" || !colour.scale?.domain) return;
  const letters = Math.max(...colour.scale.domain.map((name) => String(name).length));
  const entry = Math.min(7 * letters, longest) + 30;
  colour.legend.columns = Math.max(1, Math.floor((0.62 * width) / entry));
}

function wrapNames(rows, letters, names) {
  for (const row of rows) {
    for (const field of ["label", "layer"]) {
      if (typeof row[field] !== "string") continue;
      row[field] = wrapped(row[field], letters);
      names.add(row[field]);
    }
  }
}

// As mapper/report/charts/wrapping.py: no character is left out.
function wrapped(name, letters) {
  const lines = [""];
  for (let piece of name.match(/[^ /._:-]*[ /._:-]?/g)) {
    const last = () => lines[lines.length - 1], long = () => piece.trimEnd().length;
    if (last().length + long() > letters && last()) lines.push("");
    while (last().length + long() > letters) {
      const room = letters - last().length;
      lines[lines.length - 1] += piece.slice(0, room);
      piece = piece.slice(room);
      lines.push("");
    }
    lines[lines.length - 1] += piece;
  }
  return lines.join("\n");
}

const drawn = [...document.querySelectorAll("[data-chart]")].map(async (place) => {
  place.view = (await window.vegaEmbed(place, fitted(place), options)).view;
});

// Other scripts of a page wait for this; so do tests, and printing.
Promise.all(drawn).then(() => {
  document.documentElement.dataset.charts = "drawn";
  document.dispatchEvent(new Event("charts-drawn"));
});
