"use strict";

// Every table as a CSV file, a cue where one is wider than the page, and a switch that leaves out undecided rows.

const FORMULA = /^[=@\t\r]|^[+-](?![\d.])/;

function csvOf(table) {
  const rows = [...table.querySelectorAll("tr")].map((row) => [...row.children].map(cellText));
  const grouped = table.querySelector(".group") !== null;
  let group = "";
  const lines = [];
  for (const [at, cells] of rows.entries()) {
    if (grouped && cells.length === 1) [group] = cells;
    else lines.push(grouped ? [at ? group : table.dataset.group, ...cells] : cells);
  }
  return lines.map((cells) => cells.map(quoted).join(",")).join("\r\n");
}

function cellText(cell) {
  return [...cell.querySelectorAll(":scope > b, :scope > .of")].map((part) => part.textContent).join("; ") || cell.textContent;
}

// A spreadsheet must not take a text for a formula; numbers get the minus that it knows.
function quoted(text) {
  const plain = text.replace(/\s+/g, " ").trim().replace(/−(?=[\d.])/g, "-");
  return `"${(FORMULA.test(plain) ? `'${plain}` : plain).replaceAll('"', '""')}"`;
}

function download(table, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", csvOf(table)], { type: "text/csv" }));
  link.download = `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60).replace(/^-|-$/g, "")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const WIDE = new ResizeObserver((entries) => entries.forEach(({ target }) => {
  target.previousElementSibling.classList.toggle("wide", target.scrollWidth > target.clientWidth + 1);
}));

for (const table of document.querySelectorAll("main table")) {
  const box = table.closest(".scroll") ?? table;
  const name = table.caption?.textContent ?? "table";
  const button = element("button", "", "CSV");
  button.type = "button";
  button.setAttribute("aria-label", `CSV: ${name}`);
  button.addEventListener("click", () => download(table, `${document.title.split(" · ")[0]} ${name}`));
  box.before(element("p", "tools", "", element("span", "cue", "wider than the page: scroll sideways →"), button));
  if (box !== table) WIDE.observe(box);
}

const decidedOnly = control("decided");
if (decidedOnly) {
  const apply = () => document.documentElement.classList.toggle("decided-only", decidedOnly.checked);
  decidedOnly.addEventListener("change", () => {
    keep({ decided: decidedOnly.checked ? "only" : "" });
    apply();
  });
  const restore = () => {
    decidedOnly.checked = address.values.get("decided") === "only";
    apply();
  };
  addEventListener("address", restore);
  restore();
}
