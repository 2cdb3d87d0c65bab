"use strict";

// Figures speak of the page's variables, so light, dark and paper need only a second drawing; one arm can be picked out of many.

const ROOT = document.documentElement;
const BOXES = [...document.querySelectorAll(".plot")];
const PICKS = [...document.querySelectorAll("button[data-arm]")];
const PAPER_WIDTH = 310;
const FAINT = 0.12;

let figures = null;
let picked = new Set();

function painted(value, style) {
  if (typeof value === "string") {
    return value.replace(/^var\((--[\w-]+)\)$/, (_, name) => style.getPropertyValue(name).trim());
  }
  if (Array.isArray(value)) return value.map((item) => painted(item, style));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, painted(item, style)]));
}

// A trace that is an arm's bears its name.
function told(trace) {
  return picked.size && trace.name && !picked.has(trace.name) ? { ...trace, opacity: FAINT, hoverinfo: "skip" } : trace;
}

function draw(box) {
  const { data, layout } = painted(figures[box.dataset.figure], getComputedStyle(ROOT));
  const width = ROOT.classList.contains("on-paper") ? PAPER_WIDTH : box.clientWidth;
  Plotly.react(box, data.map(told), { ...layout, width }, { displayModeBar: false });
}

function drawAll() {
  if (figures) BOXES.forEach(draw);
}

// One plot a turn, so that the page answers while the later ones are drawn.
function drawInTurn(index = 0) {
  if (index === BOXES.length) {
    ROOT.dataset.drawn = "all";
    return;
  }
  draw(BOXES[index]);
  setTimeout(drawInTurn, 0, index + 1);
}

async function start() {
  const [library, data] = await Promise.all([unpacked("plotly"), unpacked("plots-data")]);
  const script = document.createElement("script");
  script.textContent = library; // the page's policy knows its hash
  document.head.append(script);
  figures = JSON.parse(data);
  drawInTurn();
}

let drawnWidth = ROOT.clientWidth;
let resizing;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => {
    if (ROOT.clientWidth === drawnWidth) return;
    drawnWidth = ROOT.clientWidth;
    drawAll();
  }, 150);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
addEventListener("beforeprint", () => {
  ROOT.classList.add("on-paper");
  drawAll();
});
addEventListener("afterprint", () => {
  ROOT.classList.remove("on-paper");
  drawAll();
});

function pick(arms) {
  picked = new Set(arms);
  PICKS.forEach((button) => button.setAttribute("aria-pressed", String(picked.has(button.dataset.arm))));
}

PICKS.forEach((button) => button.addEventListener("click", () => {
  const arm = button.dataset.arm;
  pick(picked.has(arm) ? [...picked].filter((other) => other !== arm) : [...picked, arm]);
  keep({ arms: [...picked].join(" ") });
  BOXES.filter((box) => figures?.[box.dataset.figure].data.some((trace) => trace.name)).forEach(draw);
}));
function pickAgain() {
  pick((address.values.get("arms") ?? "").split(" ").filter(Boolean));
}
addEventListener("address", () => {
  pickAgain();
  drawAll();
});
pickAgain();
start();
