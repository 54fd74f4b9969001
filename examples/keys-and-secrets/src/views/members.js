// Members of a project, and its service accounts.

import { ago, badge, buttons, confirmation, dialogPage, empty, field, frame, hidden, hintLine, html, inProject, link, mark, row, rows, section, select, text } from './parts.js';
import { LIFETIMES, notSaved } from './platform-keys.js';

const TAB = 'Members';

// What each role may do besides what those below it may
export const ROLES = [
  ['viewer', 'Viewer', 'sees what there is, masked'],
  ['member', 'Member', 'also creates and changes agents'],
  ['key_manager', 'Key manager', 'also adds, replaces and deletes keys and secrets'],
  ['admin', 'Admin', 'also adds and removes members, and reads the audit log'],
];
const labelOf = (role) => ROLES.find(([name]) => name === role)?.[1] ?? role;
const mayOf = (role) => ROLES.find(([name]) => name === role)?.[2] ?? '';

const back = (view, id) => inProject(view, `/members${id ? `#member-${id}` : ''}`);
const of = (view, member, rest) => inProject(view, `/members/${member.id}/${rest}`);
const isYou = (view, member) => member.user_id === view.userId;
const nameOf = (view, member) => member.service_account ?? (isYou(view, member) ? 'yourself' : member.user_id);

// Who may, and whose members are not the application's own matter
const manages = (view) => view.role === 'admin' && !view.isReadOnly;

function memberRow(view, member) {
  const you = isYou(view, member);
  const may = manages(view) && !view.membersElsewhere;
  return row({
    id: `member-${member.id}`, name: nameOf(view, member), icon: mark(member.user_id, member.service_account ?? member.user_id),
    title: html`<span class="long-name">${member.service_account ?? member.user_id}</span>`,
    badges: [you && badge('calm', 'you')],
    facts: [labelOf(member.role), html`added ${ago(member.added_at)}`],
    primary: may && link(of(view, member, 'role'), 'Change role', { of: `of ${nameOf(view, member)}`, className: 'button quiet in-menu' }),
    actions: [
      may && link(of(view, member, 'role'), 'Change role', { of: `of ${nameOf(view, member)}`, className: 'on-phone' }),
      (may || (you && !view.isReadOnly && !view.membersElsewhere)) && link(of(view, member, 'remove'), you ? 'Leave the project' : 'Remove', { of: you ? undefined : member.user_id, className: 'danger' }),
    ],
  });
}

function serviceAccountRow(view, member) {
  const name = member.service_account;
  return row({
    id: `member-${member.id}`, name, icon: mark(member.user_id, name), title: html`<span class="long-name">${name}</span>`,
    facts: [labelOf(member.role), html`<code>${member.user_id}</code>`, html`added ${ago(member.added_at)}`],
    primary: manages(view) && link(of(view, member, 'create-key'), 'Create key', { of: `for ${name}`, className: 'button quiet in-menu' }),
    actions: manages(view) ? [
      link(of(view, member, 'create-key'), 'Create key', { of: `for ${name}`, className: 'on-phone' }),
      link(of(view, member, 'remove'), 'Delete', { of: name, className: 'danger' }),
    ] : [],
  });
}

export function membersPage(view) {
  if (!view.project) return frame(view, TAB, noProject(view));
  const users = view.members.filter((member) => member.service_account === null);
  const accounts = view.members.filter((member) => member.service_account !== null);
  const addAccount = manages(view) && link(inProject(view, '/members/add-service-account'), 'Add service account', { className: 'button' });
  return frame(view, TAB, html`${notSaved(view)}${section({
    id: 'members', title: 'Members',
    about: view.membersElsewhere ? 'Who is in this project is decided in your application, which has a table of its own for it.' : 'Who sees and changes what this project has.',
    action: manages(view) && !view.membersElsewhere && link(inProject(view, '/members/add'), 'Add member', { className: 'button' }),
    body: users.length > 0 ? rows('Members', users.map((member) => memberRow(view, member))) : empty('The members are not listed here.'),
  })}${(accounts.length > 0 || manages(view)) && section({
    id: 'service-accounts', title: 'Service accounts',
    about: 'For programs, so that they go on when the person who has set them up leaves.',
    action: accounts.length > 0 && addAccount,
    body: accounts.length > 0 ? rows('Service accounts', accounts.map((member) => serviceAccountRow(view, member)))
      : empty('This project has no service accounts. A nightly build or a deployment that calls the platform belongs here.', addAccount),
  })}`);
}

export function noProject(view) {
  return empty(html`You are in no project yet. An admin of one can add you: your id is <code>${view.userId}</code>.`);
}

// Each role with what it may do
function roleField(form, hint) {
  const id = `${form.id}-role`;
  const wrong = form.fields?.role;
  const described = [hint && `${id}-hint`, wrong && `${id}-problem`].filter(Boolean).join(' ');
  return html`<fieldset class="field roles" id="${id}" role="radiogroup"${described && html` aria-describedby="${described}"`}${wrong && html` aria-invalid="true"`}><legend>Role</legend>
${ROLES.map(([value, label, may]) => html`<div class="check"><input type="radio" id="${id}-${value}" name="role" value="${value}" required${form.values.role === value && html` checked`}>
<label for="${id}-${value}">${label}<span class="hint"> ${may}</span></label></div>`)}
${hintLine(id, hint)}
${wrong && html`<p class="problem" id="${id}-problem">${wrong}</p>`}
</fieldset>`;
}

export function addMemberPage(view, asked = {}) {
  const given = view.forms.member;
  const form = { id: 'member', ...given, values: { role: 'member', ...asked, ...given?.values } };
  return dialogPage(view, TAB, {
    title: `Add a member to ${view.project.name}`, back: back(view),
    body: html`<form method="post" action="${inProject(view, '/members/add')}">${hidden(view)}
${field(form, 'user', 'User id', text('user', 'required maxlength="200" spellcheck="false" autofocus'), 'As the platform knows them. They see it on top of their page, beside “Sign out”.')}
${roleField(form)}
${buttons('Add member', back(view))}
</form>`,
  });
}

export function changeRolePage(view, member, asked = {}) {
  const given = view.forms.role;
  const form = { id: 'role', ...given, values: { role: member.role, ...asked, ...given?.values } };
  const you = isYou(view, member);
  return dialogPage(view, TAB, {
    title: you ? 'Change your own role' : `Role of ${member.user_id}`, back: back(view, member.id),
    body: html`<p>${you ? 'You are' : html`<span class="long-name">${member.user_id}</span> is`} ${labelOf(member.role).toLowerCase()} here: ${mayOf(member.role)}. A new role counts at once.</p>
${you && html`<p class="warning">With a lesser role you can no longer take this back yourself: another admin would have to.</p>`}
<form method="post" action="${of(view, member, 'role')}">${hidden(view)}
${roleField(form)}
${buttons('Change role', back(view, member.id))}
</form>`,
  });
}

const STAYS = 'Keys, secrets and agents that they have added stay: these are the project’s.';

export function removeMemberPage(view, member) {
  if (member.service_account !== null) return removeServiceAccountPage(view, member);
  const you = isYou(view, member);
  return confirmation(view, TAB, {
    title: you ? `Leave ${view.project.name}?` : `Remove ${member.user_id}?`,
    breaks: you
      ? html`<p>You see and change nothing of ${view.project.name} from then on; only an admin can add you again. Keys, secrets and agents that you have added stay.</p>
<p>${elsewhere(view)}</p>`
      : html`<p><span class="long-name">${member.user_id}</span> sees and changes nothing of ${view.project.name} from then on, here and with platform keys. Runs that they have started get no more keys. ${STAYS}</p>
<p>You can add them again at any time.</p>`,
    safer: !you && manages(view) && member.role !== 'viewer' && html`<p>To let them look only, ${link(`${of(view, member, 'role')}&role=viewer`, 'make them a viewer')}.</p>`,
    action: of(view, member, 'remove'), verb: you ? 'Leave the project' : `Remove ${member.user_id}`, back: back(view, member.id),
  });
}

// Where who leaves lands
function elsewhere(view) {
  const next = view.projects.find(({ id }) => id !== view.project.id);
  return next ? `Afterwards you are in ${next.name}.` : 'This is your only project: afterwards you have your platform keys here, and nothing else.';
}

// Service accounts

export function addServiceAccountPage(view, asked = {}) {
  const given = view.forms['service-account'];
  const form = { id: 'service-account', ...given, values: { role: 'member', ...asked, ...given?.values } };
  return dialogPage(view, TAB, {
    title: 'Add a service account', back: back(view),
    body: html`<form method="post" action="${inProject(view, '/members/add-service-account')}">${hidden(view)}
${field(form, 'name', 'Name', text('name', 'required maxlength="100" autofocus'), 'What runs with it, like “Nightly build”.')}
${roleField(form, 'Name and role stay: for another role, add another account.')}
${buttons('Add service account', back(view))}
</form>`,
  });
}

export function serviceAccountKeyPage(view, member, asked = {}) {
  const given = view.forms['service-account-key'];
  const form = { id: 'service-account-key', ...given, values: { expires: '90', ...asked, ...given?.values } };
  return dialogPage(view, TAB, {
    title: `Create a key for ${member.service_account}`, back: back(view, member.id),
    body: html`<p>Its programs sign in with it, and do what a ${labelOf(member.role).toLowerCase()} of ${view.project.name} may. It goes on when you leave; to be rid of it, delete the account.</p>
<form method="post" action="${of(view, member, 'create-key')}">${hidden(view)}
${field(form, 'name', 'Name', text('name', 'required maxlength="100" autofocus'), 'Where it will be, like “CI”.')}
${field(form, 'expires', 'Valid for', select('expires', LIFETIMES))}
<p class="warning no-end">Without an end it works until the account is deleted, also where it was copied by mistake. Choose an end if you can renew it.</p>
${buttons('Create key', back(view, member.id))}
</form>`,
  });
}

function removeServiceAccountPage(view, member) {
  const name = member.service_account;
  return confirmation(view, TAB, {
    title: `Delete ${name}?`,
    breaks: html`<p>All its platform keys are revoked, and its programs are refused at once, for good. A new account of this name is another one. Keys, secrets and agents that it has added stay.</p>`,
    action: of(view, member, 'remove'), verb: `Delete ${name}`, back: back(view, member.id),
  });
}

