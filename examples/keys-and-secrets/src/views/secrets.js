// Project secrets: the list, and the dialogs to set, paste, restore, describe and delete.

import { mayChangeKeys } from './llm-keys/rights.js';
import { ago, at, badge, buttons, confirmation, dialogPage, empty, field, here, hidden, html, inProject, link, row, rows, sealAttributes, secretArea, section, text, textArea } from './parts.js';

const TAB = 'Keys & Secrets';
const NAME_RULE = 'Letters, digits and _, no digit first.';
export const NAME_PATTERN = '[A-Za-z_][A-Za-z0-9_]*';

const back = (view, name) => here(view, name ? `#secret-${name}` : '#secrets');
const of = (view, name, rest) => inProject(view, `/secrets/${name}/${rest}`);
const setPath = (view, name) => `${inProject(view, '/secrets/set')}&name=${name}`;

const reference = (name) => html`<code>\${secrets.${name}}</code>`;

// The list

function secretRow(view, secret) {
  const { name } = secret;
  return row({
    id: `secret-${name}`, name, title: html`<code>${name}</code>`,
    facts: [
      secret.description && html`<span class="description">${secret.description}</span>`,
      `version ${secret.version}`,
      html`set ${ago(secret.updated_at)} by ${secret.updated_by}`,
      secret.last_used_at ? html`used ${ago(secret.last_used_at)}` : 'never used',
    ],
    primary: mayChangeKeys(view) && link(setPath(view, name), 'New value', { of: `for ${name}`, className: 'button quiet in-menu' }),
    actions: mayChangeKeys(view) ? [
      link(setPath(view, name), 'New value', { of: `for ${name}`, className: 'on-phone' }),
      link(of(view, name, 'versions'), 'Versions', { of: `of ${name}` }),
      link(of(view, name, 'describe'), 'Edit description', { of: `of ${name}` }),
      link(of(view, name, 'delete'), 'Delete', { of: name, className: 'danger' }),
    ] : [],
  });
}

const addButton = (view) => link(inProject(view, '/secrets/set'), 'Add secret', { className: 'button' });
const pasteButton = (view) => link(inProject(view, '/secrets/paste'), 'Paste .env', { className: 'button quiet' });
const addActions = (view) => html`<div class="section-actions">${pasteButton(view)}${addButton(view)}</div>`;

function noSecrets(view) {
  return mayChangeKeys(view)
    ? empty('Tokens, passwords and certificates that workflows and agents of this project need belong here, each under a name. Have a .env file? Paste it: it is read and sealed in your browser.', addActions(view))
    : empty('This project has no secrets yet. Its admins and key managers add them.');
}

export function secrets(view) {
  return section({
    id: 'secrets', title: 'Project secrets',
    about: html`Named values for workflows and agents, as ${reference('NAME')}. Nobody reads them again.`,
    action: mayChangeKeys(view) && view.secrets.length > 0 && addActions(view),
    body: view.secrets.length > 0
      ? rows('Project secrets', view.secrets.map((secret) => secretRow(view, secret)))
      : noSecrets(view),
  });
}

// Setting one

const nameField = (form) => field(form, 'name', 'Name',
  text('name', `required maxlength="128" pattern="${NAME_PATTERN}" title="${NAME_RULE}" spellcheck="false" autofocus list="secret-names"`),
  `${NAME_RULE} The name of a secret that there is gives it a new version.`);

const fixedName = (form) => html`<input type="hidden" name="name" value="${form.values.name}"><input type="hidden" name="known" value="1">`;

// A secret that was asked for by its name keeps that; its description is shown, to be
// changed or emptied.
export function setSecretPage(view, asked = {}) {
  const { name } = { ...asked, ...view.forms.secret?.values };
  const known = view.secrets.find((secret) => secret.name === name && (asked.name === name || view.forms.secret?.values?.known));
  const form = { id: 'secret', ...view.forms.secret, values: { description: known?.description ?? '', ...asked, ...view.forms.secret?.values } };
  return dialogPage(view, TAB, {
    title: known ? `New value for ${name}` : 'Add secret',
    back: back(view, known?.name),
    body: html`${known && html`<p>It becomes version ${known.version + 1}, at once for everything that uses ${reference(name)}. The ${view.versionsKept} newest versions are kept, to go back to.</p>`}
<form method="post" action="${inProject(view, '/secrets/set')}" ${sealAttributes(view, 'secret')}>
${hidden(view)}<input type="hidden" name="sealed">
${known ? fixedName(form) : html`${nameField(form)}
<datalist id="secret-names">${view.secrets.map((secret) => html`<option value="${secret.name}"></option>`)}</datalist>`}
${field(form, 'value', 'Value', secretArea, 'Sealed in your browser; only the database opens it. Up to 64 KiB, with its line ends.')}
${field(form, 'description', 'Description', text('description', 'maxlength="1000"'), known ? 'Everybody in the project reads it.' : 'Optional. Everybody in the project reads it.')}
${buttons(known ? 'Set new value' : 'Add secret', back(view, known?.name))}
</form>`,
  });
}

