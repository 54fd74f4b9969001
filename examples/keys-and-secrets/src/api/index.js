// The platform's API, /api/v1: the same service for programs. Each request brings its
// platform key, and is one transaction as its user. What there is, and what requests
// must look like, says ../openapi.json; what they do is in operations/.

import { Answer } from './calls.js';
import { compile, document, resources } from './document.js';
import { operations } from './operations/index.js';
import { notFound, ofRequest, Problem, problemOf, sendProblem } from './problems.js';
import { Tokens } from './tokens.js';

const BODY_LIMIT = 160 * 1024;    // a secret of 64 KiB in a box, in hexadecimal
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

// What cannot be read is not quoted. An empty body is none.
async function parse({ headers }, buffer) {
  if (buffer.length === 0) return undefined;
  if (headers['content-encoding'] !== undefined) throw ofRequest(415);
  try {
    return JSON.parse(utf8.decode(buffer));
  } catch {
    throw new Problem(400, 'invalid_request', 'The body is no JSON in UTF-8.');
  }
}

// Of a type that is not ours only an empty body is taken: clients send one with no body, too.
async function refuseType({ headers }) {
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) {
    throw ofRequest(415);
  }
}

function refuseBody({ body, method, routeOptions: { schema } }) {
  if (body !== undefined && schema?.body === undefined) throw new Problem(400, 'invalid_request', `This ${method} has no body.`);
}

// Other methods, and OPTIONS; no origin is admitted, so browsers of other sites get nothing
function answerOthers(app, url, methods) {
  const known = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
  const allow = known.join(', ');
  const config = { rateLimit: false, isOpen: true };
  app.options(url, { config }, async (request, reply) => reply.code(204).header('allow', allow).send());
  app.route({
    method: METHODS.filter((method) => !known.includes(method)), url, config,
    handler: () => { throw new Problem(405, 'method_not_allowed', 'This path has other methods.', { hint: `They are ${allow}.`, headers: { allow } }); },
  });
}

function nextLink(request, cursor) {
  const url = new URL(request.url, 'http://none.invalid');
  url.searchParams.set('cursor', cursor);
  return `<${url.pathname}${url.search}>; rel="next"`;
}

function answer(request, reply, result) {
  if (result === undefined) return reply.code(204).send();
  if (result.next_cursor) reply.header('link', nextLink(request, result.next_cursor));
  if (!(result instanceof Answer)) return reply.send(result);
  if (result.location) reply.header('location', `${reply.server.prefix}${result.location}`);
  return reply.code(result.status).send(result.body);
}

export async function api(app, { db, models, limits = {} }) {
  const tokens = new Tokens(app, { requests: limits.ofToken, signIns: limits.signIns });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, parse);
  app.addContentTypeParser('*', refuseType);
  app.setValidatorCompiler(compile);
  app.decorateRequest('token');
  app.decorateRequest('tokenHash');

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (app.secure) reply.header('strict-transport-security', 'max-age=31536000');
    if (!request.is404 && !request.routeOptions.config.isOpen) await tokens.admit(request, reply);
  });
  app.addHook('preValidation', async (request) => refuseBody(request));

  app.setNotFoundHandler((request, reply) => sendProblem(reply, notFound()));
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, { method: request.method, fields: request.routeOptions.config?.fields });
    if (problem.status >= 500) request.log.error({ err: error }, 'request failed');
    return sendProblem(reply, problem);
  });

  app.get('/openapi.json', { config: { isOpen: true } }, async (request, reply) =>
    reply.header('cache-control', 'max-age=300').send(document));
  answerOthers(app, '/openapi.json', ['GET']);

  for (const { url, methods } of resources) {
    for (const { method, id, schema, fields } of methods) {
      app.route({
        method, url, schema, config: { rateLimit: false, fields },
        handler: async (request, reply) => {
          const { params, query, body, headers: { 'x-project-id': project } } = request;
          const act = (work, inProject = schema.headers.properties['x-project-id'] && project) => tokens.act(request, db, inProject, work);
          const result = await operations[id]({ act, params, query, body, project }, { db, models });
          return answer(request, reply, result);
        },
      });
    }
    answerOthers(app, url, methods.map(({ method }) => method));
  }
}
