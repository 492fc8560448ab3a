// `npm run sim:tight`: what `npm run sim` does, with small tables, windows and periods (tight.ts).

import {rmSync} from 'node:fs';
import {pathToFileURL} from 'node:url';
import {bundleSimulator, COMMAND_LINE} from './bundle.ts';
import {TIGHT} from './tight.ts';

const file = await bundleSimulator('tight-main', TIGHT, COMMAND_LINE);
try {
  await import(pathToFileURL(file).href);
} finally {
  rmSync(file);
}
