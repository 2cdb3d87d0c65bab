"use strict";

// What both pages' scripts use: data blocks, and hostile text, every word of which goes through textContent.

const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);
const control = (id) => document.getElementById(id);

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
