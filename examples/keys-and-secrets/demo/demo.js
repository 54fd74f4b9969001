// What "make example" shows: seeds the database that PGHOST and so on name,
// starts the stand-in and the service, and waits until it is interrupted.

import { seed } from './seed.js';
import { startProvider } from './provider.js';
import { startService } from './service.js';

const provider = await startProvider();
const { tokens } = await seed(provider.url);
const service = await startService({ PORT: process.env.PORT ?? '8080' });

console.log(`
The settings page:      ${service.address}
The API:                ${service.address}/api/v1, which /api/v1/openapi.json describes
alice, an admin:        ${tokens.alice}
bob, a member:          ${tokens.bob}
The stand-in provider:  ${provider.url}
   (a key with "refused", "narrow", "unpaid", "limited", "broken" or "silent" in it is answered so)

Ctrl+C ends and removes everything.`);

const wait = setInterval(() => {}, 60_000);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    clearInterval(wait);
    await service.stop();
    provider.close();
  });
}
