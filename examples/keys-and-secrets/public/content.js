// Content of the page, and of dialogs as they are shown: whoever has to prepare
// elements is called with each.

const prepare = [];

export function onContent(work) {
  prepare.push(work);
}

export function added(root) {
  for (const work of prepare) work(root);
}
