// Testing a key: the page that answers has the result, of which only the cell is taken.

async function testKey(form) {
  const response = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const cell = page.getElementById(form.parentElement.id);
  if (cell === null) throw new Error('the page has no result');
  return [cell.querySelector('.health'), cell.querySelector('.status')];
}

for (const form of document.querySelectorAll('form[data-test]')) {
  const [health, status] = ['.health', '.status'].map((part) => form.parentElement.querySelector(part));
  let busy = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    status.className = 'status';
    status.textContent = 'Asking the provider…';
    try {
      const [newHealth, result] = await testKey(form);
      health.replaceChildren(...newHealth.childNodes);
      status.className = result.className;
      status.textContent = result.textContent;
    } catch {
      status.textContent = 'The key could not be tested. Reload the page and try again.';
    }
    busy = false;
  });
}
