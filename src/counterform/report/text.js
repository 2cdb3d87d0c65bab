"use strict";

// What every script of a page uses: packed blocks, and hostile text, every word of which goes through textContent.

const control = (id) => document.getElementById(id);

// The text of a block that html.py has packed.
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(control(id).textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

addEventListener("unhandledrejection", () => { control("old").hidden = false; });

// A character that turns or hides text is shown by its number.
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `⟨U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

function element(name, className, text, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = visible(text);
  made.append(...children);
  return made;
}
