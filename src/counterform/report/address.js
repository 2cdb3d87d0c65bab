"use strict";

// The page's address keeps what a reader chose: #SECTION?name=value. Every part of the page reads and writes it here.

const address = readAddress();

function readAddress() {
  const [anchor, query = ""] = location.hash.slice(1).split("?");
  return { anchor, values: new URLSearchParams(query) };
}

// The address with some values changed; an empty one is left out.
function addressWith(changes, anchor = address.anchor) {
  const values = new URLSearchParams(address.values);
  for (const [name, value] of Object.entries(changes)) value ? values.set(name, value) : values.delete(name);
  return `#${anchor}${values.size ? `?${values}` : ""}`;
}

function keep(changes, anchor = address.anchor) {
  history.replaceState(null, "", addressWith(changes, anchor));
  Object.assign(address, readAddress());
}

function land() {
  document.getElementById(address.anchor)?.scrollIntoView();
}

// A link to a section leaves the values as they are; a whole address brings its own.
addEventListener("hashchange", () => {
  const next = readAddress();
  if (next.values.size) {
    Object.assign(address, next);
    dispatchEvent(new Event("address"));
    land();
  } else keep({}, next.anchor);
});
