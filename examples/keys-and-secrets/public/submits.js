// Choices that send their form at once

document.addEventListener('change', ({ target }) => {
  if (target.matches('select[data-submit]')) target.form.requestSubmit();
});
