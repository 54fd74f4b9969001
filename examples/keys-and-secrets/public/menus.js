// Menus are <details>. One is open at a time; Escape and a click elsewhere close it,
// and the arrow keys go through it.

const openMenu = () => document.querySelector('details[data-menu][open]');

function close(menu, { focus } = {}) {
  menu.open = false;
  if (focus) menu.querySelector('summary').focus();
}

document.addEventListener('toggle', ({ target }) => {
  if (!target.matches?.('details[data-menu]') || !target.open) return;
  for (const other of document.querySelectorAll('details[data-menu][open]')) if (other !== target) close(other);
}, true);

document.addEventListener('click', ({ target }) => {
  const menu = openMenu();
  if (menu && !menu.contains(target)) close(menu);
});

document.addEventListener('focusin', ({ target }) => {
  const menu = openMenu();
  if (menu && !menu.contains(target) && !target.closest('dialog')) close(menu);
});

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

document.addEventListener('keydown', (event) => {
  const menu = event.target.closest?.('details[data-menu]');
  if (!menu) return;
  if (event.key === 'Escape' && menu.open) {
    event.preventDefault();
    close(menu, { focus: true });
  }
  const step = STEPS[event.key];
  if (step === undefined) return;
  event.preventDefault();
  menu.open = true;
  const actions = [...menu.querySelectorAll('li a, li button')].filter((action) => action.checkVisibility());
  const now = actions.indexOf(document.activeElement);
  actions.at(now === -1 ? (step > 0 ? 0 : -1) : (now + step) % actions.length).focus();
});
