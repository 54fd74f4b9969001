// The pages. What they show has been read by the person's own rights; what they
// leave out, the database refuses as well.

import { html } from './html.js';

const ROLES = {
  admin: 'You are an admin of this project.',
  key_manager: 'You manage the keys and secrets of this project.',
  member: 'You are a member of this project. Its admins add and delete keys and secrets.',
  viewer: 'You see what this project has, and change nothing.',
};

export const IMPORT_MAP = JSON.stringify({
  imports: {
    'libsodium-wrappers': '/assets/libsodium-wrappers.mjs',
    libsodium: '/assets/libsodium.mjs',
  },
});

const settings = (view, rest = '') => `/${encodeURIComponent(view.userId)}/settings${rest}`;
const inProject = (view, rest = '') => `${settings(view, rest)}?project=${view.project.id}`;

function when(date, never = 'never') {
  if (date === null) return never;
  const iso = date.toISOString();
  return html`<time datetime="${iso}"><span>${iso.slice(0, 10)}</span> <span>${iso.slice(11, 16)} UTC</span></time>`;
}

// A time that is to come, as a field has it
const comingTime = (date) => (date !== null && date > new Date() ? date.toISOString().slice(0, 16) : '');

function layout(title, body) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/assets/style.css">
<link rel="icon" href="data:,">
<script type="importmap">${raw(IMPORT_MAP)}</script>
<script type="module" src="/assets/app.js"></script>
</head>
<body>
${body}
</body>
</html>
`.toString();
}

// JSON of ours, which has no markup in it
const raw = (text) => html([text]);

// The parts of forms

function hidden(view) {
  return html`<input type="hidden" name="csrf" value="${view.csrf}">`;
}

function problem(id, text) {
  return text && html`<p class="problem" id="${id}-problem">${text}</p>`;
}

function describedBy(id, text, hint) {
  const ids = [hint && `${id}-hint`, text && `${id}-problem`].filter(Boolean).join(' ');
  return html`${ids && html` aria-describedby="${ids}"`}${text && html` aria-invalid="true"`}`;
}

function hintLine(id, hint) {
  return hint && html`<p class="hint" id="${id}-hint">${hint}</p>`;
}

// A field with its label, hint and problem. kind makes the control, given its
// id, value and the attributes that tie it to hint and problem.
function field(form, name, label, kind, hint) {
  const id = `${form.id}-${name}`;
  const text = form.fields?.[name];
  return html`<div class="field" data-field="${name}">
<label for="${id}">${label}</label>
${hintLine(id, hint)}
${kind(id, form.values?.[name] ?? '', describedBy(id, text, hint))}
${problem(id, text)}
</div>`;
}

const text = (name, attributes = '') => (id, value, more) =>
  html`<input id="${id}" name="${name}" value="${value}" autocomplete="off" ${raw(attributes)}${more}>`;

// The value to seal has no name, so that no form sends it; app.js puts a box
// into the field "sealed" instead.
const secretInput = (id, value, more) =>
  html`<input id="${id}" type="password" data-value required autocomplete="off" spellcheck="false"${more}>`;

const secretArea = (id, value, more) =>
  html`<textarea id="${id}" data-value required rows="3" autocomplete="off" spellcheck="false"${more}></textarea>`;

const textArea = (name, attributes = '') => (id, value, more) =>
  html`<textarea id="${id}" name="${name}" rows="2" autocomplete="off" spellcheck="false" ${raw(attributes)}${more}>${value}</textarea>`;

const select = (name, options, attributes = '') => (id, value, more) =>
  html`<select id="${id}" name="${name}" ${raw(attributes)}${more}>${options.map((option) =>
    html`<option value="${option.value}"${option.value === value && html` selected`}${option.data ?? ''}>${option.label}</option>`)}</select>`;

function alert(text) {
  return text && html`<p class="problem" role="alert">${text}</p>`;
}

// What app.js needs to seal; the time is the server's, which is what boxes expire by
function sealAttributes(view, purpose) {
  return html`data-seal="${purpose}" data-project="${view.project.id}" data-public-key="${view.publicKey}" data-now="${Math.floor(Date.now() / 1000)}"`;
}

function button(label, className = '') {
  return html`<button${className && html` class="${className}"`}>${label}</button>`;
}

// Tables that become cards on narrow screens, and stay tables for screen readers

function table(caption, columns, rows) {
  return html`<table role="table" aria-label="${caption}">
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col">${column}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map((cells) => html`
<tr role="row">${cells.map((cell, i) => html`<td role="cell" data-label="${columns[i]}">${cell}</td>`)}</tr>`)}
</tbody></table>`;
}

