"use strict";

// The attempts of the study, step by step.

const BASE = "base";
const CHANGES = { lost: [true, false], gained: [false, true] }; // the base was mostly right, the arm was

function rowsOf({ arms, problems, rows }) {
  return rows.map(([arm, seed, problem, id, outcome, lenient, process, reason, finish, cut, pieces]) => {
    const [problemId, prompt, answer] = problems[problem];
    return { arm: arms[arm], seed, problemId, prompt, answer, id, outcome, lenient, process, reason, finish, cut, pieces };
  });
}

const textOf = (attempt) => attempt.pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");

// All its words in small letters, made when they are first asked for.
function haystack(attempt) {
  attempt.words ??= [
    attempt.id, attempt.problemId, attempt.prompt, attempt.reason, textOf(attempt),
    ...attempt.pieces.flatMap((piece) => (typeof piece === "string" ? [] : [piece[2], piece[3]])),
  ].join("\n").toLowerCase();
  return attempt.words;
}

// Of every problem, whether each arm was mostly right there; an attempt that nobody could grade says nothing.
function mostlyRight(attempts) {
  const counts = new Map();
  for (const { arm, problemId, outcome } of attempts) {
    if (outcome === "unknown") continue;
    const of = counts.get(problemId) ?? counts.set(problemId, new Map()).get(problemId);
    of.set(arm, (of.get(arm) ?? 0) + (outcome === "right" ? 1 : -1));
  }
  return counts;
}

// The arms that differ from the base at a problem in this way.
function changedArms(of, [before, after]) {
  if (!of?.has(BASE) || of.get(BASE) >= 0 !== before) return [];
  return [...of].filter(([arm, balance]) => arm !== BASE && balance >= 0 === after).map(([arm]) => arm);
}

function pieceItem(piece) {
  if (typeof piece === "string") return element("li", "", "", element("span", "text", piece.trim()));
  const [text, mark, rule, hint, mends] = piece;
  const sign = { right: "✓", wrong: "✗", unknown: "?" }[mark];
  const label = `${sign} ${mark} · ${rule}${mends ? " · takes back the step before" : ""}${hint ? ` · right would be: ${hint}` : ""}`;
  return element("li", mark, "", element("span", "text", text.trim()), element("span", "tag", label));
}

function attemptItem(attempt) {
  const every = { problem: attempt.problemId, search: "", arm: "", outcome: "", process: "", kind: "", page: "", open: "" };
  const sameProblem = linkTo(attempt.problemId, "Show all attempts at this problem", every, "attempts");
  const head = element("div", "head", "",
    element("b", "", attempt.arm),
    element("span", "", `seed ${attempt.seed}`),
    sameProblem,
    element("span", `tag ${attempt.outcome}`, `outcome ${attempt.outcome}`),
    element("span", `tag ${attempt.process}`, `process ${attempt.process}`));
  if (attempt.lenient !== attempt.outcome) head.append(element("span", `tag ${attempt.lenient}`, `lenient ${attempt.lenient}`));
  if (attempt.finish !== "stop") head.append(element("span", "tag unknown", { length: "cut off at the token limit", error: "the model was not heard" }[attempt.finish]));
  head.append(opening(attempt.id, attempt.id, "attempts"));
  const item = element("li", "", "", head);
  if (attempt.prompt) item.append(element("p", "prompt", `${attempt.prompt}${attempt.answer ? `\nAnswer key: ${attempt.answer}` : ""}`));
  item.append(element("ol", "pieces", "", ...attempt.pieces.map(pieceItem)));
  if (attempt.reason) item.append(element("p", "cut", `Unknown because: ${attempt.reason}`));
  if (attempt.cut) item.append(element("p", "cut", `${attempt.cut.toLocaleString("en")} more characters are not kept on this page.`));
  return item;
}

async function readAttempts() {
  const data = JSON.parse(await unpacked("attempts-data"));
  const attempts = rowsOf(data);
  const right = mostlyRight(attempts);
  const changes = Object.fromEntries(Object.entries(CHANGES).map(([kind, way]) =>
    [kind, new Map([...right].map(([problem, of]) => [problem, changedArms(of, way)]))]));
  for (const button of document.querySelectorAll("#kinds button")) {
    const n = [...changes[button.value].values()].filter((arms) => arms.length).length;
    button.append(element("b", "", ` ${n.toLocaleString("en")}`));
  }
  const ofChange = ({ arm, problemId }, { arm: chosen, kind }) => {
    const arms = (changes[kind].get(problemId) ?? []).filter((other) => !chosen || other === chosen);
    return arms.includes(arm) || (arm === BASE && arms.length > 0);
  };
  const byLength = { longest: -1, shortest: 1 };
  options("arm", data.arms);
  options("problems", data.problems.map(([id]) => id));
  browse({
    items: attempts,
    size: 25,
    anchor: "attempts",
    draw: attemptItem,
    words: (from, to, of) => counted(from, to, of, "attempts"),
    matches: (attempt, values) =>
      (values.kind ? ofChange(attempt, values) : !values.arm || attempt.arm === values.arm) &&
      (!values.problem || attempt.problemId.includes(values.problem)) &&
      (!values.outcome || attempt.outcome === values.outcome) && (!values.process || attempt.process === values.process) &&
      (!values.search || haystack(attempt).includes(values.search.toLowerCase())),
    order: ({ sort }) => sort && ((a, b) => byLength[sort] * (textOf(a).length + a.cut - textOf(b).length - b.cut)),
  });
}

if (control("list")) readAttempts();
