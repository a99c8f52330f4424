// The console's own script: a way back from a refusal, and confirmation of what cannot be undone.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-back]")) window.history.back();
});
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
