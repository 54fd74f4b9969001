// What the pages do in the browser. Everything but sealing works without it.

import { added } from './content.js';
import './copy.js';
import './dialogs.js';
import './env-file.js';
import './forms.js';
import './key-fields.js';
import './key-tests.js';
import './menus.js';
import './model-lists.js';
import './notices.js';
import './sealed-forms.js';
import './submits.js';
import './times.js';

document.documentElement.classList.add('script');
added(document);
