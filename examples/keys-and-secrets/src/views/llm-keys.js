// The section of LLM keys. Its rows and dialogs are in llm-keys/.

import { dueKeys } from './llm-keys/due.js';
import { keyRow } from './llm-keys/row.js';
import { empty, html, inProject, link, rows, section } from './parts.js';

export { canTest, mayChangeKeys } from './llm-keys/rights.js';

// A key's name in a list to choose from
export const named = ({ name, provider_label: label, state: now }) => `${name} (${label ?? 'does not open'})${now === 'enabled' ? '' : `, ${now}`}`;

// From so many on, there is a field to find one by its name.
const FEW = 10;

const finder = html`<div class="finder" data-with-script><label for="find-key">Find a key</label>
<input id="find-key" type="search" data-filter="llm-key-list" autocomplete="off" spellcheck="false"><p class="away" role="status"></p></div>`;

function nothing(view, add) {
  return add ? empty('No LLM keys yet. Agents need one to call models of a provider such as OpenAI or Anthropic.', add)
    : empty('No LLM keys yet. Ask an admin or key manager of this project to add one.');
}

export function llmKeys(view) {
  const add = view.mayChangeKeys && link(inProject(view, '/llm-keys/new'), 'Add key', { className: 'button' });
  return section({
    id: 'llm-keys', title: 'Project LLM keys',
    about: 'Shared by the project: agents use them, and nobody reads them again.',
    action: view.keys.length > 0 && add,
    body: html`${dueKeys(view)}${view.keys.length > FEW && finder}
${view.keys.length === 0 ? nothing(view, add)
    : html`<div id="llm-key-list" data-orders>${rows('Project LLM keys', view.keys.map((key) => keyRow(view, key)))}<p class="away" role="status" data-said></p></div>`}`,
  });
}
