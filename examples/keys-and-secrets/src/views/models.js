// The models that a provider lists for a key or an agent, asked for when somebody looks.

import { alert, dialogPage, html } from './parts.js';

const MANY = 12;

function item(id, testPath) {
  return html`<li><code>${id}</code>${testPath && html` <a href="${testPath(id)}">Test<span class="away"> ${id}</span></a>`}</li>`;
}

function models({ models: ids, remarks }, testPath) {
  return html`${remarks.map((remark) => html`<p class="hint">${remark}</p>`)}
${ids.length > MANY && html`<div class="field" data-with-script><label for="find-model">Find</label><input id="find-model" type="search" autocomplete="off" data-find-model="model-list"></div>`}
<p class="status" role="status" data-filtered>${ids.length === 1 ? '1 model' : `${ids.length} models`}</p>
${ids.length > 0 && html`<ul class="model-list" id="model-list" tabindex="0" aria-label="Models">${ids.map((id) => item(id, testPath))}</ul>`}`;
}

// title is whose models they are; answer is { models, remarks } or { problem }, or undefined while
// the provider is asked, for a script to put the page at path in its place.
export function modelsPage(view, tab, { title, back, path, answer, testPath }) {
  const waits = html`<div data-load="${path}" aria-busy="true"><p role="status">Asking the provider…</p>
<ul class="model-list outline" aria-hidden="true"><li></li><li></li><li></li></ul></div>`;
  const shown = answer && (answer.problem ? alert(answer.problem) : models(answer, testPath));
  return dialogPage(view, tab, {
    title: `Models of “${title}”`, back,
    body: html`${shown ?? waits}
<div class="buttons"><a class="button quiet" href="${back}" data-close>Close</a></div>`,
  });
}
