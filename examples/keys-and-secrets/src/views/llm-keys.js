// The section of LLM keys, and its questions.

import { ago as when, alert, button, comingTime, field, frame, hidden, hintLine, html, inProject, sealAttributes, secretInput, select, text, textArea } from './parts.js';
import { table } from './table.js';

// A key's name in a list to choose from
export const named = ({ name, provider_label: label, state: now }) => `${name} (${label})${now === 'enabled' ? '' : `, ${now}`}`;

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

export function list(names) {
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

export function moreOptions(form, headersHint) {
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

export function llmKeys(view) {
  const columns = ['Name', 'Provider', 'State', 'Order', 'Health', 'Last used', 'Agents', ...(view.managesKeys ? ['Actions'] : [])];
  return html`<section aria-labelledby="llm-keys"><h2 id="llm-keys">Project LLM keys</h2>
<p>Shared by the project. Agents use them; nobody reads them again. Keys of a provider are tried in their order, lower first.</p>
${view.keys.length > 0
    ? table('Project LLM keys', columns, view.keys.map((key) => keyRow(view, key)))
    : html`<p class="empty">This project has no LLM keys yet.${view.managesKeys ? '' : ' Ask an admin to add one.'}</p>`}
${view.managesKeys && addKeyForm(view)}
</section>`;
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
