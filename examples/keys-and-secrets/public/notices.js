// What was done stands on top: the focus goes there, so that it is read, and what the
// address names is in sight. Browsers take the focus away when they go to an anchor, so
// this waits until they have.

const notice = document.querySelector('[data-notice]');

function attend() {
  const place = location.hash === '' ? null : document.getElementById(decodeURIComponent(location.hash.slice(1)));
  place?.scrollIntoView({ block: place.matches('.row') ? 'center' : 'start' });
  notice.focus({ preventScroll: true });
}

if (notice) {
  if (document.readyState === 'complete') attend();
  else window.addEventListener('load', () => { requestAnimationFrame(attend); });
}
