// The page of keys and secrets.

import { readKeysPage } from '../read/keys-page.js';
import { keysPage } from '../views/keys-page.js';
import { take, WITHOUT_PROJECT } from './common.js';

export function keysPageRoutes(app, on) {
  app.get('/:username/settings', WITHOUT_PROJECT, (request, reply) => on.show(request, reply, async (client, view) => {
    await readKeysPage(client, view);
    view.notice = take(request.session, 'notice');
    return keysPage(view);
  }));
}

// For sections whose forms are on that page
export async function keysAgain(client, view) {
  await readKeysPage(client, view);
  return keysPage(view);
}
