// Models of the key that is chosen, asked of its provider now

import { onContent } from './content.js';

async function fetchModels(url) {
  const response = await fetch(url, { headers: { accept: 'application/json' } });
  if (response.headers.get('content-type')?.startsWith('application/json')) return response.json();
  return { problem: response.status === 401 ? 'Sign in again.' : 'The models could not be listed.' };
}

function showModels(region, { models, problem }) {
  const status = region.querySelector('.status');
  status.classList.toggle('problem', Boolean(problem));
  status.textContent = problem ?? (models.length === 0 ? 'The provider lists no models for this key.' : `${models.length} models`);
  region.querySelector('ul').replaceChildren(...(models ?? []).map((id) => {
    const item = document.createElement('li');
    item.textContent = id;
    return item;
  }));
}

function prepare(region) {
  const select = document.getElementById(region.dataset.modelsOf);
  const status = region.querySelector('.status');
  const load = async () => {
    const keyId = select.value;
    if (keyId === '') return;
    showModels(region, { models: [] });
    region.removeAttribute('aria-busy');
    status.textContent = select.selectedOptions[0].dataset.noModels;
    if (status.textContent !== '') return;
    status.textContent = 'Asking the provider…';
    region.setAttribute('aria-busy', 'true');
    const answer = await fetchModels(`${region.dataset.modelsUrl}${keyId}/models?project=${region.dataset.project}`)
      .catch(() => ({ problem: 'The models could not be listed.' }));
    // another key may have been chosen meanwhile
    if (select.value !== keyId) return;
    region.removeAttribute('aria-busy');
    showModels(region, answer);
  };
  select.addEventListener('change', load);
  load();
}

onContent((root) => root.querySelectorAll('[data-models-of]').forEach(prepare));
