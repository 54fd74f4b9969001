// Platform API keys: one's own, to sign in here and for programs.

import { ago, at, badge, buttons, checkbox, confirmation, dialogPage, due, empty, exact, field, here, hidden, html, link, row, rows, section, select, text } from './parts.js';

const TAB = 'Keys & Secrets';
const SOON_MS = 14 * 24 * 60 * 60 * 1000;

const DAY_MS = 24 * 60 * 60 * 1000;

export const LIFETIMES = [['30', '30 days'], ['90', '90 days'], ['365', 'a year'], ['never', 'No end']]
  .map(([value, label]) => ({ value, label }));

// When the key ends that one is signed in with, if it does: it makes none that outlives it
export const endOfOwn = (view) => view.platformKeys.find(({ id }) => id === view.keyId)?.expires_at ?? null;

// The lifetimes to choose from, and the one that is chosen unless somebody says otherwise
function lifetimes(view) {
  const end = endOfOwn(view);
  if (end === null) return { options: LIFETIMES, usual: '90' };
  const fitting = LIFETIMES.filter(({ value }) => value !== 'never' && Number(value) * DAY_MS < end - Date.now());
  const options = [...fitting, { value: 'mine', label: `until ${exact(end)}` }];
  return { options, usual: fitting.some(({ value }) => value === '90') ? '90' : 'mine', hint: 'A key makes none that outlives it: the one that you are signed in with ends then.' };
}

const back = (view, id) => here(view, id ? `#platform-key-${id}` : '#platform-keys');

// A key's state, from what the database says of it
function stateOf(key) {
  if (key.revoked_at !== null) return 'revoked';
  if (key.status !== 'ok') return key.status;
  return key.expires_at !== null && key.expires_at < new Date() ? 'expired' : 'ok';
}

const BROKEN = {
  tampered: 'Its row is not what was written. Revoke it.',
  'missing master key': 'Its master key is missing, so it signs nobody in. The platform’s admins can bring it back.',
  ended: 'It ended with the key that it was made with.',
};

function stateBadge(key) {
  const state = stateOf(key);
  if (state === 'ok') return key.expires_at !== null && key.expires_at - Date.now() < SOON_MS && badge('warn', 'expires soon');
  return badge(state === 'revoked' || state === 'ended' ? 'calm' : 'bad', state);
}

function end(key) {
  if (key.revoked_at !== null) return html`revoked ${ago(key.revoked_at)}`;
  if (key.expires_at === null) return 'no end';
  return html`${key.expires_at < new Date() ? 'expired' : 'expires'} ${ago(key.expires_at)}`;
}

function scope(view, key) {
  const names = key.project_ids?.map((id) => view.projects.find((project) => project.id === id)?.name ?? 'a project you left');
  return `for ${names ? names.join(', ') : 'all your projects'}${key.read_only ? ', lists only' : ''}`;
}

function keyRow(view, key) {
  const isOver = key.revoked_at !== null;
  return row({
    id: `platform-key-${key.id}`, name: key.name,
    badges: [stateBadge(key), key.id === view.keyId && !isOver && badge('calm', 'signed in with it'), key.read_only && badge('calm', 'lists only')],
    facts: [
      html`<code class="mask">${key.masked_key}</code>`, scope(view, key), end(key),
      key.last_used_at ? html`used ${ago(key.last_used_at)}` : 'never used', html`created ${ago(key.created_at)}`,
      !isOver && BROKEN[key.status],
    ],
    primary: !isOver && !view.isReadOnly && link(`${here(view, `/platform-keys/${key.id}/revoke`)}`, 'Revoke', { of: key.name, className: 'button quiet' }),
  });
}

// Those that work first; the others fold away
function keyRows(view) {
  const live = view.platformKeys.filter((key) => key.revoked_at === null);
  const revoked = view.platformKeys.filter((key) => key.revoked_at !== null);
  return html`${live.length > 0 ? rows('Platform API keys', live.map((key) => keyRow(view, key))) : empty('You have no platform key that works. Create one for each program and computer that acts for you.')}
${revoked.length > 0 && html`<details class="past"><summary>${revoked.length} revoked</summary>${rows('Revoked platform API keys', revoked.map((key) => keyRow(view, key)))}</details>`}`;
}

// A key that was created, and not saved yet
export function notSaved(view) {
  return view.once && due('Not saved yet', [html`The key “${view.once.about.name}” is shown until you say that you have saved it. ${link(here(view, '/platform-keys/created'), 'Show it')}`]);
}

