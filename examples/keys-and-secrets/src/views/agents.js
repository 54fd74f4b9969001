// The agents, their models, and the test console.

import { alert, button, field, frame, hidden, html, inProject, select, settings, text, textArea } from './parts.js';
import { named } from './llm-keys.js';

// Whose models nobody may ask for with the rights that the person has, and why. Others
// would only be refused.
function whyNoModels(view, key) {
  if (view.isReadOnly) return 'You have signed in with a platform key that may only list.';
  return view.managesKeys || key.agent_count > 0 ? '' : 'No agent has this key yet. Save it here to see its models.';
}

function keyOptions(view, current) {
  const known = view.keys.map((key) => ({ value: key.id, label: named(key), data: html` data-no-models="${whyNoModels(view, key)}"` }));
  if (current === null) return [{ value: '', label: 'No key yet' }, ...known];
  return known.some(({ value }) => value === current) ? known : [{ value: '', label: 'A deleted key: choose another' }, ...known];
}

function modelList(view, id, keyId) {
  const key = view.keys.find((each) => each.id === keyId);
  const why = key === undefined ? 'Choose a key to see its models.' : whyNoModels(view, key);
  return html`<div class="models" data-models-of="${id}" data-models-url="${settings(view, '/llm-keys/')}" data-project="${view.project.id}">
<h4>Models</h4>
<p class="status" role="status">${why || html`<a href="${inProject(view, `/llm-keys/${keyId}/models`)}">Show the models of this key</a>`}</p><ul></ul></div>`;
}

// Any member may, unless the platform key may only list
export const canConverse = (view, agent) =>
  !view.isReadOnly && view.keys.some(({ id }) => id === agent.user_api_key_id);

function testConsole(view, agent) {
  const { values, problem: told, answer, keyName } = view.console?.agentId === agent.id ? view.console : {};
  const id = `console-${agent.id}`;
  const form = { id, values };
  return html`<details id="${id}"${values && html` open`}><summary>Test console<span class="away"> of ${agent.name}</span></summary>
<form method="post" action="${inProject(view, `/agents/${agent.id}/console`)}#${id}">${hidden(view)}
${field(form, 'model', 'Model', text('model', 'required maxlength="200"'), 'One of those that the key is for.')}
${field(form, 'message', 'Message', textArea('message', 'required maxlength="4000"'))}
${button(html`Send<span class="away"> to ${agent.name}</span>`)}
${alert(told)}${answer !== undefined && html`<div role="status"><p class="hint">Answered with the key “${keyName}”:</p><p class="answer">${answer}</p></div>`}
</form></details>`;
}

function agentCard(view, agent) {
  const form = { id: `agent-${agent.id}`, values: { key: agent.user_api_key_id ?? '' }, ...view.forms[agent.id] };
  return html`<li class="card"><h3>${agent.name}</h3>
<form method="post" action="${inProject(view, `/agents/${agent.id}`)}">${hidden(view)}
${field(form, 'key', 'Key', select('key', keyOptions(view, agent.user_api_key_id), 'required'))}
${button(html`Save<span class="away"> ${agent.name}</span>`)}
</form>
${modelList(view, `${form.id}-key`, agent.user_api_key_id)}
${canConverse(view, agent) && testConsole(view, agent)}
<form method="post" action="${inProject(view, `/agents/${agent.id}/delete`)}">${hidden(view)}${button(html`Delete<span class="away"> agent ${agent.name}</span>`, 'quiet')}</form>
</li>`;
}

export function agentsPage(view) {
  const form = { id: 'agent', ...view.forms.agent };
  const body = view.project ? html`<section aria-labelledby="agents"><h2 id="agents">Agents</h2>
${view.agents.length > 0
    ? html`<ul class="cards">${view.agents.map((agent) => agentCard(view, agent))}</ul>`
    : html`<p class="empty">This project has no agents yet.</p>`}
<details${form.fields && html` open`}><summary>Create agent</summary>
<form method="post" action="${inProject(view, '/agents')}">${hidden(view)}
${field(form, 'name', 'Name', text('name', 'required maxlength="100"'))}
${field(form, 'key', 'Key', select('key', keyOptions(view, null)))}
${button('Create agent')}
</form></details></section>` : html`<p class="empty">You are in no project yet.</p>`;
  return frame(view, 'Agents', body);
}

export function modelsPage(view, key, { models, problem: told }) {
  return frame(view, 'Agents', html`<section aria-labelledby="models"><h2 id="models">Models of “${key.name}”</h2>
${told ? alert(told) : html`<ul class="list">${models.map((id) => html`<li><code>${id}</code></li>`)}</ul>`}
<p><a href="${inProject(view, '/agents')}">Back to the agents</a></p></section>`);
}
