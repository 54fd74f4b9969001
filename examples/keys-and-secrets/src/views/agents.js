// The agents of a project, each with its key, and the dialogs to create, edit and delete them.

import { canRun, managesAgents, stateOf } from './agent-state.js';
import { agentKeyField } from './agent-keys.js';
import { list } from './llm-keys/row.js';
import { noProject } from './members.js';
import { ago, badge, buttons, confirmation, dialogPage, due, empty, field, frame, hidden, html, inProject, link, mark, row, rows, section, text } from './parts.js';

const MOST = 50;    // rows of a page

const MOST_NAMES = 3;

const wide = (content) => html`<span class="wide">${content}</span>`;    // not on a phone

const keyLink = (view, key) => html`<a href="${inProject(view, `#key-${key.id}`)}">${key.name}</a>`;

function keyFacts(view, { key, keys, label, left }) {
  if (key !== undefined) {
    return [wide(label), html`key ${keyLink(view, key)}`, wide(html`<code class="mask">${key.masked_key}</code>`),
      key.allowed_models && wide(`only for ${list(key.allowed_models)}`)];
  }
  if (keys === undefined) return [];
  return [html`any key of ${label}, in order`, keys.length > 0 && list(keys.map(({ name }) => name)),
    left > 0 && wide(`${left} left out that cannot be used`)];
}

export const consolePath = (view, agent, model) =>
  `${inProject(view, '/console')}&agent=${agent.id}${model === undefined ? '' : `&model=${encodeURIComponent(model)}`}`;

function agentRow(view, agent) {
  const state = stateOf(view, agent);
  const { trouble } = state;
  const edit = (label, className) => link(inProject(view, `/agents/${agent.id}/edit`), label, { of: agent.name, className });
  const test = (className) => link(consolePath(view, agent), 'Test', { of: agent.name, dialog: false, className });
  const runs = trouble?.stops !== true;
  return row({
    id: `agent-${agent.id}`, name: agent.name,
    icon: mark(state.provider ?? '', state.label ?? '?'),
    badges: [trouble && badge(trouble.kind, trouble.label)],
    facts: [...keyFacts(view, state), trouble?.todo],
    aside: state.key && html`key ${state.key.last_used_at === null ? 'never used' : html`used ${ago(state.key.last_used_at)}`}`,
    primary: managesAgents(view) && (runs ? test('button quiet') : edit('Choose a key', 'button quiet fix')),
    actions: managesAgents(view) ? [
      edit('Edit'),
      runs && link(inProject(view, `/agents/${agent.id}/models`), 'Models', { of: agent.name }),
      link(inProject(view, `/agents/${agent.id}/delete`), 'Delete', { of: agent.name, className: 'danger' }),
    ] : [],
  });
}

// Those that cannot run, on top
function stopped(view, agents) {
  const broken = agents.filter((agent) => !canRun(view, agent));
  if (broken.length === 0) return '';
  const names = broken.slice(0, MOST_NAMES).map((agent) => html`${managesAgents(view)
    ? link(inProject(view, `/agents/${agent.id}/edit`), agent.name) : agent.name}: ${stateOf(view, agent).trouble.label}`);
  const more = broken.length > MOST_NAMES && html`<a href="${inProject(view, '/agents')}&amp;only=stopped">Show all ${broken.length}</a>`;
  return due(broken.length === 1 ? 'One agent cannot run' : `${broken.length} agents cannot run`, [...names, ...(more ? [more] : [])]);
}

// What is looked for: a part of a name, or those that cannot run
function found(view, { q, only }) {
  const part = q.normalize().toLowerCase();
  return view.agents.filter((agent) => agent.name.toLowerCase().includes(part) && (only !== 'stopped' || !canRun(view, agent)));
}

const FEW = 10;

function filter(view, { q, only }) {
  if (view.agents.length <= FEW && q === '' && only === undefined) return '';
  return html`<form class="filter" method="get" action="${inProject(view, '/agents')}" role="search" aria-label="Agents">
<input type="hidden" name="project" value="${view.project.id}">
<label for="q" class="away">Find an agent by name</label>
<input id="q" name="q" type="search" value="${q}" placeholder="Find by name" maxlength="100" autocomplete="off">
<label class="check"><input type="checkbox" name="only" value="stopped"${only === 'stopped' && html` checked`}> only those that cannot run</label>
<button class="quiet">Find</button></form>`;
}

