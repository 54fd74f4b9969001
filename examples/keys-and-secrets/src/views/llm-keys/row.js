// One key in the list.

import { ago, away, html, inProject, link, mark, post, row } from '../parts.js';
import { placeFact, placeOf, siblings, spokenPlace } from './place.js';
import { canTest, opens } from './rights.js';
import { badges, isToReplace } from './state.js';

const MOST_NAMES = 3;

export function list(names) {
  const more = names.length - MOST_NAMES;
  return `${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

// the database counts in bigint, which comes as a text
const count = (number, word) => `${number} ${word}${Number(number) === 1 ? '' : 's'}`;
const used = (date) => (date === null ? 'never used' : html`used ${ago(date)}`);
const wide = (content) => content && html`<span class="wide">${content}</span>`;

function facts(view, key) {
  if (!opens(key)) return [html`<span class="mask">not shown</span>`, key.agent_count > 0 && `${count(key.agent_count, 'agent')} cannot work`];
  return [
    html`<code class="mask">${key.masked_key}</code>`,
    used(key.last_used_at),
    wide(key.provider_label),
    wide(key.base_url && html`<code>${key.base_url}</code>`),
    wide(count(key.agent_count, 'agent')),
    wide(`added by ${key.added_by}`),
    wide(key.allowed_models && `only for ${list(key.allowed_models)}`),
    wide(placeFact(view.keys, key)),
  ];
}

const to = (view, key, action) => inProject(view, `/llm-keys/${key.id}/${action}`);

export function testButton(view, key) {
  return post(view, to(view, key, 'test'), 'Test', { of: key.name, data: 'test' });
}

// What is to be done about a key that is not well; on a phone it is in the menu, and the badge has the room.
function remedy(view, key, className) {
  if (!opens(key)) return link(to(view, key, 'enter'), 'Re-enter', { of: key.name, className });
  return isToReplace(key) && link(to(view, key, 'replace'), 'Replace', { of: key.name, className });
}

function primary(view, key) {
  if (!view.mayChangeKeys) return '';
  const shown = remedy(view, key, 'button quiet in-menu');
  if (shown) return shown;
  return canTest(view, key) && testButton(view, key);
}

function moves(view, key) {
  const group = siblings(view.keys, key);
  const place = placeOf(view.keys, key);
  const move = (by, label) => post(view, to(view, key, 'move'), label, { of: key.name, fields: { place: place + by }, data: 'move' });
  return [place > 1 && move(-1, 'Try earlier'), place < group.length && move(1, 'Try later')];
}

function stateAction(view, key) {
  const enable = key.state === 'disabled';
  return post(view, to(view, key, 'state'), enable ? 'Enable' : 'Disable', { of: key.name, fields: { enabled: enable ? '1' : '0' } });
}

const trash = html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M2 4h12M6 4V2h4v2M4 4l.7 10h6.6L12 4M6.7 7v4.5M9.3 7v4.5"/></svg>`;

function actions(view, key) {
  if (!view.mayChangeKeys) return [];
  const open = (action, label, className = '') => link(to(view, key, action), label, { of: key.name, className });
  return [
    remedy(view, key, 'on-phone'),
    opens(key) && [
      isToReplace(key) ? canTest(view, key) && testButton(view, key) : open('replace', 'Replace key'),
      open('edit', 'Edit'), moves(view, key), key.state !== 'expired' && stateAction(view, key),
    ],
    open('delete', html`${trash} Delete`, 'danger'),
  ].flat(2);
}

// The way to drag it; with a keyboard, its menu moves it
function handle(view, key) {
  const more = view.mayChangeKeys && siblings(view.keys, key).length > 1;
  return more && html`<span class="handle" data-handle data-with-script aria-hidden="true" title="Drag to change the order: ${spokenPlace(view.keys, key)}">⠿</span>`;
}

const TESTED = { undefined: 'warning', ok: 'good' };

// Here scripts put in what a test of the key has brought; without them, the page has it.
function status(view, key) {
  const tested = view.tested?.keyId === key.id ? view.tested : undefined;
  return canTest(view, key) && html`<p role="status" class="status${tested && ` ${TESTED[tested.outcome] ?? 'problem'}`}">${tested?.text}</p>`;
}

export function keyRow(view, key) {
  return row({
    id: `key-${key.id}`, name: key.name,
    icon: html`${handle(view, key)}${opens(key) ? mark(key.provider, key.provider_label) : mark('?', '?')}`,
    title: html`<a href="${inProject(view, `/llm-keys/${key.id}`)}" data-dialog>${key.name}${opens(key) && away(`, ${key.provider_label}`)}</a>`,
    badges: badges(key), facts: facts(view, key), primary: primary(view, key), actions: actions(view, key), more: status(view, key),
    data: html` data-key="${key.id}" data-group="${key.provider}" data-name="${key.name}" data-place="${placeOf(view.keys, key)}" data-spoken-place="${spokenPlace(view.keys, key)}"`,
  });
}
