// "/" focuses search; j and k move, Enter opens, a acts on what is chosen; a keyboard-wedge scanner anywhere searches.

// Scanners type a character every 1 to 20 ms, people hardly faster than 80. Of a scan any key may come late, so most of its
// keys decide what it is, and what has begun as one may stand still for longer: of a code all is looked up, or nothing.
const scannerGapMs = 40;
const scannerChars = 6;
const pauseMs = 500;
const scanPauseMs = 3000;

// The separator of GS1 elements (ASCII 29), as keyboards send it; a field shows it as a sign, which the hub understands.
const isSeparator = (event) => event.ctrlKey && !event.altKey && event.key === "]";

function typeSeparator(event) {
  const field = event.target;
  if (field.type !== "search") return;
  event.preventDefault();
  field.setRangeText("\u241d", field.selectionStart, field.selectionEnd, "end");
}

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

function move(step) {
  const links = [...document.querySelectorAll("main .rows tbody a, main .findings a, main .cell")].filter((a) => a.offsetParent);
  const at = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
}

// The one action of the row that has the focus, or of the page's only subject.
function act(event) {
  const button = document.activeElement.closest("li, tr")?.querySelector("[data-act]") ?? document.querySelector("main [data-act][data-only]");
  if (!button) return;
  event.preventDefault();
  button.click();
}

// Keys that came without a pause. What begins in a field is the field's.
class Keys {
  #text = "";
  #gaps = [];
  #last = -Infinity;
  #inField = false;

  // Whether they began outside of fields.
  heard(at, inField) {
    const gap = at - this.#last;
    if (gap < 0 || gap > (this.fast ? scanPauseMs : pauseMs)) {
      this.#text = "";
      this.#gaps = [];
      this.#inField = inField;
    } else this.#gaps.push(gap);
    this.#last = at;
    return !this.#inField;
  }

  add(character) {
    this.#text += character;
  }

  // Whether most came as fast as a scanner types.
  get fast() {
    const gaps = [...this.#gaps].sort((a, b) => a - b);
    return gaps.length > 0 && gaps[gaps.length >> 1] < scannerGapMs;
  }

  // The code, if it was one.
  end() {
    this.#last = -Infinity;
    return this.fast && this.#text.length >= scannerChars ? this.#text : "";
  }
}

export function listenToKeys() {
  const keys = new Keys();
  document.addEventListener("keydown", (event) => {
    const inField = Boolean(typing(event.target));
    const separator = isSeparator(event);
    if (separator && inField) typeSeparator(event);
    if (!separator && (event.ctrlKey || event.metaKey || event.altKey)) return;
    if (event.key === "Escape") {
      keys.end();
      if (inField) event.target.blur();
      return;
    }
    if (event.key === "Enter") {
      const outside = keys.heard(event.timeStamp, inField);
      const scanned = keys.end();
      if (!outside || !scanned) return;
      // Even where a scan's own character opened a field or a dialog.
      event.preventDefault();
      event.stopImmediatePropagation();
      location.assign(`/tracking?scan=1&q=${encodeURIComponent(scanned)}`);
      return;
    }
    if (event.key.length !== 1) return;
    const outside = !event.repeat && keys.heard(event.timeStamp, inField);
    if (outside) keys.add(separator ? "\u001d" : event.key);
    if (inField || separator || (outside && keys.fast)) return;
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("search")?.select();
    } else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "a") act(event);
  }, true);
}
