// node src/server.js: the service, set up by the environment.
//   PGHOST, PGPORT, PGDATABASE   the database; passwords are in ~/.pgpass
//   WEB_LOGIN                    a login that is granted tarx_keys_login
//   MODELS_LOGIN                 a login that is granted tarx_keys_agent; tickets are for it
//   HOST, PORT                   where to listen; 127.0.0.1 and 8080 by default
//   POOL_SIZE                    connections for people; 10 by default
//   INSECURE_COOKIE=1            for plain http on your own machine only
//   TRUST_PROXY                  the addresses of proxies in front, which say who the client is,
//                                as 127.0.0.1 or 10.0.0.0/8,fd00::/8
//   SIGN_INS_PER_MINUTE, REQUESTS_PER_MINUTE   of one address; 10 and 300 by default
//   API_REQUESTS_PER_MINUTE      with one platform key; 60 by default
//   MODELS_TIME_LIMIT_MS         how long a provider may take; 10000 by default, and
//                                less than a minute, which is how long a run ticket lasts
//   ALLOW_PRIVATE_ADDRESSES=1    for providers in your own network

import { isIP } from 'node:net';

import { buildApp } from './app.js';
import { openDatabase } from './database.js';

const { env } = process;

// A number of proxies would be taken for an address, of nobody
const NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];
for (const proxy of env.TRUST_PROXY ? env.TRUST_PROXY.split(',').map((entry) => entry.trim()) : []) {
  if (!isIP(proxy.split('/')[0]) && !NETWORKS.includes(proxy)) throw new Error('TRUST_PROXY has something else than the addresses of proxies');
}

const db = openDatabase({
  webLogin: env.WEB_LOGIN ?? 'app_web',
  modelsLogin: env.MODELS_LOGIN ?? 'app_models',
  poolSize: Number(env.POOL_SIZE ?? 10),
});
const app = await buildApp({
  db,
  secure: env.INSECURE_COOKIE !== '1',
  trustProxy: env.TRUST_PROXY,
  models: {
    timeLimitMs: Number(env.MODELS_TIME_LIMIT_MS ?? 10_000),
    allowPrivate: env.ALLOW_PRIVATE_ADDRESSES === '1',
  },
  limits: {
    signIns: Number(env.SIGN_INS_PER_MINUTE ?? 10),
    requests: Number(env.REQUESTS_PER_MINUTE ?? 300),
    ofToken: Number(env.API_REQUESTS_PER_MINUTE ?? 60),
  },
});
app.addHook('onClose', () => db.close());
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close());
await app.listen({ host: env.HOST ?? '127.0.0.1', port: Number(env.PORT ?? 8080) });
