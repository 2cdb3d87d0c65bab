"use strict";

// The items to read: answers that went from right to wrong first.

function mark([at, value], scorers) {
  const [tone, sign] = value === null ? ["unknown", "?"] : value === 1 ? ["right", "✓"] : value === 0 ? ["wrong", "✗"] : ["", value.toPrecision(4)];
  const words = { unknown: "not scored", right: "right", wrong: "wrong" }[tone];
  const shown = element("span", `tag ${tone}`, `${sign} ${scorers[at]}`);
  if (words) shown.title = words;
  return shown;
}

function responseBox([arm, text, cut, marks], scorers) {
  const words = element("p", "said", text || "(no text)");
  words.tabIndex = 0;
  const box = element("div", "response", "", element("div", "head", "", element("b", "", arm), ...marks.map((one) => mark(one, scorers))), words);
  if (cut) box.append(element("p", "cut", `${cut.toLocaleString("en")} more characters are not kept on this page.`));
  return box;
}

function itemBox(found, scorers) {
  const head = element("div", "head", "", element("b", "", found.note || `by ${found.metrics.join(", ")}`), opening(found.id, found.item, "read"));
  const box = element("li", "", "", head);
  if (found.prompt) box.append(element("p", "prompt", found.prompt));
  if (found.key !== null) box.append(element("p", "prompt", `Answer key: ${found.key}`));
  box.append(element("div", "responses", "", ...found.responses.map((response) => responseBox(response, scorers))));
  return box;
}

async function readItems() {
  const { scorers, items } = JSON.parse(await unpacked("items-data"));
  const all = items.map(([kind, arms, metrics, item, prompt, key, note, responses], at) => ({
    id: String(at + 1), kind, arms, metrics: metrics.map((scorer) => scorers[scorer]), item, prompt, key, note, responses,
    words: [item, prompt, key ?? "", ...responses.map((response) => response[1])].join("\n").toLowerCase(),
  }));
  options("arms", all.flatMap((found) => found.arms));
  options("metric", all.flatMap((found) => found.metrics));
  browse({
    items: all,
    size: 20,
    anchor: "read",
    draw: (found) => itemBox(found, scorers),
    words: (from, to, of) => counted(from, to, of, "items"),
    matches: (found, values) =>
      found.kind === values.kind && (!values.arms || found.arms.includes(values.arms)) &&
      (!values.metric || found.metrics.includes(values.metric)) &&
      (!values.search || found.words.includes(values.search.toLowerCase())),
  });
}

if (control("list")) readItems();
