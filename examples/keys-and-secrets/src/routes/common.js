// Small things that routes have in common.

import { NotFound, savepoint } from '../database.js';
import { explain } from '../errors.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function requireUuid(text) {
  if (!UUID.test(text)) throw new NotFound();
  return text;
}

export const optionalUuid = (text) => (text ? requireUuid(text) : undefined);

// What a form has sealed in the browser
export const boxIn = ({ sealed }) => Buffer.from(sealed ?? '', 'base64');

// For pages that only ask, where the database refuses what they ask for
export function requireKeyManager(view) {
  if (!view.managesKeys) throw new NotFound();
}

// What is to be said of an error that no field of a form is about
export function told(error) {
  const { status, fields } = explain(error);
  return { status, problem: Object.values(fields).join(' ') };
}

// A change that may be refused: the error, or null. What was done before it
// stays, so that the page can be shown with the error in the same transaction.
export const attempt = (client, work) => savepoint(client, work).then(() => null, (error) => error);

// What a person who is in no project may ask for as well
export const WITHOUT_PROJECT = { config: { withoutProject: true } };

// What is to be shown once only, by the page that shows it
export function take(session, what) {
  const taken = session[what];
  session[what] = null;
  return taken;
}

export function page(reply, text, status = 200) {
  return reply.code(status).type('text/html; charset=utf-8').send(text);
}

// After a change: to a page. The script that sent a form of a dialog goes there itself;
// with stays, it shows the page in the same dialog.
export function go(request, reply, location, { stays = false } = {}) {
  if (request.headers['x-in-page']) return reply.send({ location, stays });
  return reply.redirect(location, 303);
}
