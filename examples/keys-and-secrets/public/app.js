// What the pages do in the browser. Everything but sealing works without it.

import { added } from './content.js';
import './key-choices.js';
import './base-url.js';
import './copy.js';
import './dialogs.js';
import './env-file.js';
import './filters.js';
import './forms.js';
import './key-orders.js';
import './key-tests.js';
import './key-value.js';
import './menus.js';
import './model-lists.js';
import './notices.js';
import './sealed-forms.js';
import './submits.js';
import './test-console.js';
import './times.js';

document.documentElement.classList.add('script');
added(document);
