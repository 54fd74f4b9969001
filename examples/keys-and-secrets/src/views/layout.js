// The frame of all pages: what is on top, the tabs, and where one is.

import { html, raw } from '../html.js';
import { alert, hidden } from './fields.js';
import { notice } from './notices.js';
import { here, settings } from './paths.js';

const ROLES = {
  admin: 'You are an admin of this project.',
  key_manager: 'You manage the keys and secrets of this project.',
  member: 'You are a member of this project. Its admins add and delete keys and secrets.',
  viewer: 'You see what this project has, and change nothing.',
};

// The tabs, and the paths of their pages
const TABS = { 'Keys & Secrets': '', Agents: '/agents', Members: '/members', Audit: '/audit' };

export const IMPORT_MAP = JSON.stringify({
  imports: {
    'libsodium-wrappers': '/assets/libsodium-wrappers.mjs',
    libsodium: '/assets/libsodium.mjs',
  },
});

const STYLES = ['style', 'rows', 'dialog', 'agents', 'secrets', 'platform-keys', 'members', 'audit'];

export function layout(title, body) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
${STYLES.map((name) => html`<link rel="stylesheet" href="/assets/${name}.css">
`)}<link rel="icon" href="data:,">
<script type="importmap">${raw(IMPORT_MAP)}</script>
<script type="module" src="/assets/app.js"></script>
</head>
<body>
${body}
</body>
</html>
`.toString();
}

function projectSwitcher(view, path) {
  return html`<form class="switcher" method="get" action="${settings(view, path)}">
<label for="project" class="away">Project</label>
<select id="project" name="project" data-submit>${view.projects.map(({ id, name }) =>
    html`<option value="${id}"${id === view.project.id && html` selected`}>${name}</option>`)}</select>
<button class="quiet" data-without-script>Switch</button>
</form>`;
}

// Settings / project / tab / what is open
function breadcrumb(view, current, title) {
  const path = TABS[current];
  const page = html`<a href="${here(view, path)}"${!title && html` aria-current="page"`}>${current}</a>`;
  return html`<nav class="breadcrumb" aria-label="Breadcrumb"><ol>
<li><a href="${here(view)}">Settings</a></li>
${view.project && html`<li>${projectSwitcher(view, path)}</li>`}
<li>${page}</li>
${title && html`<li aria-current="page">${title}</li>`}
</ol></nav>`;
}

function tabs(view, current) {
  return html`<nav aria-label="Settings"><ul class="tabs">${Object.entries(TABS).map(([name, path]) =>
    html`<li><a href="${here(view, path)}"${current === name && html` aria-current="page"`}>${name}</a></li>`)}</ul></nav>`;
}

// current is the name of the tab. title is that of a page below it, which shows its problem itself.
export function frame(view, current, body, { title, problem = view.problem } = {}) {
  return layout(`${title ? `${title} · ` : ''}${current} · ${view.project?.name ?? 'Settings'}`, html`<a class="skip" href="#main">Skip to content</a>
<header>
${breadcrumb(view, current, title)}
<div class="who"><span><span class="signed-in">Signed in as </span><strong>${view.userId}</strong></span>
<form method="post" action="/sign-out">${hidden(view)}<button class="quiet">Sign out</button></form></div>
</header>
<main id="main" tabindex="-1">
${tabs(view, current)}
${notice(view, view.notice)}
${alert(problem)}
<div class="page-head"><h1>${current}</h1>
${view.project && html`<p class="role">${ROLES[view.role]}</p>`}</div>
${body}
</main>`);
}
