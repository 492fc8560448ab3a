// A process that tries to get a lock at an instant which it is told, as others do: `node lock-kid.ts STATE`.

import {StateLock} from '../../src/library/map-lock.ts';

const [, , path = ''] = process.argv;

process.on('message', at => {
  while (Date.now() < Number(at));
  try {
    new StateLock(path);
    process.send?.('got');
  } catch (error) {
    process.send?.(String(error));
  }
});
process.send?.('up');
