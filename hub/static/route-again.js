// What is to be tried again is chosen on the board. While anything is chosen or typed the list stays as it is; the hub refuses
// what somebody else decided meanwhile.
const part = () => document.getElementById("undone");
const boxes = () => [...part().querySelectorAll("input[name=shipment]")];

function show() {
  const every = part().querySelector("[data-every]");
  if (!every) return;
  const n = boxes().filter((box) => box.checked).length;
  every.checked = n > 0 && n === boxes().length;
  every.indeterminate = n > 0 && n < boxes().length;
  part().toggleAttribute("data-busy", n > 0 || document.getElementById("again-why").value !== "");
}

document.addEventListener("input", ({ target }) => {
  if (!target.closest("#again")) return;
  if ("every" in target.dataset) for (const box of boxes()) box.checked = target.checked;
  show();
});
document.addEventListener("htmx:after:swap", show);
show();
