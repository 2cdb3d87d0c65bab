"use strict";

// A list to read: filters, order, paging and the opened one, all of them kept in the address.

const BROWSER = "filters";

// items: all there are. matches(item, values) and order(values): by the values of the form. draw(item): its element.
// words(from, to, of): what the status says. size: of a page. anchor: the section that the list stands in.
function browse({ items, matches, order = () => null, draw, words, size, anchor }) {
  const form = control(BROWSER);
  const fields = [...form.querySelectorAll("input, select")];
  const kinds = [...form.querySelectorAll("button[value]")];
  let found = items;
  let first = 0;

  const values = () => ({
    ...Object.fromEntries(fields.map((field) => [field.id, field.value.trim()])),
    kind: kinds.find((button) => button.getAttribute("aria-pressed") === "true")?.value ?? "",
  });

  function press(kind) {
    kinds.forEach((button) => button.setAttribute("aria-pressed", String(button.value === kind)));
  }

  function show() {
    const shown = found.slice(first, first + size);
    control("list").replaceChildren(...shown.map(draw));
    control("matches").textContent = words(found.length && first + 1, first + shown.length, found.length);
    control("previous").disabled = first === 0;
    control("next").disabled = first + size >= found.length;
  }

  function find() {
    const chosen = values();
    found = items.filter((item) => matches(item, chosen));
    const compare = order(chosen);
    if (compare) found.sort(compare);
  }

  function changed() {
    find();
    first = 0;
    keep({ ...values(), page: "", open: "" }, anchor);
    show();
  }

  function turn(pages) {
    first += pages * size;
    keep({ page: first ? String(first / size + 1) : "", open: "" }, anchor);
    show();
    form.scrollIntoView();
  }

  // What the address says; what it does not is as the page came.
  function restore() {
    fields.forEach((field) => { field.value = address.values.get(field.id) ?? ""; });
    press(address.values.get("kind") ?? form.dataset.kind ?? "");
    find();
    const opened = found.findIndex((item) => item.id === address.values.get("open"));
    const page = opened < 0 ? Number(address.values.get("page") ?? 1) - 1 : Math.floor(opened / size);
    first = size * Math.min(Math.max(0, Math.floor(page) || 0), Math.max(0, Math.ceil(found.length / size) - 1));
    show();
    if (opened < 0) return;
    const item = control("list").children[opened - first];
    item.classList.add("opened");
    setTimeout(() => item.scrollIntoView());
  }

  let typing;
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(changed, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  kinds.forEach((button) => button.addEventListener("click", () => {
    press(button.getAttribute("aria-pressed") === "true" ? form.dataset.kind ?? "" : button.value);
    changed();
  }));
  control("previous").addEventListener("click", () => turn(-1));
  control("next").addEventListener("click", () => turn(1));
  addEventListener("address", restore);
  restore();
  land();
}

// A link that changes some values of the address, as it is when the link is followed.
function linkTo(text, title, changes, anchor) {
  const link = element("a", "id", text);
  const point = () => { link.href = addressWith(changes, anchor); };
  link.title = title;
  link.addEventListener("pointerdown", point);
  link.addEventListener("click", point);
  point();
  return link;
}

function opening(id, text, anchor) {
  return linkTo(text, "A link to this one", { open: id, page: "" }, anchor);
}

function options(id, values) {
  control(id).append(...[...new Set(values)].map((value) => {
    const option = element("option", "", value);
    option.value = value;
    return option;
  }));
}

function counted(from, to, of, what) {
  const [a, b, n] = [from, to, of].map((value) => value.toLocaleString("en"));
  return of ? `${a} to ${b} of ${n} ${what}` : `No ${what} match these filters.`;
}
