"use strict";
// Tables: a click on a heading sorts by its column, a second one the other way round.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const each of head.parentElement.cells) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => {
      const cell = row.cells[head.cellIndex];
      return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent;
    };
    const compare = (a, b) =>
      typeof a === "number" && typeof b === "number"
        ? a - b
        : String(a).localeCompare(String(b), undefined, { numeric: true });
    const empty = (row) => row.cells[head.cellIndex].textContent === "";
    const rows = [...body.rows].sort(
      (a, b) => empty(a) - empty(b) || (down ? -1 : 1) * compare(value(a), value(b)),
    );
    body.append(...rows);
  });
}

// Pictures: plotly draws them, those near the window first. What follows tells it what to.
let figures;
const charts = [...document.querySelectorAll(".chart")];
const drawn = new Set();
const hidden = new Set();
const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
if (innerWidth < 640) config.displayModeBar = false;

function look() {
  const style = getComputedStyle(document.documentElement);
  const [ink, line, paper] = ["--ink", "--line", "--paper"].map((n) => style.getPropertyValue(n).trim());
  const axis = (name) => ({
    [`${name}.gridcolor`]: line, [`${name}.linecolor`]: line, [`${name}.tickcolor`]: line,
  });
  return {
    "font.color": ink, "font.size": 12, "font.family": getComputedStyle(document.body).fontFamily,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    "hoverlabel.bgcolor": paper, "hoverlabel.font.color": ink, "hoverlabel.bordercolor": line,
    "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": line, "modebar.activecolor": ink,
    ...axis("xaxis"), ...axis("yaxis"),
  };
}

function themed(layout) {
  const copy = structuredClone(layout);
  for (const [path, value] of Object.entries(look())) {
    const keys = path.split(".");
    const last = keys.pop();
    keys.reduce((tree, key) => (tree[key] ??= {}), copy)[last] = value;
  }
  for (const menu of copy.updatemenus ?? []) Object.assign(menu, menuLook());
  return copy;
}

function menuLook() {
  const style = getComputedStyle(document.documentElement);
  return { bgcolor: style.getPropertyValue("--shade").trim(), bordercolor: style.getPropertyValue("--line").trim() };
}

async function draw(chart) {
  if (drawn.has(chart)) return;
  drawn.add(chart);
  const figure = figures[chart.dataset.figure];
  const data = figure.data.map((t) => ({ ...t, visible: !hidden.has(t.meta) }));
  await Plotly.newPlot(chart, data, themed(figure.layout), config);
  const behind = chart.parentElement.querySelector(".behind");
  if (behind === null) return;
  const show = (key) => {
    const cell = figure.behind[key] ?? figure.behind[key.split("|").reverse().join("|")];
    if (cell === undefined) return;
    drawn.add(behind);
    Plotly.react(behind, cell.data, themed(cell.layout), config);
  };
  show(Object.keys(figure.behind)[0]);
  chart.on("plotly_click", (event) => show(`${event.points[0].x}|${event.points[0].y}`));
}

function repaint() {
  for (const chart of drawn) {
    const changes = look();
    (chart.layout?.updatemenus ?? []).forEach((_, i) => {
      for (const [k, v] of Object.entries(menuLook())) changes[`updatemenus[${i}].${k}`] = v;
    });
    if (chart.layout) Plotly.relayout(chart, changes);
  }
}

for (const box of document.querySelectorAll("[data-kind]")) {
  box.addEventListener("change", () => {
    hidden[box.checked ? "delete" : "add"](box.dataset.kind);
    for (const chart of drawn) {
      const own = (chart.data ?? []).flatMap((t, i) => (t.meta === box.dataset.kind ? [i] : []));
      if (own.length) Plotly.restyle(chart, { visible: box.checked }, own);
    }
  });
}

// Light and dark: the system's, or the reader's choice; paper is light.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => {
  const dark = (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  root.dataset.theme = dark ? "light" : "dark";
  repaint();
});
system.addEventListener("change", repaint);
let chosen;
addEventListener("beforeprint", () => {
  chosen = root.dataset.theme;
  root.dataset.theme = "light";
  if (window.Plotly) charts.forEach(draw);
  repaint();
  // So that the style for paper can scale them.
  for (const svg of document.querySelectorAll(".main-svg")) {
    svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
  }
});
addEventListener("afterprint", () => {
  for (const svg of document.querySelectorAll(".main-svg")) svg.removeAttribute("viewBox");
  if (chosen === undefined) delete root.dataset.theme;
  else root.dataset.theme = chosen;
  repaint();
});

async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// Programs that print a page, or take a picture of it, wait until it is loaded: it is not while a
// document within it is open.
function unfinished() {
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.hidden = true;
  frame.contentDocument.open();
  return () => {
    frame.contentDocument.close();
    frame.remove();
  };
}

// After the first paint: unpack plotly's script and the figures, then draw.
async function start() {
  figures = JSON.parse(await unpacked("figures"));
  const script = document.createElement("script");
  script.text = await unpacked("plotly");
  document.head.append(script);
  const near = new IntersectionObserver(
    (entries) => entries.filter((e) => e.isIntersecting).forEach((e) => draw(e.target)),
    { rootMargin: "800px" },
  );
  charts.forEach((chart) => near.observe(chart));
  root.dataset.ready = "yes";
  await drawRest();
}

// The others follow, one at a time, while there is nothing else to do: a picture of the whole page
// has them all.
async function drawRest() {
  const idle = window.requestIdleCallback ?? setTimeout;
  for (const chart of charts) {
    if (drawn.has(chart)) continue;
    await new Promise((go) => idle(go));
    await draw(chart);
  }
  root.dataset.drawn = "all";
}
if (charts.length) {
  const finish = unfinished();
  requestAnimationFrame(() => setTimeout(() => start().finally(finish)));
} else root.dataset.ready = "yes";
