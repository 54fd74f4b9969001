// As people sort: "apple" beside "Apple", "Key 9" before "Key 10".

const { compare } = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

// by(row => text or number, …): a function for sort(); later ones decide between equals
export const by = (...keys) => (a, b) => {
  for (const key of keys) {
    const [one, other] = [key(a), key(b)];
    const order = typeof one === 'number' ? one - other : compare(one ?? '', other ?? '');
    if (order !== 0) return order;
  }
  return 0;
};
