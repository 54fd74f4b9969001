// What each operation of the document does, by its operationId

import * as agents from './agents.js';
import * as llmKeys from './llm-keys.js';
import * as platformKeys from './platform-keys.js';
import * as project from './project.js';
import * as secrets from './secrets.js';
import * as you from './you.js';

export const operations = { ...you, ...project, ...llmKeys, ...secrets, ...agents, ...platformKeys };
