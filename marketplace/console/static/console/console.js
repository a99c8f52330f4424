// The console's own script: a way back from a refusal, and confirmation of what cannot be undone.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-back]")) window.history.back();
});
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
// j and k go through a list or from page to page; not while somebody types.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !["j", "k"].includes(event.key)) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const isNext = event.key === "j";
  const page = document.querySelector(isNext ? "[data-keys-pages] [data-next]" : "[data-keys-pages] [data-previous]");
  if (page) {
    page.click();
    return;
  }
  const links = [...document.querySelectorAll("[data-keys] [data-key]")];
  const now = links.indexOf(document.activeElement);
  links.at(Math.min(links.length - 1, Math.max(0, now + (isNext ? 1 : -1))))?.focus();
});
// A way back is offered while there is one; the server decides, this only takes the offer away in time.
for (const form of document.querySelectorAll("[data-undo-s]")) {
  window.setTimeout(() => form.remove(), Number(form.dataset.undoS) * 1000);
}
// A sentence chosen from a list fills the field beside it.
document.addEventListener("change", (event) => {
  const field = document.getElementById(event.target.dataset.fills ?? "");
  if (field) field.value = event.target.selectedOptions[0].dataset.text ?? field.value;
});
