// Before a value is sealed and leaves its field: what is surely no key, and what the
// service says of all the rest, asked without the value.

import { problemOfKey } from './key-value.js';
import { showProblem, showProblems } from './problems.js';
import { headerNamesInto } from './key-options.js';

async function ask(form) {
  headerNamesInto(form);
  const response = await fetch(form.dataset.check, { method: 'POST', body: new URLSearchParams(new FormData(form)), headers: { accept: 'application/json' } });
  if (!response.ok) return {};    // the answer to the form itself says why
  return (await response.json()).fields;
}

// Whether the form may be sent; if not, it says why.
export async function passes(form) {
  const problem = form.dataset.prefixes && problemOfKey(form);
  if (problem?.isSure) {
    const input = form.querySelector('[data-value]');
    showProblem(input.closest('[data-field]'), problem.text, problem.fix);
    input.focus();
    return false;
  }
  if (!form.dataset.check) return true;
  const fields = await ask(form);
  if (Object.keys(fields).length === 0) return true;
  showProblems(form, fields);
  return false;
}
