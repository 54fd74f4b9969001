// What the page offers; the database decides.

export const mayChangeKeys = (view) => view.managesKeys && !view.isReadOnly;

// Others would only be refused.
export const canTest = (view, key) => mayChangeKeys(view) && key.status === 'ok' && key.state === 'enabled';

export const opens = (key) => key.status === 'ok';
