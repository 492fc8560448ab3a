// Child process of level-store.test.ts: says how opening a store as this user ends.

import {VolleyError} from '../../src/base/errors.ts';
import {openLevelStore} from '../../src/io/level-store.ts';

try {
  await (await openLevelStore(process.argv[2] ?? '')).close();
  console.log('opened');
} catch (error) {
  console.log(error instanceof VolleyError ? `${error.code} ${error.message}` : error);
}
