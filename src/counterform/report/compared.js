"use strict";

// The items to read: answers that went from right to wrong first.

const PAGE = 20;
const { scorers, items } = dataOf("items-data");
const ITEMS = items.map(([kind, arms, metrics, item, prompt, key, note, responses]) => {
  const found = { kind, arms, metrics: metrics.map((at) => scorers[at]), item, prompt, key, note, responses };
  const haystack = [item, prompt, key ?? "", ...responses.map((response) => response[1])].join("\n").toLowerCase();
  return { ...found, haystack };
});
const KINDS = [...document.querySelectorAll("#kinds button")];

let matches = ITEMS;
let first = 0;

function mark([at, value]) {
  const [tone, sign] = value === null ? ["unknown", "?"] : value === 1 ? ["right", "✓"] : value === 0 ? ["wrong", "✗"] : ["", value.toPrecision(4)];
  const words = { unknown: "not scored", right: "right", wrong: "wrong" }[tone];
  const shown = element("span", `tag ${tone}`, `${sign} ${scorers[at]}`);
  if (words) shown.title = words;
  return shown;
}

function responseBox([arm, text, cut, marks]) {
  const words = element("p", "said", text || "(no text)");
  words.tabIndex = 0;
  const box = element("div", "response", "", element("div", "head", "", element("b", "", arm), ...marks.map(mark)), words);
  if (cut) box.append(element("p", "cut", `${cut.toLocaleString("en")} more characters are not kept on this page.`));
  return box;
}

function itemBox(found) {
  const head = element("div", "head", "", element("b", "", found.note || `by ${found.metrics.join(", ")}`), element("span", "id", found.item));
  const box = element("li", "", "", head);
  if (found.prompt) box.append(element("p", "prompt", found.prompt));
  if (found.key !== null) box.append(element("p", "prompt", `Answer key: ${found.key}`));
  box.append(element("div", "responses", "", ...found.responses.map(responseBox)));
  return box;
}

function show() {
  const shown = matches.slice(first, first + PAGE);
  control("list").replaceChildren(...shown.map(itemBox));
  control("matches").textContent = matches.length
    ? `${(first + 1).toLocaleString("en")} to ${(first + shown.length).toLocaleString("en")} of ${matches.length.toLocaleString("en")}`
    : "Nothing here matches.";
  control("previous").disabled = first === 0;
  control("next").disabled = first + PAGE >= matches.length;
}

function filter() {
  const kind = KINDS.find((button) => button.getAttribute("aria-pressed") === "true").value;
  const [words, arms, metric] = ["search", "arms", "metric"].map((id) => control(id).value.trim());
  matches = ITEMS.filter((found) =>
    found.kind === kind && (!arms || found.arms.includes(arms)) && (!metric || found.metrics.includes(metric)) &&
    (!words || found.haystack.includes(words.toLowerCase())));
  first = 0;
  show();
}

function turn(pages) {
  first += pages * PAGE;
  show();
  control("kinds").scrollIntoView();
}

if (ITEMS.length) {
  const add = (id, values) => control(id).append(...[...new Set(values)].map((value) => {
    const option = element("option", "", value);
    option.value = value;
    return option;
  }));
  add("arms", ITEMS.flatMap((found) => found.arms));
  add("metric", ITEMS.flatMap((found) => found.metrics));
  KINDS.forEach((button) => button.addEventListener("click", () => {
    KINDS.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    filter();
  }));
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