export function platformKeys(view) {
  return section({
    id: 'platform-keys', title: 'Platform API keys',
    about: 'Your own, to sign in here and to call the platform from programs. Nobody else sees them.',
    action: !view.isReadOnly && link(here(view, '/platform-keys/create'), 'Create key', { className: 'button' }),
    body: html`${notSaved(view)}
${view.isReadOnly && html`<p class="hint">You are signed in with a key that may only list, so you cannot create or revoke keys.</p>`}
${keyRows(view)}`,
  });
}

export function createPlatformKeyPage(view, asked = {}) {
  const given = view.forms['platform-key'];
  const { options, usual, hint } = lifetimes(view);
  const form = { id: 'platform-key', ...given, values: { expires: usual, ...asked, ...given?.values } };
  return dialogPage(view, TAB, {
    title: 'Create platform key', back: back(view),
    body: html`<p>It acts as you: whoever has it may do what you may. Create one for each program, so that you can revoke it alone.</p>
<form method="post" action="${here(view, '/platform-keys/create')}">${hidden(view)}
${field(form, 'name', 'Name', text('name', 'required maxlength="100" autofocus'), 'What it is for, like “Laptop” or “Nightly report”.')}
${field(form, 'expires', 'Valid for', select('expires', options), hint)}
<p class="warning no-end">Without an end it works until somebody revokes it, also where it was copied by mistake. Choose an end if you can renew it.</p>
${view.project && checkbox('narrow', 'narrow', `Only for ${view.project.name}`, Boolean(form.values.narrow))}
${checkbox('read-only', 'read_only', 'Lists only: it reads lists, and changes nothing', Boolean(form.values.read_only))}
${buttons('Create key', back(view))}
</form>`,
  });
}

// The one page that shows a token, until its owner says that they have it
export function createdTokenPage(view, { token, about }) {
  return dialogPage(view, about.rest.startsWith('/members') ? 'Members' : TAB, {
    title: `Save the key “${about.name}”`, back: here(view, about.rest), ask: 'This key is not shown again. Have you saved it?',
    body: html`<p>Copy it now to where you keep such keys, as a password manager, and leave this page only when it is saved there. <strong>It will not be shown again</strong> once you have said that you have saved it, have signed out, or have not been here for an hour.</p>
<div class="field created"><label for="token">Your new platform key</label>
<div class="inline"><textarea id="token" class="token" rows="3" readonly autocomplete="off" spellcheck="false" autofocus>${token}</textarea>
<button type="button" class="quiet" data-copy="token">Copy</button></div></div>
<form method="post" action="${here(view, '/platform-keys/created')}">${hidden(view)}<div class="buttons"><button data-may-leave>I have saved it</button></div></form>`,
  });
}

export function noTokenPage(view) {
  return dialogPage(view, TAB, {
    title: 'No key to show', back: back(view),
    body: html`<p>You have said that you saved it, your session has ended since, or it was created in another browser. If it is lost, revoke it and create another one.</p>
<div class="buttons"><a class="button quiet" href="${back(view)}" data-close>To the platform keys</a></div>`,
  });
}

function others(keys) {
  return keys.length > 0 && html`<p>${keys.length === 1 ? 'This key was made with it, and ends' : 'These keys were made with it, and end'} as well:</p>
<ul>${keys.map(({ name, masked_key: mask }) => html`<li>${name} <code class="mask">${mask}</code></li>`)}</ul>`;
}

export function revokePlatformKeyPage(view, key, { descendants, endsSession }) {
  return confirmation(view, TAB, {
    title: `Revoke “${key.name}”?`,
    breaks: html`${endsSession && html`<p class="warning">You are signed in with this key, or with one that it made: this signs you out.</p>`}
<p>Programs that use <code class="mask">${key.masked_key}</code> are refused at once, for good. It was ${key.last_used_at ? html`used ${ago(key.last_used_at)}` : 'never used'}${key.expires_at !== null && html`, and would end by itself ${at(key.expires_at)}`}.</p>
${others(descendants)}`,
    safer: !view.isReadOnly && html`<p>Still in use somewhere? ${link(here(view, '/platform-keys/create'), 'Create its successor')} first.</p>`,
    action: here(view, `/platform-keys/${key.id}/revoke`), verb: endsSession ? 'Revoke and sign out' : `Revoke ${key.name}`, back: back(view, key.id),
  });
}

