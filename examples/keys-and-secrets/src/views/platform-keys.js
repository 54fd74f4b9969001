// The section of one's own platform keys.

import { ago as when, button, field, hidden, html, select, settings, text } from './parts.js';
import { table } from './table.js';

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

export function platformKeys(view) {
  return html`<section aria-labelledby="platform-keys"><h2 id="platform-keys">Platform API keys</h2>
<p>Your own, to sign in here and to call the platform from programs. Nobody else sees them.</p>
${createdToken(view.createdToken)}
${view.platformKeys.length > 0
    ? table('Platform API keys', ['Name', 'Key', 'For', 'Created', 'Last used', 'State', 'Actions'], view.platformKeys.map((key) => platformKeyRow(view, key)))
    : html`<p class="empty">You have no platform keys.</p>`}
${createPlatformKeyForm(view)}
</section>`;
}
