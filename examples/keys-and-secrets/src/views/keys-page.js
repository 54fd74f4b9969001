// The page of keys and secrets: three sections, each of which can be linked to.

import { llmKeys } from './llm-keys.js';
import { noProject } from './members.js';
import { frame, html } from './parts.js';
import { platformKeys } from './platform-keys.js';
import { secrets } from './secrets.js';

export function keysPage(view) {
  return frame(view, 'Keys & Secrets', html`
${view.project ? html`${llmKeys(view)}${secrets(view)}` : noProject(view)}
${platformKeys(view)}`);
}
