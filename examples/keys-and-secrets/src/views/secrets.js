// The section of project secrets, and its questions.

import { ago as when, button, field, frame, hidden, html, inProject, sealAttributes, secretArea, text } from './parts.js';
import { table } from './table.js';

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

export function secrets(view) {
  const columns = ['Name', 'Version', 'Updated', 'Last used', ...(view.managesKeys ? ['Actions'] : [])];
  return html`<section aria-labelledby="secrets"><h2 id="secrets">Project secrets</h2>
<p>Named values for workflows and agents, as <code>\${secrets.NAME}</code>.</p>
${view.secrets.length > 0
    ? table('Project secrets', columns, view.secrets.map((secret) => secretRow(view, secret)))
    : html`<p class="empty">This project has no secrets yet.</p>`}
${view.managesKeys && setSecretForm(view)}
</section>`;
}

export function deleteSecretPage(view, name) {
  return frame(view, 'Keys & Secrets', html`<section aria-labelledby="delete"><h2 id="delete">Delete “${name}”?</h2>
<p>All its versions go, for good. What refers to <code>\${secrets.${name}}</code> fails.</p>
<form method="post" action="${inProject(view, `/secrets/${name}/delete`)}">${hidden(view)}
${button('Delete secret', 'danger')} <a href="${inProject(view)}">Cancel</a>
</form></section>`);
}
