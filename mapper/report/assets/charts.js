// Draw every chart of the page. Expressions are interpreted, never compiled, so the page needs no
// eval; tooltips are text.

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

// Legends do not wrap by themselves.
function fitted(place) {
  const spec = specs[place.dataset.chart];
  const legends = [spec, ...(spec.layer || [])].map((part) => part.encoding?.color?.legend);
  for (const legend of legends) {
    if (legend?.orient === "top" && place.clientWidth < 520) legend.columns = 2;
  }
  return spec;
}

const drawn = [...document.querySelectorAll("[data-chart]")].map((place) =>
  window.vegaEmbed(place, fitted(place), options));

// Tests wait for this, and so does printing.
Promise.all(drawn).then(() => { document.documentElement.dataset.charts = "drawn"; });
