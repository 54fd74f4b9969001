// What routes do: something as a person, a change that may be refused, a run for a person.

import { asPerson, NotFound } from '../database.js';
import { explain } from '../errors.js';
import { here } from '../views/paths.js';
import { attempt, go, optionalUuid, page, told } from './common.js';

export function acting(services) {
  const { db } = services;

  // A transaction as the person of the session, with what the pages need of both
  function act(request, work) {
    const { session } = request;
    if (request.params.username !== session.userId) throw new NotFound();
    return asPerson(db, session, optionalUuid(request.query.project ?? request.body?.project), (client, person) => {
      if (person.project === undefined && !request.routeOptions.config.withoutProject) throw new NotFound();
      return work(client, { ...person, csrf: session.csrf, once: session.once, keyId: session.keyId, forms: {} });
    });
  }

  // A page by GET
  async function show(request, reply, work) {
    return page(reply, await act(request, work));
  }

  // Change something and go to a page that says what was done; or show the page where it
  // was asked for again, with what was wrong.
  //   form, values   under which name and with which values the form is shown again
  //   work           (client, view) => result
  //   again          (client, view) => the page, with view.problem and view.forms[form]
  //   done           (result, view) => what the session gets, like { notice }
  //   rest           where to go: a path below settings, or (result, view) => one
  //   leads          (result, view) => an address that is none of the settings, to go to instead
  //   stays          the page to go to is shown in the same dialog
  async function change(request, reply, what) {
    const outcome = await tryChange(request, what);
    if (outcome.location === undefined) return page(reply, outcome.text, outcome.status);
    Object.assign(request.session, outcome.kept);
    return go(request, reply, outcome.location, { stays: what.stays });
  }

  // The same for who goes on after it: { result, location, kept }, or { status, text }
  async function tryChange(request, { form, values, rest = '', leads, done, work, again }) {
    return act(request, async (client, view) => {
      let result;
      const error = await attempt(client, async () => { result = await work(client, view); });
      if (error === null) {
        const location = leads?.(result, view) || here(view, typeof rest === 'function' ? rest(result, view) : rest);
        return { result, location, kept: done?.(result, view) };
      }
      const { status, fields } = explain(error);
      view.problem = fields.form;
      view.forms[form] = { values, fields };
      return { status, text: await again(client, view) };
    });
  }

  // A run ticket from the person for { agentId } or { keyId }, or why there is none: the
  // database says who may. What it is for happens when the person's transaction is over,
  // by the other login.
  async function issue(client, view, of) {
    let ticket;
    const error = await attempt(client, async () => { ticket = await db.issueTicket(client, view.project.id, of); });
    return error === null ? { ticket } : { refused: told(error) };
  }

  return { ...services, act, show, change, tryChange, issue };
}
