// Signing in and out.

import { LoginEnded } from '../database.js';
import { explain } from '../errors.js';
import { keyOf } from '../read/platform-keys.js';
import { returnPath, signInPath } from '../return-path.js';
import { signInPage } from '../views/sign-in.js';
import { page } from './common.js';

export function signInRoutes(app, on) {
  app.get('/', async (request, reply) => {
    const session = on.sessions.of(request);
    const { why, to } = request.query;
    if (session) return reply.redirect(returnPath(to, session.userId), 303);
    return page(reply, signInPage({ why, to }));
  });

  app.post('/sign-in', { config: app.signInLimit }, async (request, reply) => {
    // what people copy has blanks around it
    const token = (request.body.token ?? '').trim();
    const { to } = request.body;
    try {
      const { userId, keyId } = await on.db.asOwner(token, async (client, person) => ({ userId: person.userId, keyId: await keyOf(client, token) }));
      on.sessions.forget(on.sessions.of(request));
      on.sessions.start(reply, token, userId, keyId);
      return reply.redirect(returnPath(to, userId), 303);
    } catch (error) {
      if (error instanceof LoginEnded) {
        return page(reply, signInPage({ to, fields: { token: 'This key is wrong, expired or revoked.' } }), 401);
      }
      const { status, fields } = explain(error);
      return page(reply, signInPage({ to, fields: { form: Object.values(fields).join(' ') } }), status);
    }
  });

  app.post('/sign-out', async (request, reply) => {
    on.sessions.end(reply, request.session);
    return reply.redirect(signInPath({ why: 'out' }), 303);
  });
}
