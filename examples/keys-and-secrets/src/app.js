// The HTTP side: headers, limits, sessions, errors. What the service does is in
// routes, and for programs in api.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import rateLimit from '@fastify/rate-limit';
import Fastify from 'fastify';
import { api } from './api/index.js';
import { problemOf, sendProblem } from './api/problems.js';
import { LoginEnded, NotFound } from './database.js';
import { isUnavailable, isUnreadable, loggable } from './errors.js';
import { Once } from './once.js';
import { pathOf, pathWith, signInPath } from './return-path.js';
import { routes } from './routes/index.js';
import { hasToken, isSameOrigin, Sessions } from './sessions.js';
import { IMPORT_MAP } from './views/layout.js';
import { errorPage, signInPage } from './views/sign-in.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const packages = createRequire(import.meta.url);
const esm = (name) => join(dirname(packages.resolve(name)), `../modules-esm/${name}.mjs`);

const SCRIPT = 'text/javascript; charset=utf-8';
// A CommonJS module of a package, for browsers: what it requires of Node.js, its parser needs not
const asModule = (source, names) => `const module = { exports: {} };
const require = () => ({});
${source}
export const { ${names} } = module.exports;
`;
const TYPES = { js: SCRIPT, mjs: SCRIPT, css: 'text/css; charset=utf-8' };
// Besides what is in public
const OTHERS = [here('../../client/sealing.js'), esm('libsodium-wrappers'), esm('libsodium')];

const importMapHash = createHash('sha256').update(IMPORT_MAP).digest('base64');
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    // libsodium is WebAssembly
    `script-src 'self' 'sha256-${importMapHash}' 'wasm-unsafe-eval'`,
    "style-src 'self'", "img-src data:", "connect-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
};

// Paths of forms that work without a session
// a file has a dot, or it would be the settings of somebody who is called "assets"
const ASSET = '/assets/:file(^[^/]+\\.[a-z]+$)';
const OPEN = new Set(['/', '/sign-in', ASSET]);

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.statusCode = status;
  }
}

const TITLES = { 401: 'Signed out', 403: 'Refused', 404: 'Not found', 413: 'Too large', 415: 'Refused', 429: 'Too many requests' };

const API = '/api/v1';

// What nobody should put into an address, and somebody will
const CREDENTIAL = /(sk-tarx-|tarx-run-)[0-9A-Za-z_-]*/gi;
const ESCAPED = /%(2d|3\d|[46][1-9a-f]|[57][0-9a]|5f)/gi;    // what need not be: letters, digits, - and _

