// Choose a point and see all of it; drag over points and follow them over the axes.

const points = JSON.parse(document.getElementById("data-points").textContent);
const byNumber = new Map(points.map((point) => [point.number, point]));
const part = (name) => document.getElementById(name);
const choice = part("point-choice");

function made(tag, text, kind) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function pairs(place, rows) {
  place.replaceChildren(...rows.flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
}

function moved([axis, to, number, told]) {
  const row = document.createElement("tr"), head = made("th", axis), go = made("td", "");
  head.scope = "row";
  const button = made("button", String(number));
  button.type = "button";
  button.setAttribute("aria-label", `See point ${number}`);
  button.addEventListener("click", () => show(number));
  go.append(button);
  row.append(head, made("td", to, "text"), made("td", told, "wrap"), go);
  return row;
}

function list(name, lines) {
  part(name).replaceChildren(...lines.map((line) => made("li", line)));
}

function show(number) {
  const point = byNumber.get(number);
  choice.value = String(number);
  part("point-state").textContent = `Point ${number}: ${point.state}`;
  pairs(part("point-axes"), point.point);
  pairs(part("point-measured"), point.measured);
  part("point-moves").replaceChildren(...point.moves.map(moved));
  part("point-no-moves").hidden = point.moves.length > 0;
  list("point-facts", point.facts);
  list("point-chip", point.chip);
  part("point-no-chip").hidden = point.chip.length > 0;
  part("point-command").textContent = point.command;
  part("point-command").hidden = point.command === "";
  part("point-no-command").hidden = point.command !== "";
  part("point-build").textContent = `--build ${number}`;
  follow([number]);
}

// --- following points over the axes ----------------------------------------------------------------

let parallel = null;
const fronts = [];

function follow(numbers) {
  parallel?.signal("brushed", numbers).run();
  const clear = part("brush-clear");
  if (clear) clear.hidden = numbers.length === 0;
}

function inside([low, high], value) {
  return value >= Math.min(low, high) && value <= Math.max(low, high);
}

function brushed(place, reach) {
  if (!reach.x || !reach.y) return;
  const rows = place.rows.filter(({ x, y }) => inside(reach.x, x) && inside(reach.y, y));
  follow(rows.map(({ number }) => number));
  part("brush-told").textContent = `${rows.length} of ${place.rows.length} points are followed.`;
}

function drawn() {
  const specs = JSON.parse(part("data-charts").textContent);
  for (const place of document.querySelectorAll("[data-chart]")) {
    const name = place.dataset.chart, view = place.view;
    if (name === "parallel") parallel = view;
    if (!name.startsWith("front-")) continue;
    const front = { view, rows: specs[name].data.values };
    fronts.push(front);
    view.addSignalListener("brush", (_, reach) => brushed(front, reach));
    view.addEventListener("click", (_, item) => {
      if (byNumber.has(item?.datum?.number)) show(item.datum.number);
    });
  }
  parallel?.addEventListener("click", (_, item) => {
    const number = item?.datum?.number;
    if (byNumber.has(number)) show(number);
  });
  if (points.length) follow([]);
}

part("brush-clear")?.addEventListener("click", () => {
  follow([]);
  part("brush-told").textContent = "";
});

choice.replaceChildren(...points.map(({ number, front, point }) => {
  const where = point.map(([name, value]) => `${name} ${value}`).join(", ");
  const option = made("option", `${number}${front ? " (front)" : ""}: ${where}`);
  option.value = String(number);
  return option;
}));
choice.addEventListener("change", () => show(Number(choice.value)));
if (points.length) show(points[0].number);
else part("point").hidden = true;

if (document.documentElement.dataset.charts === "drawn") drawn();
else document.addEventListener("charts-drawn", drawn);
