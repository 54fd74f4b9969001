// What is wrong with a form, at its fields. It looks as the pages of the server have it.

const problemIn = (place) => place.querySelector(':scope > .problem');

export function controlOf(place) {
  return place.querySelector('input:not([type=hidden]), select, textarea');
}

function describe(control, id, isWrong) {
  const ids = new Set((control.getAttribute('aria-describedby') ?? '').split(' ').filter(Boolean));
  if (isWrong) ids.add(id);
  else ids.delete(id);
  if (ids.size > 0) control.setAttribute('aria-describedby', [...ids].join(' '));
  else control.removeAttribute('aria-describedby');
  if (isWrong) control.setAttribute('aria-invalid', 'true');
  else control.removeAttribute('aria-invalid');
}

export function clearProblem(place) {
  problemIn(place)?.remove();
  const control = controlOf(place);
  if (control) describe(control, `${control.id}-problem`, false);
}

// fix is { label, apply }, a button that mends it
export function showProblem(place, text, fix) {
  clearProblem(place);
  const control = controlOf(place);
  const problem = document.createElement('p');
  problem.className = 'problem';
  problem.id = `${control.id}-problem`;
  problem.textContent = text;
  if (fix) {
    const button = Object.assign(document.createElement('button'), { type: 'button', className: 'quiet fix', textContent: fix.label });
    button.addEventListener('click', () => { fix.apply(); });
    problem.append(' ', button);
  }
  place.append(problem);
  describe(control, problem.id, true);
}

function placeFor(form, name) {
  const place = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  return place ?? form.querySelector('[data-field]');
}

// Of several, the first gets the focus, opened if it is folded.
export function showProblems(form, fields) {
  for (const place of form.querySelectorAll('[data-field]')) clearProblem(place);
  for (const [name, text] of Object.entries(fields)) showProblem(placeFor(form, name), text);
  const first = form.querySelector('[aria-invalid]');
  const folded = first.closest('details');
  if (folded) folded.open = true;
  first.focus();
}
