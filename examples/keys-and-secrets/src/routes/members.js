// The tab Members: who is in the project, and its service accounts.

import { NotFound } from '../database.js';
import { readMembers } from '../read/members.js';
import { addMemberPage, addServiceAccountPage, changeRolePage, membersPage, removeMemberPage, ROLES, serviceAccountKeyPage } from '../views/members.js';
import { inProject } from '../views/paths.js';
import { requireUuid, take, WITHOUT_PROJECT } from './common.js';
import { daysIn } from './lifetimes.js';
import { savedFirst } from './platform-keys.js';

const BASE = '/:username/settings/members';

const labelOf = (role) => ROLES.find(([name]) => name === role)?.[1].toLowerCase() ?? role;

function requireAdmin(view) {
  if (view.role !== 'admin') throw new NotFound();
}

async function oneMember(client, view, id) {
  await readMembers(client, view);
  const member = view.members.find((each) => each.id === requireUuid(id));
  if (member === undefined) throw new NotFound();
  return member;
}

async function oneAccount(client, view, id) {
  const member = await oneMember(client, view, id);
  if (member.service_account === null) throw new NotFound();
  return member;
}

const put = (client, view, user, role) => client.query('SELECT tarx_keys.add_member($1, $2, $3)', [view.project.id, user, role]);

// The anchor of somebody who may be new
async function anchorOf(client, view, user) {
  await readMembers(client, view);
  return `#member-${view.members.find((member) => member.user_id === user)?.id}`;
}

export function memberRoutes(app, on) {
  app.get(BASE, WITHOUT_PROJECT, (request, reply) => on.show(request, reply, async (client, view) => {
    if (view.project) await readMembers(client, view);
    view.notice = take(request.session, 'notice');
    return membersPage(view);
  }));

  // Pages for admins
  const forAdmins = (path, pageOf) => app.get(BASE + path, (request, reply) => on.show(request, reply, async (client, view) => {
    requireAdmin(view);
    return pageOf(client, view, request);
  }));

  forAdmins('/add', (client, view, { query: { user, role } }) => addMemberPage(view, { user, ...(role && { role }) }));
  forAdmins('/add-service-account', (client, view, { query: { name, role } }) => addServiceAccountPage(view, { name, ...(role && { role }) }));
  forAdmins('/:id/role', async (client, view, { params, query: { role } }) =>
    changeRolePage(view, await oneMember(client, view, params.id), role && { role }));
  forAdmins('/:id/create-key', async (client, view, { params, query: { name, expires } }) =>
    serviceAccountKeyPage(view, await oneAccount(client, view, params.id), { name, ...(expires && { expires }) }));

  app.get(`${BASE}/:id/remove`, (request, reply) => on.show(request, reply, async (client, view) => {
    const member = await oneMember(client, view, request.params.id);
    if (member.user_id !== view.userId) requireAdmin(view);
    return removeMemberPage(view, member);
  }));

  app.post(`${BASE}/add`, { config: { keeps: ['user', 'role'] } }, async (request, reply) => {
    const { role } = request.body;
    const user = (request.body.user ?? '').trim();
    return on.change(request, reply, {
      form: 'member',
      values: { user, role },
      work: async (client, view) => {
        await put(client, view, user, role);
        return anchorOf(client, view, user);
      },
      rest: (anchor) => `/members${anchor}`,
      done: () => ({ notice: `${user} is ${labelOf(role)} of this project now.` }),
      again: (client, view) => addMemberPage(view),
    });
  });

  app.post(`${BASE}/:id/role`, { config: { keeps: ['role'] } }, async (request, reply) => {
    const { id } = request.params;
    const { role } = request.body;
    return on.change(request, reply, {
      form: 'role',
      values: { role },
      rest: `/members#member-${id}`,
      work: async (client, view) => {
        const member = await oneMember(client, view, id);
        await put(client, view, member.user_id, role);
        return member;
      },
      done: (member, view) => {
        const isYou = member.user_id === view.userId;
        return { notice: {
          text: `${isYou ? 'You are' : `${member.user_id} is`} ${labelOf(role)} of this project now.`,
          // who is no admin any more cannot take it back
          ...(member.role !== role && !isYou && { undo: { action: inProject(view, `/members/${id}/role`), fields: { role: member.role }, label: `Undo: ${labelOf(member.role)} again` } }),
        } };
      },
      again: async (client, view) => changeRolePage(view, await oneMember(client, view, id)),
    });
  });

  app.post(`${BASE}/:id/remove`, async (request, reply) => {
    const { id } = request.params;
    return on.change(request, reply, {
      form: 'remove',
      work: async (client, view) => {
        const member = await oneMember(client, view, id);
        const call = member.service_account === null ? 'remove_member' : 'delete_service_account';
        await client.query(`SELECT tarx_keys.${call}($1, $2)`, [view.project.id, member.user_id]);
        const left = view.project;
        // who has left lands in another project, if there is one
        if (member.user_id === view.userId) view.project = view.projects.find((project) => project.id !== left.id);
        return { member, left };
      },
      rest: ({ member }, view) => (member.user_id === view.userId ? '' : '/members'),
      done: ({ member, left }, view) => ({ notice: removed(view, member, left) }),
      again: async (client, view) => removeMemberPage(view, await oneMember(client, view, id)),
    });
  });

  function removed(view, member, left) {
    if (member.user_id === view.userId) return `You have left ${left.name}. ${view.project ? `You are in ${view.project.name} now.` : 'You are in no project now.'}`;
    if (member.service_account !== null) return `Deleted ${member.service_account}. Its keys are revoked.`;
    return {
      text: `Removed ${member.user_id}.`,
      undo: { action: inProject(view, '/members/add'), fields: { user: member.user_id, role: member.role }, label: `Undo: add them again as ${labelOf(member.role)}` },
    };
  }

  // Service accounts

  app.post(`${BASE}/add-service-account`, { config: { keeps: ['name', 'role'] } }, async (request, reply) => {
    const { name, role } = request.body;
    return on.change(request, reply, {
      form: 'service-account',
      values: { name, role },
      work: async (client, view) => {
        const { rows: [{ user }] } = await client.query('SELECT tarx_keys.create_service_account($1, $2, $3) AS user', [view.project.id, name, role]);
        return anchorOf(client, view, user);
      },
      rest: (anchor) => `/members${anchor}`,
      done: (anchor, view) => ({ notice: {
        text: `Added ${name}. It needs a key to sign in.`,
        next: { href: inProject(view, `/members/${anchor.slice('#member-'.length)}/create-key`), label: 'Create a key', dialog: true },
      } }),
      again: (client, view) => addServiceAccountPage(view),
    });
  });

  app.post(`${BASE}/:id/create-key`, { config: { keeps: ['name', 'expires'] } }, async (request, reply) => {
    const { name, expires } = request.body;
    return savedFirst(on, request, reply, () => on.change(request, reply, {
      form: 'service-account-key',
      values: { name, expires },
      rest: '/platform-keys/created',
      stays: true,
      work: async (client, view) => {
        const account = await oneAccount(client, view, request.params.id);
        const { rows: [{ token }] } = await client.query(
          'SELECT token FROM tarx_keys.create_service_account_key($1, $2, $3, now() + make_interval(days => $4))',
          [view.project.id, account.user_id, name, daysIn(expires)]);
        return { token, about: { name: `${name} of ${account.service_account}`, rest: `/members#member-${account.id}` } };
      },
      done: ({ token, about }) => { on.once.keep(reply, request.session, token, about); },
      again: async (client, view) => serviceAccountKeyPage(view, await oneAccount(client, view, request.params.id)),
    }));
  });
}
