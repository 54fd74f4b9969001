// The OpenAPI document, and what of it decides: which requests there are, and what they
// must look like. There is no other list of either.

import { readFileSync } from 'node:fs';
import addFormats from 'ajv-formats';
import Ajv from 'ajv/dist/2020.js';

export const document = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'));

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];
const IN = { params: 'path', querystring: 'query', headers: 'header' };

const pointed = ({ $ref: ref }) => ref.slice(2).split('/').reduce((at, name) => at[name], document);
const found = (part) => (part.$ref === undefined ? part : pointed(part));

// Ajv's own options, rather than Fastify's: nothing is left out of a body silently
function validator(options) {
  const ajv = addFormats.default(new Ajv({ ...options, allowUnionTypes: true, verbose: true }), ['uuid', 'date-time']);
  return ajv.addVocabulary(Object.keys(document)).addSchema(document, 'openapi');
}
const strict = validator({});
// What is in a URL is text. Infinity is a number there, or no rule for numbers would look at it.
const ofTexts = validator({ coerceTypes: true, useDefaults: true, strictNumbers: false });

export const compile = ({ schema, httpPart }) => (httpPart === 'body' ? strict : ofTexts).compile(schema);

// References are within the document
const absolute = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#', '"$ref":"openapi#'));

function schemaOfParameters(parameters, part) {
  const those = parameters.filter((parameter) => parameter.in === IN[part]);
  return {
    type: 'object',
    // others' headers are no business of ours
    ...(part === 'headers' ? {} : { additionalProperties: false }),
    required: those.filter(({ required }) => required).map(({ name }) => name.toLowerCase()),
    properties: Object.fromEntries(those.map(({ name, schema }) => [name.toLowerCase(), absolute(schema)])),
  };
}

function schemaOf(operation, parameters) {
  const content = operation.requestBody?.content['application/json'];
  return {
    ...Object.fromEntries(Object.keys(IN).map((part) => [part, schemaOfParameters(parameters, part)])),
    ...(content ? { body: absolute(content.schema) } : {}),
  };
}

// What a request has beside its path: an error about anything else names no field
function fieldsOf(operation, parameters) {
  const content = operation.requestBody?.content['application/json'];
  const inBody = content ? Object.keys(found(content.schema).properties) : [];
  return new Set([...inBody, ...parameters.filter(({ in: part }) => part === 'query').map(({ name }) => name)]);
}

// [{ url, methods: [{ method, id, schema, fields }] }]
export const resources = Object.entries(document.paths).map(([path, item]) => ({
  url: path.replace(/\{(\w+)\}/g, ':$1'),
  methods: METHODS.filter((method) => method in item).map((method) => {
    const parameters = (item[method].parameters ?? []).map(found);
    return {
      method: method.toUpperCase(), id: item[method].operationId,
      schema: schemaOf(item[method], parameters), fields: fieldsOf(item[method], parameters),
    };
  }),
}));
