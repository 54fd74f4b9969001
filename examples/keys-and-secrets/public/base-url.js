// A base URL, looked at while it is typed: people paste the address of a call, or one
// without https.

import { onContent } from './content.js';
import { clearProblem, showProblem } from './problems.js';

const asPattern = (tail) => new RegExp(`${tail.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('[^/]+')}$`, 'i');

// Without the paths of calls at its end, and what follows
export function baseOf(text, tails) {
  let rest = text.trim().replace(/[?#].*$/, '').replace(/\/+$/, '');
  const patterns = tails.split(' ').filter(Boolean).sort((a, b) => b.length - a.length).map(asPattern);
  for (let found = true; found;) {
    found = patterns.find((pattern) => pattern.test(rest));
    if (found) rest = rest.replace(found, '');
  }
  return rest;
}

function problemOf(text, tails) {
  const value = text.trim();
  if (value === '' || !/^[a-z]+:\/\/[^/]+\.[^/]/i.test(value)) return null;
  const base = baseOf(value, tails);
  if (base === value.replace(/\/+$/, '')) return null;
  return { text: 'This is the address of a call. The base URL is what comes before it:', base };
}

function prepare(input) {
  const place = input.closest('[data-field]');
  const look = () => {
    const problem = problemOf(input.value, input.form.dataset.tails);
    if (problem === null) {
      clearProblem(place);
      return;
    }
    showProblem(place, problem.text, {
      label: `Use ${problem.base}`,
      apply: () => { input.value = problem.base; clearProblem(place); input.focus(); },
    });
  };
  input.addEventListener('change', look);
  input.addEventListener('paste', () => { setTimeout(look); });
  input.addEventListener('input', () => clearProblem(place));
}

onContent((root) => root.querySelectorAll('[data-base-url]').forEach(prepare));
