// What the service does: each request is one transaction as the person of its
// session, and the database decides what that person may.

import { ProviderError } from './answers.js';
import { converse } from './console.js';
import { asPerson, LoginEnded, NotFound, savepoint } from './database.js';
import { explain } from './errors.js';
import { listModels } from './models.js';
import { probe } from './probe.js';
import * as views from './views.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function requireUuid(text) {
  if (!UUID.test(text)) throw new NotFound();
  return text;
}

// For pages that only ask, where the database refuses what they ask for
function requireKeyManager(view) {
  if (!view.managesKeys) throw new NotFound();
}

// What the form had of the options, to show it again. They went in the box: this
// is all that the service gets of them, and headers' values are not among it.
const optionsIn = (body) => Object.fromEntries(
  ['priority', 'expires_at', 'rotate_after', 'allowed_models', 'header_names'].map((name) => [name, body[name]]));

const optionalUuid = (text) => (text ? requireUuid(text) : undefined);

// What is to be said of an error that no field of a form is about
function told(error) {
  const { status, fields } = explain(error);
  return { status, problem: Object.values(fields).join(' ') };
}

// A change that may be refused: the error, or null. What was done before it
// stays, so that the page can be shown with the error in the same transaction.
const attempt = (client, work) => savepoint(client, work).then(() => null, (error) => error);

// What a page shows, by the rights of the person

async function rows(client, sql, values) {
  return (await client.query(sql, values)).rows;
}

async function readProject(client, view) {
  const project = [view.project.id];
  view.keys = await rows(client,
    `SELECT id, name, provider, provider_label, masked_key, base_url, destination, added_by, agent_count, last_used_at,
            state, priority, expires_at, rotate_after, allowed_models, header_names, health, cooling_until, status
       FROM tarx_keys.llm_keys WHERE project_id = $1 ORDER BY provider_label, priority, name`, project);
}

async function readKeys(client, view) {
  if (view.project) {
    await readProject(client, view);
    view.providers = await rows(client,
      `SELECT slug, label, base_url_required, base_url_allowed, base_url_host_suffixes, default_base_url
         FROM tarx_keys.providers ORDER BY position, label`);
    view.secrets = await rows(client,
      `SELECT name, description, version, updated_by, updated_at, last_used_at
         FROM tarx_keys.secrets WHERE project_id = $1 ORDER BY name`, [view.project.id]);
    const [{ public_key: publicKey, kept }] = await rows(client,
      `SELECT public_key, current_setting('tarx_keys.secret_versions_kept')::int AS kept
         FROM tarx_keys.sealing_public_key()`);
    view.publicKey = publicKey.toString('base64');
    view.versionsKept = kept;
  }
  view.platformKeys = await rows(client,
    `SELECT id, name, masked_key, project_ids, read_only, created_at, expires_at, last_used_at, revoked_at
       FROM tarx_keys.platform_keys ORDER BY created_at DESC, id`);
}

async function readAgents(client, view, keyId = null) {
  if (!view.project) return;
  await readProject(client, view);
  view.agents = await rows(client,
    `SELECT id, name, user_api_key_id FROM tarx_keys.agents
      WHERE project_id = $1 AND ($2::uuid IS NULL OR user_api_key_id = $2) ORDER BY name, id`,
    [view.project.id, keyId]);
}

// What a person who is in no project may ask for as well
const WITHOUT_PROJECT = { config: { withoutProject: true } };

