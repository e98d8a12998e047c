// What a person decides: one dialog asks for the reason, and the hub's answer is told where it was asked.
// <button data-act="/api/v1/..." data-about="what it is about">Acknowledge</button> posts {"reason": ...} there.
import { t } from "./fresh.js";

const dialog = document.getElementById("ask");
const form = dialog?.querySelector("form");
const problem = dialog?.querySelector("[role=alert]");
let asked = null;

export const acting = () => dialog?.open ?? false;

function ask(button) {
  asked = button;
  dialog.querySelector("h2").textContent = button.textContent;
  dialog.querySelector("[value=do]").textContent = button.textContent;
  dialog.querySelector(".about").textContent = button.dataset.about ?? "";
  problem.hidden = true;
  form.reset();
  dialog.showModal();
  form.reason.focus();
}

async function send(path, body) {
  const headers = { "content-type": "application/json", "x-csrf-token": document.querySelector("meta[name=csrf]").content };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (answer.ok) return "";
    const problem = await answer.json();
    return problem.said ?? problem.detail;
  } catch {
    return t("The hub could not be reached. Nothing was changed.");
  }
}

function refuse(sentence) {
  problem.querySelector("span").textContent = sentence;
  problem.hidden = false;
}

// `done` is told after a decision was taken.
export function listenToActs(done) {
  if (!dialog) return;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) ask(button);
  });
  dialog.querySelector("[value=cancel]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const decide = form.querySelector("[value=do]");
    decide.disabled = true;
    const wrong = await send(asked.dataset.act, { reason: form.reason.value.trim() });
    decide.disabled = false;
    if (wrong) return refuse(wrong);
    dialog.close();
    done();
  });
}
