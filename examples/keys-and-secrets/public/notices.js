// What was done stands on top: the focus goes there, so that it is read, and what the
// address names is scrolled to.

const notice = document.querySelector('[data-notice]');
notice?.focus({ preventScroll: true });
if (notice && location.hash !== '') document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView({ block: 'center' });
