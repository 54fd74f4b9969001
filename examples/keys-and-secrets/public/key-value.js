// A pasted key, looked at while it is typed: what stands around it, whose it is, and what
// is no key at all. The database has the last word; nothing of it is sent from here.

import { onContent } from './content.js';
import { showHref } from './dialogs.js';
import { clearProblem, showProblem } from './problems.js';

// What people copy with a key; the first group is the key.
const AROUND = [
  [/^(?:export\s+|set\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*["'`]?([^"'`\s]+)["'`]?;?$/, 'Paste only the key, without the name in front of it.'],
  [/^(?:[-A-Za-z]+:\s*)?Bearer\s+(\S+)$/i, 'Paste only the key, without “Bearer”.'],
  [/^[-A-Za-z]+-key:\s*(\S+)$/i, 'Paste only the key, without the name of the header.'],
  [/^["'`“”‘’]+([^"'`“”‘’]+)["'`“”‘’]+[,;]?$/, 'Paste only the key, without the quotation marks.'],
  [/^(\S+)[,;]$/, 'Paste only the key, without the sign at its end.'],
];

const NO_KEY = [
  [/^(sk-tarx-|tarx-run-)/, 'This is a key of this platform. Paste one that the provider of the models has issued.'],
  [/…|\*{3}|•|\.{3}/, 'This is only a mask of a key. Copy it where the provider shows it in full, when it is created.'],
  [/^[[{]/, 'This is a document, not a key. Paste only the key that is in it, or keep it as a project secret.'],
  [/^-----BEGIN/, 'This is a certificate or private key in PEM, not a key for models.'],
  [/^https?:\/\//, 'This is an address, not a key.'],
  [/\s/, 'A key has no spaces. Paste only the key.'],
  [/[^\x21-\x7e]/, 'A key has only letters, digits and signs of ASCII. Copy it again.'],
];

// Whose key it is by the longest prefix that any provider has, unless that is this one's own
function otherOwner(value, { prefixes, provider }) {
  const fitting = JSON.parse(prefixes).filter(([prefix]) => value.startsWith(prefix));
  const longest = Math.max(0, ...fitting.map(([prefix]) => prefix.length));
  const owners = fitting.filter(([prefix]) => prefix.length === longest);
  return owners.some(([, slug]) => slug === provider) ? undefined : owners[0];
}

const withParameter = (href, name, value) => {
  const url = new URL(href, location.href);
  url.searchParams.set(name, value);
  return url.href;
};

// { text, fix, isSure }: what is wrong, how to mend it, and whether it is surely refused
export function problemOfKey(form) {
  const input = form.querySelector('[data-value]');
  const value = input.value.trim();
  if (value === '') return null;
  for (const [pattern, text] of AROUND) {
    const [, key] = pattern.exec(value) ?? [];
    if (key) return { text, isSure: true, fix: { label: 'Use only the key', apply: () => { input.value = key; input.dispatchEvent(new Event('input', { bubbles: true })); input.focus(); } } };
  }
  for (const [pattern, text] of NO_KEY) if (pattern.test(value)) return { text, isSure: true };
  const other = otherOwner(value, form.dataset);
  if (!other) return null;
  const [, slug, label] = other;
  const fix = 'noChange' in form.dataset ? undefined
    : { label: `Change to ${label}`, apply: () => showHref(withParameter(form.dataset.change, 'provider', slug)) };
  return { text: `This looks like a key of ${label}, not of ${form.dataset.providerLabel}.`, fix };
}

function prepare(form) {
  const input = form.querySelector('input[data-value]');
  const place = input.closest('[data-field]');
  let shown = '';
  const look = () => {
    const problem = problemOfKey(form);
    const text = problem?.text ?? '';
    if (text === shown && (text === '' || place.querySelector('.problem'))) return;
    shown = text;
    if (problem) showProblem(place, problem.text, problem.fix);
    else clearProblem(place);
  };
  input.addEventListener('input', look);
  // put back by another form, or by a refusal, which has its own text
  if (input.value !== '' && place.querySelector('.problem') === null) look();
}

onContent((root) => root.querySelectorAll('form[data-prefixes]').forEach(prepare));
