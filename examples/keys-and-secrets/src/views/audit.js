// A project's audit log: who did what, and when.

import { isFiltered, MOST_EXPORTED } from '../audit-log.js';
import { ago, at, button, empty, field, frame, html, inProject, mark, row, rows, section, select, text } from './parts.js';
import { noProject, ROLES } from './members.js';

const TAB = 'Audit';

const quoted = (name) => html`<strong class="long-name">${name}</strong>`;
const asRole = (role) => ({ admin: 'an admin', key_manager: 'a key manager', member: 'a member', viewer: 'a viewer' }[role] ?? role);

// What a row says, behind who did it. its: the object's name, other: that of the object
// that the name's place has the id of.
const SAYS = {
  'project.create': ({ its }) => html`created the project ${its}`,
  'project.rename': ({ its }) => html`renamed the project to ${its}`,
  'project.delete': ({ its }) => html`deleted the project ${its}`,
  'project.revoke_runs': () => 'ended all run tickets of the project',
  'member.remove': ({ its, row: { user_id: user, object_name: name } }) => (user === name ? 'left the project' : html`removed ${its}`),
  'member.end': () => 'was ended on the platform, and left the project',
  'llm_key.add': ({ its }) => html`added the LLM key ${its}`,
  'llm_key.update': ({ its }) => html`changed the LLM key ${its}`,
  'llm_key.replace': ({ its, other }) => html`replaced the LLM key ${its} by ${other}`,
  'llm_key.delete': ({ its }) => html`deleted the LLM key ${its}`,
  'agent.create': ({ its }) => html`created the agent ${its}`,
  'agent.set_key': ({ its, other }) => html`gave the agent ${its} the key ${other}`,
  'agent.set_provider': ({ its, row: { object_name: provider } }) => html`gave the agent ${its} the keys of ${quoted(provider)}`,
  'agent.rename': ({ its }) => html`renamed an agent to ${its}`,
  'agent.delete': ({ its }) => html`deleted the agent ${its}`,
  'agent.revoke_runs': ({ its }) => html`ended the run tickets of the agent ${its}`,
  'agent.restamp': ({ its }) => html`took over the agent ${its} after a master key was lost`,
  'agents.repoint': ({ its, other }) => html`pointed all agents of ${its} to ${other}`,
  'secret.set': ({ its, row: { revision } }) => html`set the secret ${its}, version ${revision}`,
  'secret.restore': ({ its, row: { revision } }) => html`restored an older value of the secret ${its}, as version ${revision}`,
  'secret.rename': ({ its }) => html`renamed a secret: ${its}`,
  'secret.describe': ({ its }) => html`changed the description of the secret ${its}`,
  'secret.delete': ({ its }) => html`deleted the secret ${its}`,
  'service_account.create': ({ its }) => html`created the service account ${its}`,
  'service_account.create_key': ({ its }) => html`created the key ${its} of a service account`,
  'service_account.delete': ({ its }) => html`deleted the service account ${its}`,
  'audit.new_generation': () => 'began the log anew, because its master key was missing',
  ...Object.fromEntries(ROLES.flatMap(([role]) => [
    [`member.add_${role}`, ({ its }) => html`made ${its} ${asRole(role)}`],
    [`member.restamp_${role}`, ({ its }) => html`took over ${its} as ${asRole(role)} after a master key was lost`],
  ])),
};

const GROUPS = [
  ['LLM keys', 'llm_key', [['add', 'added'], ['update', 'changed'], ['replace', 'replaced'], ['delete', 'deleted']]],
  ['Secrets', 'secret', [['set', 'set'], ['restore', 'restored'], ['rename', 'renamed'], ['describe', 'described'], ['delete', 'deleted']]],
  ['Agents', 'agent', [['create', 'created'], ['set_key', 'got a key'], ['set_provider', 'got a provider'], ['rename', 'renamed'], ['delete', 'deleted'], ['revoke_runs', 'tickets ended']]],
  ['Members', 'member', [...ROLES.map(([role, label]) => [`add_${role}`, `became ${label.toLowerCase()}`]), ['remove', 'removed or left'], ['end', 'ended on the platform']]],
  ['Service accounts', 'service_account', [['create', 'created'], ['create_key', 'got a key'], ['delete', 'deleted']]],
  ['Project', 'project', [['create', 'created'], ['rename', 'renamed'], ['revoke_runs', 'tickets ended']]],
];

const OBJECTS = { llm_key: 'LLM key', secret: 'Secret', agent: 'Agent', member: 'Member', service_account: 'Service account', project: 'Project' };

