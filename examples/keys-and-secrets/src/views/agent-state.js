// How agents stand: whether their keys can be used, and what to do if not.

// Who may create, change, delete and run agents. Others would only be refused.
export const managesAgents = (view) => !view.isReadOnly && ['admin', 'key_manager', 'member'].includes(view.role);

const isUsable = (key) => key.status === 'ok' && key.state === 'enabled';

// Keys of a provider in the order in which runs try them
function inOrder(keys) {
  return [...keys].sort((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
}

// What to do, for who may and for who may not change the key
const advice = (view, change, ask) => (view.managesKeys ? `${change}, or choose another.` : `Choose another, or ask an admin to ${ask}.`);

// Of one key: kind, label and todo, or undefined where there is nothing to say
function keyTrouble(view, key) {
  if (key.status !== 'ok') return { kind: 'bad', label: 'key does not open', stops: true, todo: advice(view, 'Enter the key again under Keys & Secrets', 'enter it again') };
  if (key.state === 'disabled') return { kind: 'bad', label: 'key disabled', stops: true, todo: advice(view, 'Enable the key under Keys & Secrets', 'enable it') };
  if (key.state === 'expired') return { kind: 'bad', label: 'key expired', stops: true, todo: advice(view, 'Replace the key under Keys & Secrets, or give it a later end', 'replace it') };
  if (key.health === 'rejected') return { kind: 'bad', label: 'key rejected', todo: advice(view, 'The provider has rejected the key. Replace it under Keys & Secrets', 'replace it') };
  if (key.health === 'quota') return { kind: 'warn', label: 'quota used up', todo: advice(view, 'Add credit at the provider', 'add credit at the provider') };
  if (key.health === 'cooling') return { kind: 'warn', label: 'key failed lately', todo: 'Its last call failed. Test the agent to see why.' };
  return undefined;
}

function providerState(view, agent) {
  const keys = inOrder(view.keys.filter(({ provider }) => provider === agent.provider));
  const usable = keys.filter(isUsable);
  const ready = usable.filter(({ health, cooling_until: until }) => health !== 'rejected' && until === null);
  const state = { provider: agent.provider, label: agent.provider_label, keys: usable, left: keys.length - usable.length };
  if (usable.length === 0) {
    const todo = view.managesKeys ? `Add or enable a key of ${agent.provider_label}, or choose another.` : `Choose another, or ask an admin to add a key of ${agent.provider_label}.`;
    return { ...state, trouble: { kind: 'bad', label: 'no usable key', stops: true, todo } };
  }
  if (ready.length === 0) return { ...state, trouble: { kind: 'warn', label: 'all keys failed lately', todo: 'Test the agent to see why.' } };
  if (ready[0] !== usable[0]) return { ...state, next: ready[0], trouble: { kind: 'calm', label: `falls back to ${ready[0].name}` } };
  return state;
}

// { provider, label, and key or keys; trouble, where there is some }
export function stateOf(view, agent) {
  if (agent.provider !== null) return providerState(view, agent);
  if (agent.user_api_key_id === null) return { trouble: { kind: 'warn', label: 'no key', stops: true, todo: 'Choose a key, so that it can run.' } };
  const key = view.keys.find(({ id }) => id === agent.user_api_key_id);
  if (key === undefined) return { trouble: { kind: 'bad', label: 'key deleted', stops: true, todo: 'Its key was deleted. Choose another.' } };
  return { key, provider: key.provider, label: key.provider_label, trouble: keyTrouble(view, key) };
}

export const canRun = (view, agent) => stateOf(view, agent).trouble?.stops !== true;