// Nor is there in the log what forms have kept behind the path.
function loggablePath(url) {
  const [path] = url.split(/[?#]/);
  return path.replace(ESCAPED, decodeURIComponent).replace(CREDENTIAL, '[redacted]');
}

function parseForm(request, body, done) {
  // several values of one name are none of ours: the last one counts
  done(null, Object.assign(Object.create(null), Object.fromEntries(new URLSearchParams(body))));
}

async function serveAssets(app) {
  const files = new Map();
  const own = (await readdir(here('../public'))).map((name) => here(`../public/${name}`));
  for (const path of [...own, ...OTHERS]) files.set(basename(path), { type: TYPES[path.split('.').at(-1)], body: await readFile(path) });
  const dotenv = asModule(await readFile(packages.resolve('dotenv'), 'utf8'), 'parse');
  files.set('dotenv.mjs', { type: SCRIPT, body: dotenv });
  app.get(ASSET, { config: { rateLimit: false } }, async (request, reply) => {
    const file = files.get(request.params.file);
    if (file === undefined) throw new NotFound();
    return reply.type(file.type).header('cache-control', 'max-age=300').send(file.body);
  });
}

function guard(app, sessions) {
  app.addHook('onRequest', async (request, reply) => {
    // as in forms
    for (const [name, value] of Object.entries(request.query)) if (Array.isArray(value)) request.query[name] = value.at(-1);
    reply.headers(HEADERS);
    if (app.secure) reply.header('strict-transport-security', 'max-age=31536000');
  });
  // before a body is read
  app.addHook('preParsing', async (request) => {
    if (request.method === 'POST' && !isSameOrigin(request)) throw new Refused(403, 'This request comes from another site.');
  });
  app.addHook('preHandler', async (request) => {
    if (request.is404) return;
    if (request.method === 'POST' && !request.body) throw new Refused(415, 'A form was expected.');
    if (OPEN.has(request.routeOptions.url)) return;
    request.session = sessions.of(request);
    if (request.session === undefined) throw new LoginEnded({ code: 'TK010', message: 'there is no such session' });
    if (request.method === 'POST' && !hasToken(request.session, request.body.csrf)) {
      throw new Refused(403, 'This form is not from this session. Go back, reload the page and try again.');
    }
  });
}

// The session has ended, or there was none: to the sign-in page, which leads back to the same
// page. A form that was sent leads back to its own, with what its route keeps.
function answerEnds(sessions) {
  return (request, reply) => {
    const why = request.headers.cookie?.includes(`${sessions.cookie}=`) ? 'ended' : undefined;
    sessions.end(reply, sessions.of(request));
    const { keeps } = request.routeOptions.config;
    if (request.method === 'GET') {
      return request.headers.accept === 'application/json'
        ? reply.code(401).send({ status: 401, problem: 'Your session has ended. Sign in again.' })
        : reply.redirect(signInPath({ why, to: request.url }), 303);
    }
    const to = keeps ? pathWith(request.url, request.body ?? {}, keeps) : pathOf(request.headers.referer);
    if (request.headers['x-in-page'] || request.headers.accept === 'application/json') {
      return reply.code(401).send({ status: 401, signIn: signInPath({ why, to }), problem: 'Your session has ended. Sign in again.' });
    }
    return reply.code(401).type('text/html; charset=utf-8').send(signInPage({ why, to }));
  };
}

function answerErrors(app, sessions) {
  const signInAgain = answerEnds(sessions);
  const show = (reply, status, text) =>
    reply.code(status).type('text/html; charset=utf-8').send(errorPage(TITLES[status] ?? 'Something went wrong', text));

  app.setNotFoundHandler((request, reply) => show(reply, 404, 'There is no such page, or it is not yours.'));
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof LoginEnded) {
      return signInAgain(request, reply);
    }
    if (error.code === '42501') request.log.warn({ err: error }, 'refused by the database');
    if (error instanceof NotFound || error.code === '42501') return show(reply, 404, 'There is no such page, or it is not yours.');
    if (error instanceof Refused) return show(reply, error.statusCode, error.message);
    if (error.statusCode >= 400 && error.statusCode < 500) {
      return show(reply, error.statusCode, 'The request was refused.');
    }
    // such as an address that somebody has changed by hand
    if (isUnreadable(error)) {
      request.log.warn({ err: error }, 'refused by the database');
      return show(reply, 400, 'The request was refused.');
    }
    if (error.code === '57014') return show(reply, 503, 'This took too long, and was ended. Ask for less, as for fewer days, or try again.');
    request.log.error({ err: error }, 'request failed');
    if (isUnavailable(error)) return show(reply, 503, 'The database cannot be asked now. Try again in a moment.');
    return show(reply, 500, 'The request failed. It has been logged.');
  });
}

// An address that no route can have is not quoted
function refuseAddress(error, request, reply) {
  reply.headers(HEADERS);
  if (request.url.startsWith(API)) return sendProblem(reply, problemOf(error, request));
  return reply.code(error.statusCode).type('text/plain').send('The request was refused.');
}

async function page(app, { db, models, limits }) {
  const sessions = new Sessions({ secure: app.secure });
  app.decorate('signInLimit', { rateLimit: { max: limits.signIns ?? 10, timeWindow: '1 minute' } });
  app.decorateRequest('session', undefined);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, parseForm);
  guard(app, sessions);
  answerErrors(app, sessions);
  await serveAssets(app);
  routes(app, { db, sessions, models, once: new Once({ secure: app.secure }) });
}

export async function buildApp({ db, secure = true, trustProxy = false, logger = true, limits = {}, models = { timeLimitMs: 10_000 } }) {
  const app = Fastify({
    trustProxy,
    bodyLimit: 32 * 1024,
    requestTimeout: 30_000,
    // user ids have up to 200 characters, of at most 12 each in a path
    routerOptions: { maxParamLength: 2400 },
    forceCloseConnections: true,
    frameworkErrors: refuseAddress,
    logger: logger && {
      level: 'info',
      serializers: {
        err: loggable,
        // neither headers nor bodies
        req: ({ method, url, ip }) => ({ method, url: loggablePath(url), ip }),
      },
      ...(logger === true ? {} : logger),
    },
  });
  app.decorate('secure', secure);
  await app.register(rateLimit, { max: limits.requests ?? 300, timeWindow: '1 minute' });
  // each with hooks, parsers and errors of its own
  await app.register(api, { prefix: API, db, models, limits });
  await app.register(page, { db, models, limits });
  return app;
}
