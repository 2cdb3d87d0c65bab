"use strict";

const ROOT = document.documentElement;

// ---- Plots: figures speak of the page's variables, so light, dark and paper need only a second drawing.

const FIGURES = dataOf("plots-data");
const BOXES = [...document.querySelectorAll(".plot")];
const PAPER_WIDTH = 310;

function painted(value, style) {
  if (typeof value === "string") {
    return value.replace(/^var\((--[\w-]+)\)$/, (_, name) => style.getPropertyValue(name).trim());
  }
  if (Array.isArray(value)) return value.map((item) => painted(item, style));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, painted(item, style)]));
}

function draw(box) {
  const { data, layout } = painted(FIGURES[box.dataset.figure], getComputedStyle(ROOT));
  const width = ROOT.classList.contains("on-paper") ? PAPER_WIDTH : box.clientWidth;
  Plotly.react(box, data, { ...layout, width }, { displayModeBar: false });
}

function drawAll() {
  BOXES.forEach(draw);
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
setTimeout(drawInTurn, 0);

// ---- Attempts.

const PAGE = 25;
const { arms, problems, rows } = dataOf("attempts-data");
const ATTEMPTS = rows.map(([arm, seed, problem, id, outcome, lenient, process, reason, finish, cut, pieces]) => {
  const [problemId, prompt, answer] = problems[problem];
  const attempt = { arm: arms[arm], seed, problemId, prompt, answer, id, outcome, lenient, process, reason, finish, cut, pieces };
  const text = pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");
  const grades = pieces.flatMap((piece) => (typeof piece === "string" ? [] : [piece[2], piece[3]]));
  return { ...attempt, haystack: [id, problemId, prompt, reason, text, ...grades].join("\n").toLowerCase() };
});

let matches = ATTEMPTS;
let first = 0;

function pieceItem(piece) {
  if (typeof piece === "string") return element("li", "", "", element("span", "text", piece.trim()));
  const [text, mark, rule, hint, mends] = piece;
  const sign = { right: "✓", wrong: "✗", unknown: "?" }[mark];
  const label = `${sign} ${mark} · ${rule}${mends ? " · takes back the step before" : ""}${hint ? ` · right would be: ${hint}` : ""}`;
  return element("li", mark, "", element("span", "text", text.trim()), element("span", "tag", label));
}

function attemptItem(attempt) {
  const sameProblem = element("button", "", attempt.problemId);
  sameProblem.type = "button";
  sameProblem.title = "Show all attempts at this problem";
  sameProblem.addEventListener("click", () => {
    control("problem").value = attempt.problemId;
    filter();
  });
  const head = element("div", "head", "",
    element("b", "", attempt.arm),
    element("span", "", `seed ${attempt.seed}`),
    sameProblem,
    element("span", `tag ${attempt.outcome}`, `outcome ${attempt.outcome}`),
    element("span", `tag ${attempt.process}`, `process ${attempt.process}`));
  if (attempt.lenient !== attempt.outcome) head.append(element("span", `tag ${attempt.lenient}`, `lenient ${attempt.lenient}`));
  if (attempt.finish !== "stop") head.append(element("span", "tag unknown", { length: "cut off at the token limit", error: "the model was not heard" }[attempt.finish]));
  head.append(element("span", "id", attempt.id));
  const item = element("li", "", "", head);
  if (attempt.prompt) item.append(element("p", "prompt", `${attempt.prompt}${attempt.answer ? `\nAnswer key: ${attempt.answer}` : ""}`));
  item.append(element("ol", "pieces", "", ...attempt.pieces.map(pieceItem)));
  if (attempt.reason) item.append(element("p", "cut", `Unknown because: ${attempt.reason}`));
  if (attempt.cut) item.append(element("p", "cut", `${attempt.cut.toLocaleString("en")} more characters are not kept on this page.`));
  return item;
}

function show() {
  const shown = matches.slice(first, first + PAGE);
  control("list").replaceChildren(...shown.map(attemptItem));
  control("matches").textContent = matches.length
    ? `${(first + 1).toLocaleString("en")} to ${(first + shown.length).toLocaleString("en")} of ${matches.length.toLocaleString("en")} attempts`
    : "No attempt matches these filters.";
  control("previous").disabled = first === 0;
  control("next").disabled = first + PAGE >= matches.length;
}

function filter() {
  const [words, arm, problem, outcome, process] = ["search", "arm", "problem", "outcome", "process"].map((id) => control(id).value.trim());
  const needle = words.toLowerCase();
  matches = ATTEMPTS.filter((attempt) =>
    (!arm || attempt.arm === arm) && (!problem || attempt.problemId.includes(problem)) &&
    (!outcome || attempt.outcome === outcome) && (!process || attempt.process === process) &&
    (!needle || attempt.haystack.includes(needle)));
  first = 0;
  show();
}

function turn(pages) {
  first += pages * PAGE;
  show();
  control("filters").scrollIntoView();
}

if (ATTEMPTS.length) {
  control("arm").append(...arms.map((arm) => element("option", "", arm)));
  control("problems").append(...problems.map(([id]) => { const option = element("option"); option.value = id; return option; }));
  let typing;
  control("filters").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(filter, 120);
  });
  control("filters").addEventListener("submit", (event) => event.preventDefault());
  control("previous").addEventListener("click", () => turn(-1));
  control("next").addEventListener("click", () => turn(1));
  filter(); // a browser may bring back what was typed before a reload
}