// The frame of the settings

function projectSwitcher(view, action) {
  return html`<form class="switcher" method="get" action="${action}">
<label for="project">Project</label>
<select id="project" name="project" data-submit>${view.projects.map(({ id, name }) =>
    html`<option value="${id}"${id === view.project.id && html` selected`}>${name}</option>`)}</select>
<button data-without-script>Switch</button>
</form>`;
}

function tab(view, current, name, path) {
  const href = view.project ? inProject(view, path) : settings(view, path);
  return html`<li><a href="${href}"${current === name && html` aria-current="page"`}>${name}</a></li>`;
}

function frame(view, current, body) {
  return layout(`${current} · Settings`, html`<a class="skip" href="#main">Skip to content</a>
<header>
<p class="who">Signed in as <strong>${view.userId}</strong></p>
<form method="post" action="/sign-out">${hidden(view)}${button('Sign out', 'quiet')}</form>
</header>
<main id="main" tabindex="-1">
<h1>Settings</h1>
<nav aria-label="Settings"><ul class="tabs">
${tab(view, current, 'Keys & Secrets', '')}
${tab(view, current, 'Agents', '/agents')}
</ul></nav>
${view.notice && html`<p class="notice" role="status">${view.notice}</p>`}
${alert(view.problem)}
${view.project && projectSwitcher(view, settings(view, current === 'Agents' ? '/agents' : ''))}
${view.project && html`<p class="role">${ROLES[view.role]}</p>`}
${body}
</main>`);
}

// Project LLM keys

// A key's name in a list to choose from
const named = ({ name, provider_label: label, state: now }) => `${name} (${label})${now === 'enabled' ? '' : `, ${now}`}`;

const hint = (content) => html`<br><span class="hint">${content}</span>`;

// When it is to be replaced, which decides nothing
function keyReminder({ rotate_after: date }) {
  if (date === null) return '';
  return date < new Date() ? html`<br><span class="warning">replace it: due since ${when(date)}</span>` : hint(html`replace after ${when(date)}`);
}

function keyState(key) {
  const end = key.expires_at !== null && hint(html`${key.state === 'expired' ? 'since' : 'until'} ${when(key.expires_at)}`);
  return html`${key.state}${end}${keyReminder(key)}`;
}

const MOST_NAMES = 3;

