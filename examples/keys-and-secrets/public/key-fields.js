// The fields of a new key. The base URL is asked for where the provider needs or takes one.

import { onContent } from './content.js';

function baseUrlHint({ baseUrl, hosts, usual }) {
  const ends = hosts ? ` The host is, or ends in, one of: ${hosts}, and the like.` : '';
  if (baseUrl === 'optional') return `Only for an endpoint of your own, regional or a gateway. Left empty, calls go to ${usual}.${ends}`;
  if (hosts) return `The address of your resource, as the portal shows it.${ends}`;
  return 'The address that paths like /chat/completions are below, like https://api.groq.com/openai/v1.';
}

function prepare(select) {
  const field = select.form.querySelector('[data-field="base_url"]');
  const input = field.querySelector('input');
  const show = () => {
    const provider = select.selectedOptions[0].dataset;
    field.hidden = !provider.baseUrl;
    input.disabled = !provider.baseUrl;
    input.required = provider.baseUrl === 'required';
    field.querySelector('.hint').textContent = baseUrlHint(provider);
  };
  select.addEventListener('change', show);
  show();
}

onContent((root) => root.querySelectorAll('select[data-provider]').forEach(prepare));