function pager(view, { q, only, page }, count) {
  if (count <= MOST) return '';
  const to = (number) => `${inProject(view, '/agents')}&q=${encodeURIComponent(q)}${only ? `&only=${only}` : ''}&page=${number}`;
  const last = Math.ceil(count / MOST);
  return html`<nav class="pager" aria-label="Pages">${page > 1 && html`<a href="${to(page - 1)}" rel="prev">Before</a>`}
<span>${(page - 1) * MOST + 1} to ${Math.min(page * MOST, count)} of ${count}</span>
${page < last && html`<a href="${to(page + 1)}" rel="next">Next</a>`}</nav>`;
}

function agentList(view, looked) {
  const agents = found(view, looked);
  if (agents.length === 0) {
    return html`<p class="empty">No agent is like that. <a href="${inProject(view, '/agents')}">Show all ${view.agents.length}</a></p>`;
  }
  const page = Math.min(looked.page, Math.ceil(agents.length / MOST));
  return html`${rows('Agents', agents.slice((page - 1) * MOST, page * MOST).map((agent) => agentRow(view, agent)))}
${pager(view, { ...looked, page }, agents.length)}`;
}

const createLink = (view, className = 'button') => link(inProject(view, '/agents/new'), 'Create agent', { className });

export function agentsPage(view, { q = '', only, page = '1' } = {}) {
  if (!view.project) return frame(view, 'Agents', noProject(view));
  const manages = managesAgents(view);
  const looked = { q, only: only === 'stopped' ? only : undefined, page: Math.max(1, Number.parseInt(page, 10) || 1) };
  const body = view.agents.length === 0
    ? empty('An agent works with models by a key of this project. There is none yet.', manages ? createLink(view) : '')
    : html`${stopped(view, view.agents)}${filter(view, looked)}${agentList(view, looked)}`;
  return frame(view, 'Agents', section({
    id: 'agents', title: `Project agents${view.agents.length > FEW ? ` (${view.agents.length})` : ''}`,
    about: 'Each uses a key of the project, or the keys of a provider in turn. Nobody sees a key through them.',
    action: manages && view.agents.length > 0 && html`<div class="section-actions">${link(inProject(view, '/console'), 'Test console', { dialog: false, className: 'button quiet' })} ${createLink(view)}</div>`,
    body,
  }));
}

// Dialogs

const back = (view) => inProject(view, '/agents');

const nameField = (form) => field(form, 'name', 'Name', text('name', 'required maxlength="100"'));

// key is one that has just been added, say
export function newAgentPage(view, { key = '' } = {}) {
  const form = { id: 'agent', values: { key }, ...view.forms.agent };
  return dialogPage(view, 'Agents', {
    title: 'Create agent', back: back(view),
    body: html`<form method="post" action="${inProject(view, '/agents')}">${hidden(view)}
${nameField(form)}
${agentKeyField(view, form)}
${buttons('Create agent', back(view))}</form>`,
  });
}

// What the agent refers to, as its field has it
export const usesOf = (agent) => (agent.provider === null ? agent.user_api_key_id ?? '' : `provider:${agent.provider}`);

export function editAgentPage(view, agent) {
  const form = { id: 'agent', values: { name: agent.name, key: usesOf(agent) }, ...view.forms.agent };
  const state = stateOf(view, agent);
  return dialogPage(view, 'Agents', {
    title: `Edit “${agent.name}”`, back: back(view),
    body: html`${state.trouble?.stops && html`<p class="warning">It cannot run now: ${state.trouble.label}.</p>`}
<form method="post" action="${inProject(view, `/agents/${agent.id}`)}">${hidden(view)}
${nameField(form)}
${agentKeyField(view, form, { ...state, uses: usesOf(agent), isDeleted: agent.user_api_key_id !== null && state.key === undefined })}
${buttons('Save', back(view))}</form>`,
  });
}

export function deleteAgentPage(view, agent) {
  const { key, label, keys } = stateOf(view, agent);
  return confirmation(view, 'Agents', {
    title: `Delete “${agent.name}”?`, back: back(view),
    breaks: html`<p>Its runs stop at their next call to a model, and whoever calls the agent by its id gets an error. This cannot be undone.</p>
${key && html`<p>Its key “${key.name}” stays.</p>`}${keys && html`<p>The keys of ${label} stay.</p>`}`,
    safer: html`To give it another key or name, ${link(inProject(view, `/agents/${agent.id}/edit`), 'edit it')} instead.`,
    action: inProject(view, `/agents/${agent.id}/delete`),
    verb: `Delete ${agent.name}`,
  });
}