export function routes(app, { db, sessions, models }) {
  // A transaction as the person of the session, with what the pages need of both
  function act(request, work) {
    const { session } = request;
    if (request.params.username !== session.userId) throw new NotFound();
    return asPerson(db, session, optionalUuid(request.query.project ?? request.body?.project), (client, person) => {
      if (person.project === undefined && !request.routeOptions.config.withoutProject) throw new NotFound();
      return work(client, { ...person, csrf: session.csrf, forms: {} });
    });
  }

  // what is to be shown once only, by the page that shows it
  function take(session, what) {
    const taken = session[what];
    session[what] = null;
    return taken;
  }

  function page(reply, text, status = 200) {
    return reply.code(status).type('text/html; charset=utf-8').send(text);
  }

  function home(view, rest = '') {
    const path = `/${encodeURIComponent(view.userId)}/settings${rest}`;
    return view.project ? `${path}?project=${view.project.id}` : path;
  }

  // Change something and go to a page that says what was done; or show the page where it
  // was asked for again, with what was wrong.
  async function change(request, reply, { form, values, rest, done, work, again }) {
    let result;
    const outcome = await act(request, async (client, view) => {
      const error = await attempt(client, async () => { result = await work(client, view); });
      if (error === null) return { location: home(view, rest) };
      const { status, fields } = explain(error);
      view.problem = fields.form;
      view.forms[form] = { values, fields };
      return { status, text: await again(client, view) };
    });
    if (outcome.location === undefined) return page(reply, outcome.text, outcome.status);
    Object.assign(request.session, done(result));
    return reply.redirect(outcome.location, 303);
  }

  // A run ticket from the person for { agentId } or { keyId }, or why there is none: the
  // database says who may. What it is for happens when the person's transaction is over,
  // by the other login.
  async function issue(client, view, of) {
    let ticket;
    const error = await attempt(client, async () => { ticket = await db.issueTicket(client, view.project.id, of); });
    return error === null ? { ticket } : { refused: told(error) };
  }

  const keysAgain = async (client, view) => {
    await readKeys(client, view);
    return views.keysPage(view);
  };
  const agentsAgain = async (client, view) => {
    await readAgents(client, view);
    return views.agentsPage(view);
  };

  // Signing in and out

  app.get('/', async (request, reply) => {
    const session = sessions.of(request);
    if (session) return reply.redirect(`/${encodeURIComponent(session.userId)}/settings`, 303);
    return page(reply, views.signInPage());
  });

  app.post('/sign-in', { config: app.signInLimit }, async (request, reply) => {
    const token = String(request.body.token ?? '');
    try {
      const userId = await db.asOwner(token, (client, person) => person.userId);
      sessions.forget(sessions.of(request));
      sessions.start(reply, token, userId);
      return reply.redirect(`/${encodeURIComponent(userId)}/settings`, 303);
    } catch (error) {
      if (error instanceof LoginEnded) {
        return page(reply, views.signInPage({ token: 'This key is wrong, expired or revoked.' }), 401);
      }
      const { status, fields } = explain(error);
      return page(reply, views.signInPage({ form: Object.values(fields).join(' ') }), status);
    }
  });

  app.post('/sign-out', async (request, reply) => {
    sessions.end(reply, request.session);
    return reply.redirect('/', 303);
  });

  // Keys & Secrets

  app.get('/:username/settings', WITHOUT_PROJECT, async (request, reply) => {
    const text = await act(request, async (client, view) => {
      await readKeys(client, view);
      view.notice = take(request.session, 'notice');
      view.createdToken = take(request.session, 'createdToken');
      return views.keysPage(view);
    });
    return page(reply, text);
  });

  app.post('/:username/settings/llm-keys', async (request, reply) => {
    const { provider, name, sealed, base_url: baseUrl } = request.body;
    return change(request, reply, {
      form: 'llm-key',
      values: { provider, name, base_url: baseUrl, ...optionsIn(request.body) },
      done: () => ({ notice: `Added “${name}”.` }),
      work: (client, view) => client.query('SELECT tarx_keys.add_sealed_llm_key($1, $2, $3, $4, $5)',
        [view.project.id, provider, name, Buffer.from(sealed ?? '', 'base64'), baseUrl || null]),
      again: keysAgain,
    });
  });

  async function keyAndAgents(client, view, keyId) {
    await readAgents(client, view, keyId);
    const key = view.keys.find(({ id }) => id === keyId);
    if (key === undefined) throw new NotFound();
    return key;
  }

  app.get('/:username/settings/llm-keys/:id/delete', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const text = await act(request, async (client, view) => {
      requireKeyManager(view);
      return views.deleteKeyPage(view, await keyAndAgents(client, view, keyId));
    });
    return page(reply, text);
  });

  app.post('/:username/settings/llm-keys/:id/delete', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const to = optionalUuid(request.body.to);
    return change(request, reply, {
      form: 'delete',
      values: { to },
      done: () => ({ notice: to ? 'Deleted the key; its agents go on with another one.' : 'Deleted the key.' }),
      // both in one transaction: no agent is without a key in between
      work: async (client, view) => {
        if (to) await client.query('SELECT tarx_keys.repoint_agents($1, $2, $3)', [view.project.id, keyId, to]);
        await client.query('SELECT tarx_keys.delete_llm_key($1, $2)', [view.project.id, keyId]);
      },
      again: async (client, view) => {
        const key = await keyAndAgents(client, view, keyId);
        return views.deleteKeyPage(view, key, view.forms.delete);
      },
    });
  });

  // the way to end a key's use that can be taken back
  app.post('/:username/settings/llm-keys/:id/state', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const enabled = request.body.enabled === '1';
    return change(request, reply, {
      form: 'state',
      done: () => ({ notice: enabled ? 'Enabled the key.' : 'Disabled the key. You can enable it again.' }),
      work: (client, view) => client.query('SELECT tarx_keys.update_llm_key($1, $2, $3)', [view.project.id, keyId, { enabled }]),
      again: keysAgain,
    });
  });

  // A key that does not open has nothing to take over: what its row says may be somebody else's.
  async function keyToReplace(client, view, keyId) {
    await readKeys(client, view);
    const key = view.keys.find(({ id, status }) => id === keyId && status === 'ok');
    if (key === undefined) throw new NotFound();
    return key;
  }

  app.get('/:username/settings/llm-keys/:id/replace', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const text = await act(request, async (client, view) => {
      requireKeyManager(view);
      return views.replaceKeyPage(view, await keyToReplace(client, view, keyId));
    });
    return page(reply, text);
  });

  app.post('/:username/settings/llm-keys/:id/replace', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    return change(request, reply, {
      form: 'replace',
      values: optionsIn(request.body),
      done: () => ({ notice: 'Replaced the key; its agents go on with the new one. The old one is disabled.' }),
      work: (client, view) => client.query('SELECT tarx_keys.replace_sealed_llm_key($1, $2, $3)',
        [view.project.id, keyId, Buffer.from(request.body.sealed ?? '', 'base64')]),
      again: async (client, view) => views.replaceKeyPage(view, await keyToReplace(client, view, keyId)),
    });
  });

  // As JSON for app.js, or as a page. What an agent of the project has, any member may
  // have listed, in a run of that agent; other keys are the admins'.
  app.get('/:username/settings/llm-keys/:id/models', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const { view, key, run } = await act(request, async (client, shown) => {
      const found = await keyAndAgents(client, shown, keyId);
      const [agent] = shown.agents;
      return { view: shown, key: found, run: await issue(client, shown, agent ? { agentId: agent.id } : { keyId }) };
    });
    const answer = run.refused ?? await modelsOf(run.ticket, keyId);
    if (request.headers.accept === 'application/json') return reply.code(answer.status).send(answer);
    return page(reply, views.modelsPage(view, key, answer), answer.status);
  });

  async function modelsOf(ticket, keyId) {
    try {
      return { status: 200, models: await listModels(await db.modelsRequest(ticket, keyId), models) };
    } catch (error) {
      return error instanceof ProviderError ? { status: 502, problem: error.message } : told(error);
    }
  }

  app.post('/:username/settings/llm-keys/:id/test', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const run = await act(request, (client, view) => issue(client, view, { keyId }));
    const tested = run.refused ? { text: run.refused.problem } : await testKey(run.ticket, keyId);
    const text = await act(request, async (client, view) => {
      await readKeys(client, view);
      view.tested = { keyId, ...tested };
      if (!view.keys.some((key) => key.id === keyId && views.canTest(view, key))) view.problem = tested.text;
      return views.keysPage(view);
    });
    return page(reply, text, run.refused?.status);
  });

  async function testKey(ticket, keyId) {
    try {
      const tested = await probe(await db.probeRequest(ticket, keyId), models);
      if (tested.outcome) await db.reportKey(ticket, keyId, tested.outcome, tested.retryAfter);
      return tested;
    } catch (error) {
      return { text: told(error).problem };
    }
  }

  const sealedSecret = { bodyLimit: 160 * 1024 };   // 64 KiB in a box, in base64, percent-encoded

  app.post('/:username/settings/secrets', sealedSecret, async (request, reply) => {
    const { name, sealed, description } = request.body;
    return change(request, reply, {
      form: 'secret',
      values: { name, description },
      done: () => ({ notice: `Set ${name}.` }),
      work: (client, view) => client.query('SELECT tarx_keys.set_sealed_secret($1, $2, $3, $4)',
        [view.project.id, name, Buffer.from(sealed ?? '', 'base64'), description || null]),
      again: keysAgain,
    });
  });

  app.post('/:username/settings/secrets/restore', async (request, reply) => {
    const { name, version } = request.body;
    return change(request, reply, {
      form: 'restore',
      done: () => ({ notice: `Restored version ${version} of ${name}.` }),
      work: (client, view) => client.query('SELECT tarx_keys.restore_secret($1, $2, $3)',
        [view.project.id, name, Number.parseInt(version, 10) || 0]),
      again: keysAgain,
    });
  });

  app.get('/:username/settings/secrets/:name/delete', async (request, reply) => {
    const text = await act(request, async (client, view) => {
      requireKeyManager(view);
      await readKeys(client, view);
      if (!view.secrets.some(({ name }) => name === request.params.name)) throw new NotFound();
      return views.deleteSecretPage(view, request.params.name);
    });
    return page(reply, text);
  });

  app.post('/:username/settings/secrets/:name/delete', async (request, reply) => {
    const { name } = request.params;
    return change(request, reply, {
      form: 'delete',
      done: () => ({ notice: `Deleted ${name}.` }),
      work: (client, view) => client.query('SELECT tarx_keys.delete_secret($1, $2)', [view.project.id, name]),
      again: async (client, view) => views.deleteSecretPage(view, name),
    });
  });

  app.post('/:username/settings/platform-keys', WITHOUT_PROJECT, async (request, reply) => {
    const { name, days, read_only: readOnly, narrow } = request.body;
    return change(request, reply, {
      form: 'platform-key',
      values: { name, expires: days },
      done: ([{ token }]) => ({ createdToken: token }),
      work: (client, view) => rows(client,
        'SELECT token FROM tarx_keys.create_platform_key($1, now() + make_interval(days => $2), $3, $4)',
        [name, Number.parseInt(days, 10) || null, narrow && view.project ? [view.project.id] : null, readOnly === '1']),
      again: keysAgain,
    });
  });

  app.post('/:username/settings/platform-keys/:id/revoke', WITHOUT_PROJECT, async (request, reply) => {
    const id = requireUuid(request.params.id);
    return change(request, reply, {
      form: 'revoke',
      done: () => ({ notice: 'Revoked the platform key.' }),
      work: (client) => client.query('SELECT tarx_keys.revoke_platform_key($1)', [id]),
      again: keysAgain,
    });
  });

  // Agents

  app.get('/:username/settings/agents', WITHOUT_PROJECT, async (request, reply) => {
    const text = await act(request, async (client, view) => {
      await readAgents(client, view);
      view.notice = take(request.session, 'notice');
      return views.agentsPage(view);
    });
    return page(reply, text);
  });

  app.post('/:username/settings/agents', async (request, reply) => {
    const { name } = request.body;
    const key = optionalUuid(request.body.key) ?? null;
    return change(request, reply, {
      form: 'agent',
      values: { name, key },
      rest: '/agents',
      done: () => ({ notice: `Created “${name}”.` }),
      work: (client, view) => client.query('SELECT tarx_keys.create_agent($1, $2, $3)', [view.project.id, name, key]),
      again: agentsAgain,
    });
  });

  app.post('/:username/settings/agents/:id', async (request, reply) => {
    const id = requireUuid(request.params.id);
    const key = requireUuid(request.body.key);
    return change(request, reply, {
      form: id,
      values: { key },
      rest: '/agents',
      done: () => ({ notice: 'Saved the agent.' }),
      work: (client, view) => client.query('SELECT tarx_keys.set_agent_key($1, $2, $3)', [view.project.id, id, key]),
      again: agentsAgain,
    });
  });

  app.post('/:username/settings/agents/:id/delete', async (request, reply) => {
    const id = requireUuid(request.params.id);
    return change(request, reply, {
      form: id,
      rest: '/agents',
      done: () => ({ notice: 'Deleted the agent.' }),
      work: (client, view) => client.query('SELECT tarx_keys.delete_agent($1, $2)', [view.project.id, id]),
      again: agentsAgain,
    });
  });

  // The test console: any member may, as the agent's runner would.
  app.post('/:username/settings/agents/:id/console', async (request, reply) => {
    const agentId = requireUuid(request.params.id);
    const { model = '', message = '' } = request.body;
    const run = await act(request, (client, view) => issue(client, view, { agentId }));
    const result = run.refused ?? await askAgent(run.ticket, { model, message });
    const text = await act(request, async (client, view) => {
      await readAgents(client, view);
      view.console = { agentId, values: { model, message }, ...result };
      if (!view.agents.some((agent) => agent.id === agentId && views.canConverse(view, agent))) view.problem = result.problem;
      return views.agentsPage(view);
    });
    return page(reply, text, result.status);
  });

  async function askAgent(ticket, { model, message }) {
    try {
      const chat = await db.chatRequest(ticket, model);
      const result = await converse(chat, { model, message }, models);
      if (result.outcome) await db.reportKey(ticket, chat.key_id, result.outcome);
      return { ...result, status: result.problem ? 502 : 200, keyName: chat.name };
    } catch (error) {
      return told(error);
    }
  }
}