function list(names) {
  const more = names.length - MOST_NAMES;
  return `${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

// Where its requests go, for which models, and with which headers besides
function keyUse(key) {
  return html`${key.provider_label}${key.base_url && hint(key.base_url)}${
    key.allowed_models && hint(`only for ${list(key.allowed_models)}`)}${
    key.header_names?.length > 0 && hint(`with ${list(key.header_names)}`)}`;
}

const HEALTH = { unverified: 'not tried yet', ok: 'works', rejected: 'rejected by the provider', quota: 'quota used up', cooling: 'failed' };

// How it fared last, as runners and tests reported, and until when others are tried first
function keyHealth(key) {
  if (key.status !== 'ok') return html`<span class="problem">does not open: delete it and add it again</span>`;
  return html`${HEALTH[key.health]}${key.cooling_until !== null && hint(html`others first until ${when(key.cooling_until)}`)}`;
}

const TESTED = { undefined: 'warning', ok: 'good' };

// app.js puts in here what the page that answers has
function testForm(view, key) {
  const tested = view.tested?.keyId === key.id ? view.tested : undefined;
  return html`<form method="post" action="${inProject(view, `/llm-keys/${key.id}/test`)}#health-${key.id}" data-test>${hidden(view)}
${button(html`Test this key<span class="away"> (${key.name})</span>`, 'quiet')}</form>
<p role="status" class="status${tested && ` ${TESTED[tested.outcome] ?? 'problem'}`}">${tested?.text}</p>`;
}

// Others would only be refused.
export const canTest = (view, key) =>
  view.managesKeys && !view.isReadOnly && key.status === 'ok' && key.state === 'enabled';

function healthCell(view, key) {
  return html`<div id="health-${key.id}"><div class="health">${keyHealth(key)}</div>${canTest(view, key) && testForm(view, key)}</div>`;
}

function keyActions(view, key) {
  const link = (action, label) => html`<a class="action" href="${inProject(view, `/llm-keys/${key.id}/${action}`)}">${label}<span class="away"> ${key.name}</span></a>`;
  const enable = key.state === 'disabled';
  return html`${key.status === 'ok' && html`<form method="post" action="${inProject(view, `/llm-keys/${key.id}/state`)}">${hidden(view)}
<input type="hidden" name="enabled" value="${enable ? '1' : '0'}">
${button(html`${enable ? 'Enable' : 'Disable'}<span class="away"> ${key.name}</span>`, 'quiet')}</form>
${link('replace', 'Replace')} `}${link('delete', 'Delete')}`;
}

function keyRow(view, key) {
  return [
    html`<strong>${key.name}</strong><br><code class="mask">${key.masked_key}</code>${hint(`added by ${key.added_by}`)}`,
    keyUse(key),
    keyState(key),
    key.priority,
    healthCell(view, key),
    when(key.last_used_at),
    key.agent_count,
    ...(view.managesKeys ? [keyActions(view, key)] : []),
  ];
}

// Whether a key of the provider brings a base URL: "required", "optional" or not
function baseUrlOf(provider) {
  if (provider.base_url_required) return 'required';
  return provider.base_url_allowed ? 'optional' : '';
}

function providerOptions(view) {
  return view.providers.map((provider) => ({
    value: provider.slug,
    label: provider.label,
    data: html` data-base-url="${baseUrlOf(provider)}" data-hosts="${(provider.base_url_host_suffixes ?? []).slice(0, 3).join(', ')}" data-usual="${provider.default_base_url ?? ''}"`,
  }));
}

// The options of a new key. They go sealed in its box, headers' values and all; what
// has a name here is sent as well, for the page to show again if something is wrong.

function headerRow(name) {
  return html`<div class="header" data-header>
<label>Header <input data-header-name value="${name}" maxlength="128" autocomplete="off" spellcheck="false"></label>
<label>Its value <input data-header-value type="password" maxlength="2048" autocomplete="off" spellcheck="false"></label>
</div>`;
}

function headerFields(form, hintText) {
  const names = (form.values?.header_names ?? '').split(' ').filter(Boolean);
  return html`<fieldset class="field" data-headers aria-describedby="${form.id}-headers-hint"><legend>Headers</legend>
${hintLine(`${form.id}-headers`, hintText)}
<input type="hidden" name="header_names">
${(names.length > 0 ? names : ['']).map(headerRow)}
<button type="button" class="quiet" data-add-header>Add another header</button></fieldset>`;
}

function moreOptions(form, headersHint) {
  const wrong = form.fields?.options;
  return html`<details class="more"${wrong && html` open`}><summary>More options</summary>
${alert(wrong)}
${field(form, 'priority', 'Order', text('priority', 'type="number" step="1" min="-2147483648" max="2147483647"'), 'Keys of a provider are tried in their order, lower first.')}
${field(form, 'expires_at', 'Expires (UTC)', text('expires_at', 'type="datetime-local" max="9999-12-31T23:59"'), 'The key does not work from then on. Left empty, it has no end.')}
${field(form, 'rotate_after', 'Replace after (UTC)', text('rotate_after', 'type="datetime-local" max="9999-12-31T23:59"'), 'A reminder; the key goes on working.')}
${field(form, 'allowed_models', 'Only for these models', textArea('allowed_models'), 'Their names, with spaces or commas between them. Left empty, all.')}
${headerFields(form, headersHint)}
</details>`;
}

function addKeyForm(view) {
  const form = { id: 'llm-key', values: { priority: 100 }, ...view.forms['llm-key'] };
  return html`<details${form.fields && html` open`}><summary>Add key</summary>
<form method="post" action="${inProject(view, '/llm-keys')}" ${sealAttributes(view, 'llm-key')}>
${hidden(view)}<input type="hidden" name="sealed">
${field(form, 'provider', 'Provider', select('provider', providerOptions(view), 'data-provider'))}
${field(form, 'name', 'Name', text('name', 'required maxlength="100"'))}
${field(form, 'value', 'Key', secretInput, 'Sealed in your browser; only the database opens it.')}
${field(form, 'base_url', 'Base URL', text('base_url', 'type="url" maxlength="2048"'), 'Where you have an address of your own at the provider, as its portal shows it, like https://name.openai.azure.com.')}
${moreOptions(form, 'For a gateway in front of the provider. Their values are sealed with the key.')}
${button('Add key')}<p class="status" role="status"></p>
</form></details>`;
}

function llmKeys(view) {
  const columns = ['Name', 'Provider', 'State', 'Order', 'Health', 'Last used', 'Agents', ...(view.managesKeys ? ['Actions'] : [])];
  return html`<section aria-labelledby="llm-keys"><h2 id="llm-keys">Project LLM keys</h2>
<p>Shared by the project. Agents use them; nobody reads them again. Keys of a provider are tried in their order, lower first.</p>
${view.keys.length > 0
    ? table('Project LLM keys', columns, view.keys.map((key) => keyRow(view, key)))
    : html`<p class="empty">This project has no LLM keys yet.${view.managesKeys ? '' : ' Ask an admin to add one.'}</p>`}
${view.managesKeys && addKeyForm(view)}
</section>`;
}

// Project secrets

function restoreForm(view, secret) {
  const first = Math.max(1, secret.version - view.versionsKept + 1);
  const versions = [];
  for (let version = secret.version - 1; version >= first; version--) versions.push(version);
  if (versions.length === 0) return html`<span class="hint">No older version.</span>`;
  const id = `restore-${secret.name}`;
  return html`<form class="inline" method="post" action="${inProject(view, '/secrets/restore')}">${hidden(view)}
<input type="hidden" name="name" value="${secret.name}">
<label for="${id}" class="away">Version of ${secret.name} to restore</label>
<select id="${id}" name="version">${versions.map((version) => html`<option value="${version}">Version ${version}</option>`)}</select>
${button(html`Restore<span class="away"> ${secret.name}</span>`, 'quiet')}</form>`;
}

function secretRow(view, secret) {
  return [
    html`<code>${secret.name}</code>${secret.description && html`<br><span class="hint">${secret.description}</span>`}`,
    secret.version,
    html`${secret.updated_by}, ${when(secret.updated_at)}`,
    when(secret.last_used_at),
    ...(view.managesKeys ? [html`${restoreForm(view, secret)}
<a class="action" href="${inProject(view, `/secrets/${secret.name}/delete`)}">Delete<span class="away"> ${secret.name}</span></a>`] : []),
  ];
}

function setSecretForm(view) {
  const form = { id: 'secret', ...view.forms.secret };
  return html`<details${form.fields && html` open`}><summary>Set secret</summary>
<form method="post" action="${inProject(view, '/secrets')}" ${sealAttributes(view, 'secret')}>
${hidden(view)}<input type="hidden" name="sealed">
${field(form, 'name', 'Name', text('name', 'required maxlength="128" pattern="[A-Za-z_][A-Za-z0-9_]*" list="secret-names"'), 'Letters, digits and _. The name of a secret that there is gives it a new version.')}
<datalist id="secret-names">${view.secrets.map(({ name }) => html`<option value="${name}"></option>`)}</datalist>
${field(form, 'value', 'Value', secretArea, 'Sealed in your browser; only the database opens it.')}
${field(form, 'description', 'Description', text('description', 'maxlength="1000"'), 'Optional. Left empty, the one there is stays.')}
${button('Set secret')}<p class="status" role="status"></p>
</form></details>`;
}

function secrets(view) {
  const columns = ['Name', 'Version', 'Updated', 'Last used', ...(view.managesKeys ? ['Actions'] : [])];
  return html`<section aria-labelledby="secrets"><h2 id="secrets">Project secrets</h2>
<p>Named values for workflows and agents, as <code>\${secrets.NAME}</code>.</p>
${view.secrets.length > 0
    ? table('Project secrets', columns, view.secrets.map((secret) => secretRow(view, secret)))
    : html`<p class="empty">This project has no secrets yet.</p>`}
${view.managesKeys && setSecretForm(view)}
</section>`;
}

// Platform API keys

function state(key) {
  if (key.revoked_at !== null) return html`revoked ${when(key.revoked_at)}`;
  if (key.expires_at === null) return 'does not expire';
  return html`${key.expires_at < new Date() ? 'expired' : 'expires'} ${when(key.expires_at)}`;
}

function scope(view, key) {
  const names = key.project_ids?.map((id) => view.projects.find((project) => project.id === id)?.name ?? 'a project you left');
  return `${names ? names.join(', ') : 'all your projects'}${key.read_only ? ', lists only' : ''}`;
}

function platformKeyRow(view, key) {
  return [
    html`<strong>${key.name}</strong>`,
    html`<code class="mask">${key.masked_key}</code>`,
    scope(view, key),
    when(key.created_at),
    when(key.last_used_at),
    state(key),
    key.revoked_at === null && html`<form method="post" action="${settings(view, `/platform-keys/${key.id}/revoke`)}">${hidden(view)}
${view.project && html`<input type="hidden" name="project" value="${view.project.id}">`}
${button(html`Revoke<span class="away"> ${key.name}</span>`, 'quiet')}</form>`,
  ];
}

const LIFETIMES = [['90', '90 days'], ['30', '30 days'], ['365', 'a year'], ['', 'No end']]
  .map(([value, label]) => ({ value, label }));

function createPlatformKeyForm(view) {
  const form = { id: 'platform-key', ...view.forms['platform-key'] };
  return html`<details${form.fields && html` open`}><summary>Create platform key</summary>
<form method="post" action="${settings(view, '/platform-keys')}">
${hidden(view)}${view.project && html`<input type="hidden" name="project" value="${view.project.id}">`}
${field(form, 'name', 'Name', text('name', 'required maxlength="100"'))}
${field(form, 'expires', 'Valid for', select('days', LIFETIMES))}
<div class="field check"><input type="checkbox" id="read-only" name="read_only" value="1"><label for="read-only">Lists only</label></div>
${view.project && html`<div class="field check"><input type="checkbox" id="narrow" name="narrow" value="1"><label for="narrow">Only for ${view.project.name}</label></div>`}
${button('Create platform key')}
</form></details>`;
}

// The token is on this one page; the session forgets it when it is shown.
function createdToken(token) {
  return token && html`<div class="created" role="status"><label for="token">Your new platform key. It is not shown again.</label>
<div class="inline"><input id="token" readonly value="${token}" autocomplete="off" spellcheck="false">
<button type="button" data-copy="token">Copy</button></div></div>`;
}

function platformKeys(view) {
  return html`<section aria-labelledby="platform-keys"><h2 id="platform-keys">Platform API keys</h2>
<p>Your own, to sign in here and to call the platform from programs. Nobody else sees them.</p>
${createdToken(view.createdToken)}
${view.platformKeys.length > 0
    ? table('Platform API keys', ['Name', 'Key', 'For', 'Created', 'Last used', 'State', 'Actions'], view.platformKeys.map((key) => platformKeyRow(view, key)))
    : html`<p class="empty">You have no platform keys.</p>`}
${createPlatformKeyForm(view)}
</section>`;
}

export function keysPage(view) {
  return frame(view, 'Keys & Secrets', html`
${view.project ? html`${llmKeys(view)}${secrets(view)}` : html`<p class="empty">You are in no project yet.</p>`}
${platformKeys(view)}`);
}

// What the new key has of the old one; it is shown, and can be changed
function optionsOf(key) {
  return {
    priority: key.priority, expires_at: comingTime(key.expires_at), rotate_after: comingTime(key.rotate_after),
    allowed_models: key.allowed_models?.join(', '),
  };
}

export function replaceKeyPage(view, key) {
  const form = { id: 'replace', values: optionsOf(key), ...view.forms.replace };
  const sent = key.header_names?.length > 0 ? `those of the old one, ${list(key.header_names)}` : 'none, as the old one';
  return frame(view, 'Keys & Secrets', html`<section aria-labelledby="replace"><h2 id="replace">Replace “${key.name}”</h2>
<p>The new ${key.provider_label} key has the name, base URL, headers, order and models of <code>${key.masked_key}</code>, and its agents, unless you say otherwise under “More options”. The old one is disabled, and keeps its value until you delete it.</p>
<form method="post" action="${inProject(view, `/llm-keys/${key.id}/replace`)}" ${sealAttributes(view, 'replacement')} data-old-key="${key.id}" data-provider="${key.provider}" data-destination="${key.destination}">
${hidden(view)}<input type="hidden" name="sealed">
${field(form, 'value', 'New key', secretInput, 'Sealed in your browser; only the database opens it.')}
${moreOptions(form, `Left empty, the new key has ${sent}.`)}
${button('Replace key')} <a href="${inProject(view)}">Cancel</a><p class="status" role="status"></p>
</form></section>`);
}

// Deletions ask first

export function deleteKeyPage(view, key, form = {}) {
  const others = view.keys.filter(({ id }) => id !== key.id);
  const options = [{ value: '', label: 'Leave them without a key' },
    ...others.map((other) => ({ value: other.id, label: named(other) }))];
  return frame(view, 'Keys & Secrets', html`<section aria-labelledby="delete"><h2 id="delete">Delete “${key.name}”?</h2>
<p>The ${key.provider_label} key <code>${key.masked_key}</code> is gone for good. To end its use in a way that can be taken back, disable it.</p>
<form method="post" action="${inProject(view, `/llm-keys/${key.id}/delete`)}">${hidden(view)}
${view.agents.length > 0
    ? html`<p class="warning">${view.agents.length === 1 ? 'This agent uses it and will stop working' : 'These agents use it and will stop working'}, unless you point ${view.agents.length === 1 ? 'it' : 'them'} to another key:</p>
<ul>${view.agents.map(({ name }) => html`<li>${name}</li>`)}</ul>
${field({ id: 'repoint', values: form.values, fields: form.fields }, 'to', 'Agents go on with', select('to', options))}`
    : html`<p>No agent uses it.</p>`}
${button('Delete key', 'danger')} <a href="${inProject(view)}">Cancel</a>
</form></section>`);
}

export function deleteSecretPage(view, name) {
  return frame(view, 'Keys & Secrets', html`<section aria-labelledby="delete"><h2 id="delete">Delete “${name}”?</h2>
<p>All its versions go, for good. What refers to <code>\${secrets.${name}}</code> fails.</p>
<form method="post" action="${inProject(view, `/secrets/${name}/delete`)}">${hidden(view)}
${button('Delete secret', 'danger')} <a href="${inProject(view)}">Cancel</a>
</form></section>`);
}

// Agents

// Whose models nobody may ask for with the rights that the person has, and why. Others
// would only be refused.
function whyNoModels(view, key) {
  if (view.isReadOnly) return 'You have signed in with a platform key that may only list.';
  return view.managesKeys || key.agent_count > 0 ? '' : 'No agent has this key yet. Save it here to see its models.';
}

function keyOptions(view, current) {
  const known = view.keys.map((key) => ({ value: key.id, label: named(key), data: html` data-no-models="${whyNoModels(view, key)}"` }));
  if (current === null) return [{ value: '', label: 'No key yet' }, ...known];
  return known.some(({ value }) => value === current) ? known : [{ value: '', label: 'A deleted key: choose another' }, ...known];
}

function modelList(view, id, keyId) {
  const key = view.keys.find((each) => each.id === keyId);
  const why = key === undefined ? 'Choose a key to see its models.' : whyNoModels(view, key);
  return html`<div class="models" data-models-of="${id}" data-models-url="${settings(view, '/llm-keys/')}" data-project="${view.project.id}">
<h4>Models</h4>
<p class="status" role="status">${why || html`<a href="${inProject(view, `/llm-keys/${keyId}/models`)}">Show the models of this key</a>`}</p><ul></ul></div>`;
}

// Any member may, unless the platform key may only list
export const canConverse = (view, agent) =>
  !view.isReadOnly && view.keys.some(({ id }) => id === agent.user_api_key_id);

function testConsole(view, agent) {
  const { values, problem: told, answer, keyName } = view.console?.agentId === agent.id ? view.console : {};
  const id = `console-${agent.id}`;
  const form = { id, values };
  return html`<details id="${id}"${values && html` open`}><summary>Test console<span class="away"> of ${agent.name}</span></summary>
<form method="post" action="${inProject(view, `/agents/${agent.id}/console`)}#${id}">${hidden(view)}
${field(form, 'model', 'Model', text('model', 'required maxlength="200"'), 'One of those that the key is for.')}
${field(form, 'message', 'Message', textArea('message', 'required maxlength="4000"'))}
${button(html`Send<span class="away"> to ${agent.name}</span>`)}
${alert(told)}${answer !== undefined && html`<div role="status"><p class="hint">Answered with the key “${keyName}”:</p><p class="answer">${answer}</p></div>`}
</form></details>`;
}

function agentCard(view, agent) {
  const form = { id: `agent-${agent.id}`, values: { key: agent.user_api_key_id ?? '' }, ...view.forms[agent.id] };
  return html`<li class="card"><h3>${agent.name}</h3>
<form method="post" action="${inProject(view, `/agents/${agent.id}`)}">${hidden(view)}
${field(form, 'key', 'Key', select('key', keyOptions(view, agent.user_api_key_id), 'required'))}
${button(html`Save<span class="away"> ${agent.name}</span>`)}
</form>
${modelList(view, `${form.id}-key`, agent.user_api_key_id)}
${canConverse(view, agent) && testConsole(view, agent)}
<form method="post" action="${inProject(view, `/agents/${agent.id}/delete`)}">${hidden(view)}${button(html`Delete<span class="away"> agent ${agent.name}</span>`, 'quiet')}</form>
</li>`;
}

export function agentsPage(view) {
  const form = { id: 'agent', ...view.forms.agent };
  const body = view.project ? html`<section aria-labelledby="agents"><h2 id="agents">Agents</h2>
${view.agents.length > 0
    ? html`<ul class="cards">${view.agents.map((agent) => agentCard(view, agent))}</ul>`
    : html`<p class="empty">This project has no agents yet.</p>`}
<details${form.fields && html` open`}><summary>Create agent</summary>
<form method="post" action="${inProject(view, '/agents')}">${hidden(view)}
${field(form, 'name', 'Name', text('name', 'required maxlength="100"'))}
${field(form, 'key', 'Key', select('key', keyOptions(view, null)))}
${button('Create agent')}
</form></details></section>` : html`<p class="empty">You are in no project yet.</p>`;
  return frame(view, 'Agents', body);
}

export function modelsPage(view, key, { models, problem: told }) {
  return frame(view, 'Agents', html`<section aria-labelledby="models"><h2 id="models">Models of “${key.name}”</h2>
${told ? alert(told) : html`<ul class="list">${models.map((id) => html`<li><code>${id}</code></li>`)}</ul>`}
<p><a href="${inProject(view, '/agents')}">Back to the agents</a></p></section>`);
}

// Without a session

export function signInPage(fields = {}) {
  const form = { id: 'sign-in', fields };
  return layout('Sign in', html`<main id="main" class="narrow"><h1>Sign in</h1>
<form method="post" action="/sign-in">
${alert(fields.form)}
${field(form, 'token', 'Platform API key', (id, value, more) =>
    html`<input id="${id}" name="token" type="password" required autocomplete="off" spellcheck="false" maxlength="200"${more}>`, 'It begins with sk-tarx-.')}
${button('Sign in')}
</form></main>`);
}

export function errorPage(title, text) {
  return layout(title, html`<main id="main" class="narrow"><h1>${title}</h1><p>${text}</p><p><a href="/">To the start</a></p></main>`);
}
