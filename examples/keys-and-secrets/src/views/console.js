// The test console: a message to a model of an agent, and what came of it.

import { stateOf, managesAgents } from './agent-state.js';
import { badge, empty, field, frame, hidden, html, inProject, mark, section, select, text, textArea } from './parts.js';

const OUTCOMES = {
  ok: ['good', 'answered'],
  rejected: ['bad', 'rejected the key'],
  quota: ['bad', 'quota used up'],
  rate_limited: ['warn', 'too many requests'],
  server: ['warn', 'problem of the provider'],
  timeout: ['warn', 'no answer'],
  undefined: ['bad', 'refused the request'],
};

const duration = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);

const labelOf = (view, slug) => view.keys.find(({ provider }) => provider === slug)?.provider_label ?? slug;

function tryItem(view, { keyName, provider, outcome, ms, problem }, isTold) {
  const [kind, label] = OUTCOMES[outcome];
  return html`<li>${mark(provider, labelOf(view, provider))}<div><strong>${keyName}</strong> ${badge(kind, label)} <span class="hint">${duration(ms)}</span>
${problem && !isTold && html`<p>${problem}</p>`}</div></li>`;
}

// What comes next, where the last try says so
function next(view, { tries, problem }) {
  const outcome = tries.at(-1)?.outcome;
  if (!problem || tries.length === 0) return '';
  if (['rejected', 'quota'].includes(outcome)) {
    return view.managesKeys ? html`<a href="${inProject(view, '#llm-keys')}">Look at the key</a>` : 'Ask an admin to look at the key.';
  }
  return outcome === undefined ? 'The key is not to blame. Look at the model and the message.' : 'Try again in a while.';
}

function answered({ answer, tries }, { agentName, model }) {
  const { keyName, ms } = tries.at(-1);
  const times = tries.length > 1 ? `, after ${tries.length - 1} other${tries.length > 2 ? 's' : ''} failed` : '';
  return html`<h2 id="result-title" tabindex="-1" data-focus>Answer</h2>
<p class="hint">${agentName}, ${model}: with the key “${keyName}” in ${duration(ms)}${times}</p>
<div class="answer" tabindex="0" role="region" aria-label="Text of the answer">${answer}</div>`;
}

// What the only key brought; of several, the list says it
function refused({ problem, tries }) {
  const text = tries.length > 1 && tries.at(-1).problem === problem ? `None of the ${tries.length} keys that were tried has brought an answer.` : problem;
  return html`<h2 id="result-title" tabindex="-1" data-focus>No answer</h2><p class="problem">${text}</p>`;
}

function triesList(view, { answer, tries }) {
  if (tries.length === 0 || (tries.length === 1 && answer !== undefined)) return '';
  return html`<h3>What was tried</h3><ol class="tries">${tries.map((each) => tryItem(view, each, tries.length === 1))}</ol>`;
}

function result(view, { result: told, values }) {
  if (told === undefined) return '';
  const agentName = view.agents.find(({ id }) => id === values.agent)?.name ?? '';
  return html`<section class="result" id="result" aria-labelledby="result-title">
${told.answer === undefined ? refused(told) : answered(told, { agentName, model: values.model })}
${triesList(view, told)}
<p class="next">${next(view, told)}</p></section>`;
}

function agentOptions(view) {
  return view.agents.map((agent) => {
    const { label, trouble } = stateOf(view, agent);
    const rest = [label, trouble?.stops && trouble.label].filter(Boolean).join(', ');
    return { value: agent.id, label: `${agent.name}${rest && ` (${rest})`}` };
  });
}

// With the models that were asked for
function modelField(view, form, listed) {
  const list = listed?.models ?? [];
  return html`${field(form, 'model', 'Model', text('model', 'required maxlength="200" list="models"'), 'As the provider names it; at Azure the name of a deployment.')}
<datalist id="models">${list.map((id) => html`<option value="${id}"></option>`)}</datalist>
<p class="status${listed?.problem && ' problem'}" role="status" data-models-told>${listed && (listed.problem ?? [`${list.length} models.`, ...listed.remarks].join(' '))}</p>
${list.length > 0 && html`<ul class="model-list" aria-label="Models" tabindex="0" data-without-script>${list.map((id) => html`<li><code>${id}</code></li>`)}</ul>`}`;
}

function why(view) {
  if (view.isReadOnly) return 'You have signed in with a platform key that may only list, so you cannot test agents here.';
  if (!managesAgents(view)) return 'Viewers see agents and do not run them. Ask an admin for the role of a member to test them here.';
  return 'There is no agent to test yet.';
}

// given has values, and after a form was sent fields, result and listed
export function consolePage(view, given) {
  const form = { id: 'console', values: given.values, fields: given.fields };
  const may = managesAgents(view) && view.agents.length > 0;
  const body = may ? html`<div id="console" data-console>
<form method="post" action="${inProject(view, '/console')}#result">${hidden(view)}
${field(form, 'agent', 'Agent', select('agent', agentOptions(view)))}
${modelField(view, form, given.listed)}
${field(form, 'message', 'Message', textArea('message', 'required maxlength="4000"'))}
<div class="buttons"><button name="do" value="send">Send</button> <button class="quiet" name="do" value="models" formnovalidate>Show models</button></div>
</form>
<p class="status" role="status" data-told></p>
${result(view, given)}</div>` : empty(why(view), html`<a href="${inProject(view, '/agents')}">To the agents</a>`);
  return frame(view, 'Agents', section({
    id: 'console-title', title: 'Test console',
    about: 'A message to a model, sent as the agent would send it: with its key, or with its provider’s keys in turn. It counts as a use, and the provider bills it.',
    body,
  }), { title: 'Test console' });
}
