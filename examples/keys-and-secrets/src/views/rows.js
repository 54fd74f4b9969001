// Lists of rows: what people scan for first, one action that is seen, the rest in a menu.

import { html } from '../html.js';
import { hidden } from './fields.js';

const COLOURS = 8;

// A letter in a coloured square; the same text always has the same colour.
export function mark(slug, label = slug) {
  const sum = Array.from(slug).reduce((total, character) => (total * 31 + character.codePointAt(0)) % 65_521, 7);
  return html`<span class="mark colour-${sum % COLOURS}" aria-hidden="true">${Array.from(label)[0].toUpperCase()}</span>`;
}

// kind: bad, warn, good or calm. Only for what is not plain "ok".
export function badge(kind, label) {
  return html`<span class="badge ${kind}">${label}</span>`;
}

// Words that only screen readers have: which row an action is for
export const away = (words) => html`<span class="away"> ${words}</span>`;

// An action by link; with dialog, what it opens is shown in a dialog.
export function link(href, label, { of, dialog = true, className = '' } = {}) {
  return html`<a href="${href}"${className && html` class="${className}"`}${dialog && html` data-dialog`}>${label}${of && away(of)}</a>`;
}

// An action by a form with one button; fields are sent along.
export function post(view, href, label, { of, fields = {}, className = 'quiet', data } = {}) {
  return html`<form method="post" action="${href}"${data && html` data-${data}`}>${hidden(view)}${Object.entries(fields).map(([name, value]) =>
    html`<input type="hidden" name="${name}" value="${value}">`)}<button class="${className}">${label}${of && away(of)}</button></form>`;
}

// Actions behind a button with three dots. It is a <details>, so it opens without scripts.
export function menu(of, actions) {
  const shown = actions.flat().filter(Boolean);
  return shown.length > 0 && html`<details class="menu" data-menu><summary><span aria-hidden="true">⋯</span><span class="away">More for ${of}</span></summary>
<ul>${shown.map((action) => html`<li>${action}</li>`)}</ul></details>`;
}

// One row. title is its name; badges, facts (the second line, in order), primary and
// actions may be left out.
export function row({ id, name, icon, title, badges = [], facts = [], aside, primary, actions = [], more, data }) {
  const seen = facts.filter(Boolean);
  return html`<li class="row" id="${id}"${data ?? ''}>
${icon}<div class="row-title"><h3>${title ?? name}</h3>${badges.filter(Boolean)}</div>
<p class="facts">${seen.map((fact) => html`<span>${fact}</span> `)}</p>
${aside && html`<div class="row-aside">${aside}</div>`}
<div class="row-actions">${primary}${menu(name, actions)}</div>
${more && html`<div class="row-more">${more}</div>`}</li>`;
}

export function rows(label, items) {
  return html`<ul class="rows" aria-label="${label}">${items}</ul>`;
}

// What belongs here, in one sentence, and the way to it
export function empty(sentence, action) {
  return html`<div class="empty"><p>${sentence}</p>${action}</div>`;
}

// A section that can be linked to, with its main button at the right of the heading
export function section({ id, title, about, action, body }) {
  return html`<section aria-labelledby="${id}"><div class="section-head"><div><h2 id="${id}">${title}</h2>
<p class="about">${about}</p></div>${action}</div>
${body}</section>`;
}