export function describeSecretPage(view, secret) {
  const form = { id: 'describe', ...view.forms.describe, values: { description: secret.description ?? '', ...view.forms.describe?.values } };
  return dialogPage(view, TAB, {
    title: `Description of ${secret.name}`, back: back(view, secret.name),
    body: html`<form method="post" action="${of(view, secret.name, 'describe')}">${hidden(view)}
${field(form, 'description', 'Description', textArea('description', 'maxlength="1000"'), 'Everybody in the project reads it. Empty, there is none. The value stays as it is.')}
${buttons('Save description', back(view, secret.name))}
</form>`,
  });
}

// Pasting a .env file. Text, file and values have no names, so no form sends them;
// public/env-file.js reads them, seals each, and sends the boxes one by one.

export function pasteEnvPage(view) {
  const versions = Object.fromEntries(view.secrets.map(({ name, version }) => [name, version]));
  return dialogPage(view, TAB, {
    title: 'Paste a .env file', back: back(view), wide: true,
    body: html`<p data-without-script class="warning">This needs scripts, because the file is read and its values are sealed in your browser. Without scripts no value can be set.</p>
<form method="post" action="${inProject(view, '/secrets/set')}" ${sealAttributes(view, 'env')} data-env data-versions="${JSON.stringify(versions)}" data-pattern="^${NAME_PATTERN}$">
${hidden(view)}
<div class="field"><label for="env-text">Contents of the file</label>
<textarea id="env-text" data-env-text rows="8" autocomplete="off" spellcheck="false" autofocus aria-describedby="env-hint"></textarea>
<p class="hint" id="env-hint">Lines of NAME=value, as dotenv reads them: quotes, comments and “export” may be there. It is read here, in your browser; values leave it sealed, each for its name.</p></div>
<div class="field"><label for="env-file">Or choose the file</label><input type="file" id="env-file" data-env-file></div>
<div data-env-found hidden><h3 id="env-found">What is in it</h3>
<ul class="rows env" aria-labelledby="env-found" data-env-rows></ul></div>
<div class="buttons"><button data-env-submit disabled>Set secrets</button> <a class="button quiet" href="${back(view)}" data-close data-env-close>Cancel</a></div>
<p class="status" role="status"></p>
</form>`,
  });
}

// Versions. The audit log knows who wrote which one, and when; it is shown to admins.

const WROTE = { 'secret.set': 'set', 'secret.restore': 'restored from an older one' };

function versionRow(view, secret, { version, by, when, action }) {
  const isCurrent = version === secret.version;
  return row({
    id: `version-${version}`, name: `version ${version}`, title: `Version ${version}`,
    badges: [isCurrent && badge('good', 'in use')],
    facts: [when && html`${WROTE[action] ?? 'set'} ${ago(when)} by ${by}`, when && at(when)],
    primary: !isCurrent && link(`${of(view, secret.name, 'restore')}&version=${version}`, 'Restore', { of: `version ${version}`, className: 'button quiet' }),
  });
}

export function versionsPage(view, secret, versions) {
  const gone = secret.version - versions.length;
  return dialogPage(view, TAB, {
    title: `Versions of ${secret.name}`, back: back(view, secret.name), wide: true,
    body: html`<p>Newest first. No value is shown; to go back to one, restore it.</p>
${rows(`Versions of ${secret.name}`, versions.map((version) => versionRow(view, secret, version)))}
${gone > 0 && html`<p class="hint">${gone === 1 ? 'Version 1 is' : `Versions 1 to ${gone} are`} gone: the ${view.versionsKept} newest are kept.</p>`}
${view.role !== 'admin' && versions.length > 1 && html`<p class="hint">Who set the older ones, and when, is in the audit log, which admins see.</p>`}
<div class="buttons"><a class="button quiet" href="${back(view, secret.name)}" data-close>Close</a></div>`,
  });
}

export function restoreSecretPage(view, secret, { version, by, when }) {
  return dialogPage(view, TAB, {
    title: `Restore version ${version} of ${secret.name}?`, back: of(view, secret.name, 'versions'),
    body: html`<p>The value of version ${version}${when && html`, ${by}’s of ${at(when)},`} becomes version ${secret.version + 1}, at once for everything that uses ${reference(secret.name)}.</p>
<p>Version ${secret.version}, in use now, stays among the versions: you can restore it in the same way.</p>
<form method="post" action="${of(view, secret.name, 'restore')}">${hidden(view)}<input type="hidden" name="version" value="${version}">
${buttons(`Restore version ${version}`, of(view, secret.name, 'versions'))}
</form>`,
  });
}

export function deleteSecretPage(view, secret) {
  return confirmation(view, TAB, {
    title: `Delete ${secret.name}?`,
    breaks: html`<p>What refers to ${reference(secret.name)} fails from then on${secret.last_used_at ? html`. It was used ${ago(secret.last_used_at)}` : html`. It was never used`}.</p>
<p>${secret.version === 1 ? 'Its value goes' : 'All its versions go'}, and cannot be brought back.</p>`,
    safer: html`<p>Only the value is wrong? ${link(setPath(view, secret.name), 'Set a new value', { of: `for ${secret.name}` })}${secret.version > 1 && html` or ${link(of(view, secret.name, 'versions'), 'restore an older one')}`}.</p>`,
    action: of(view, secret.name, 'delete'), verb: `Delete ${secret.name}`, back: back(view, secret.name),
  });
}