const ACTIONS = [{ value: '', label: 'Everything' }, ...GROUPS.map(([label, object, actions]) => ({
  label, options: [{ value: object, label: `${label}: all` },
    ...actions.map(([action, said]) => ({ value: `${object}.${action}`, label: `${OBJECTS[object]} ${said}` }))],
}))];

const shortId = (id) => `${id.slice(0, 8)}…`;

// What the name's place has is a name, or the id of another object, or of a service account
function namesOf(view, { action, object_id: id, object_name: name }) {
  const named = (each) => view.names.get(each) ?? (each ? shortId(each) : '');
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name ?? '')) return { its: named(id), other: named(name) };
  const isOthers = action === 'agent.set_provider' || name === null || name?.startsWith('sa:');
  return { its: isOthers ? named(id) : name, other: '' };
}

function said(view, entry) {
  const { its, other } = namesOf(view, entry);
  return SAYS[entry.action]?.({ its: quoted(its), other: quoted(other), row: entry }) ?? html`${entry.action} ${quoted(its)}`;
}

function whoOf(view, id) {
  if (id === view.userId) return 'You';
  return view.members.find((member) => member.user_id === id)?.service_account ?? id;
}

function auditRow(view, entry) {
  const who = whoOf(view, entry.user_id);
  return row({
    id: `entry-${entry.seq}`, name: `entry ${entry.seq}`, icon: mark(entry.user_id),
    title: html`<span class="long-name">${who}</span> <span class="said">${said(view, entry)}</span>`,
    facts: [ago(entry.at), at(entry.at), entry.client && `from ${entry.client === '[local]' ? 'this server' : entry.client}`,
      // a service that signs people in by itself says who they are
      !entry.proven && `named by ${entry.login}`],
  });
}

// Addresses of this page, with the filter and without what is empty
function withFilter(view, path, filter) {
  const given = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
  return `${inProject(view, path)}&${given}`;
}

function filterForm(view, filter) {
  const form = { id: 'audit', values: filter };
  const who = (id, value, more) => html`<input id="${id}" name="who" value="${value}" list="audit-people" maxlength="200" autocomplete="off" spellcheck="false"${more}>`;
  return html`<form class="filters" method="get" action="${inProject(view, '/audit').split('?')[0]}" role="search" aria-label="Filter of the audit log">
<input type="hidden" name="project" value="${view.project.id}">
${field(form, 'action', 'Action', select('action', ACTIONS))}
${field(form, 'who', 'By whom', who)}<datalist id="audit-people">${view.people.map((id) => html`<option value="${id}"></option>`)}</datalist>
${field(form, 'what', 'Name or id', text('what', 'maxlength="200" spellcheck="false" placeholder="key, agent…"'))}
${field(form, 'from', 'From (UTC)', text('from', 'type="date"'))}
${field(form, 'to', 'To (UTC)', text('to', 'type="date"'))}
<div class="buttons">${button('Filter')}${isFiltered(filter) && html` <a class="button quiet" href="${inProject(view, '/audit')}">Show everything</a>`}</div>
</form>`;
}

function pages(view, filter, next) {
  const newest = filter.before && html`<a class="button quiet" href="${withFilter(view, '/audit', { ...filter, before: '' })}">Newest</a>`;
  const older = next && html`<a class="button quiet" href="${withFilter(view, '/audit', { ...filter, before: next })}" rel="next">Older</a>`;
  return (newest || older) && html`<nav class="pages" aria-label="Pages of the audit log">${newest}${older}</nav>`;
}

export function auditPage(view, filter) {
  if (!view.project) return frame(view, TAB, noProject(view));
  if (view.role !== 'admin') {
    return frame(view, TAB, section({
      id: 'audit', title: 'Audit log', about: 'Who changed what in this project, and when.',
      body: empty('The audit log is for the admins of the project. Ask one of them if you need to know who changed something.'),
    }));
  }
  return frame(view, TAB, section({
    id: 'audit', title: 'Audit log',
    about: 'Who changed what in this project, and when, newest first. It never has values.',
    action: html`<a class="button quiet" href="${withFilter(view, '/audit.csv', { ...filter, before: '' })}" download>Export CSV</a>`,
    body: html`${filterForm(view, filter)}
<p class="hint">An export has what the filter finds, at most the newest ${MOST_EXPORTED.toLocaleString('en')} entries.</p>
${view.entries.length > 0 ? rows('Audit log', view.entries.map((entry) => auditRow(view, entry)))
    : empty(isFiltered(filter) ? 'Nothing in the log matches the filter.' : 'Nothing was logged here.', isFiltered(filter) && html`<a class="button quiet" href="${inProject(view, '/audit')}">Show everything</a>`)}
${pages(view, filter, view.next)}`,
  }));
}

