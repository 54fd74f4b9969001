// Signing in and out.

import { LoginEnded } from '../database.js';
import { explain } from '../errors.js';
import { signInPage } from '../views/sign-in.js';
import { page } from './common.js';

export function signInRoutes(app, on) {
  app.get('/', async (request, reply) => {
    const session = on.sessions.of(request);
    if (session) return reply.redirect(`/${encodeURIComponent(session.userId)}/settings`, 303);
    return page(reply, signInPage());
  });

  app.post('/sign-in', { config: app.signInLimit }, async (request, reply) => {
    const token = String(request.body.token ?? '');
    try {
      const userId = await on.db.asOwner(token, (client, person) => person.userId);
      on.sessions.forget(on.sessions.of(request));
      on.sessions.start(reply, token, userId);
      return reply.redirect(`/${encodeURIComponent(userId)}/settings`, 303);
    } catch (error) {
      if (error instanceof LoginEnded) {
        return page(reply, signInPage({ token: 'This key is wrong, expired or revoked.' }), 401);
      }
      const { status, fields } = explain(error);
      return page(reply, signInPage({ form: Object.values(fields).join(' ') }), status);
    }
  });

  app.post('/sign-out', async (request, reply) => {
    on.sessions.end(reply, request.session);
    return reply.redirect('/', 303);
  });
}
