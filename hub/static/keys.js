// "/" focuses search; j and k move, Enter opens, a acts on what is chosen; a keyboard-wedge scanner anywhere searches.

// Scanners type a character every 1 to 20 ms, people hardly faster than 80.
const scannerGapMs = 40;
const scannerChars = 6;

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

export function listenToKeys() {
  let scanned = "";
  let last = 0;
  document.addEventListener("keydown", (event) => {
    if (isSeparator(event)) {
      if (typing(event.target)) typeSeparator(event);
      else if (event.timeStamp - last < scannerGapMs) scanned += "\u001d";
      last = event.timeStamp;
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const fast = event.timeStamp - last < scannerGapMs;
    last = event.timeStamp;
    if (typing(event.target)) {
      scanned = "";
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter") {
      if (fast && scanned.length >= scannerChars) {
        event.preventDefault();
        location.assign(`/tracking?scan=1&q=${encodeURIComponent(scanned)}`);
      }
      scanned = "";
      return;
    }
    if (event.key.length !== 1) return;
    scanned = fast ? scanned + event.key : event.key;
    if (fast && scanned.length > 1) return;
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("search")?.select();
    } else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "a") act(event);
  });
}
