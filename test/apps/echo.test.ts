import test from 'ava';
import {openApp} from './app-rig.ts';

test('what goes in comes out', async t => {
  const app = await openApp('echo');
  for (const size of [0, 1, 64, 16_384, 16_385, 500_000])
    t.deepEqual(await app.run('e'.repeat(size)), Buffer.alloc(size, 'e'), `${size} bytes`);
  await app.close();
});
