// What `volley doctor` sees of the buffers of a real socket.

import test from 'ava';
import {checkBuffers} from '../../src/io/machine-checks.ts';

test('buffers are those that the kernel really gives, each with what to do', async t => {
  const checks = await checkBuffers();
  t.deepEqual(
    checks.map(({what}) => what),
    ['receive buffer', 'send buffer'],
  );
  const [receive, send] = checks;
  t.regex(receive?.text ?? '', /^\d+ bytes, \d+ ms of 100 Mbit\/s/);
  t.is(receive?.state === 'warn', receive?.text.includes('sysctl -w net.core.rmem_max=') ?? false);
  t.regex(send?.text ?? '', /^\d+ bytes for a transfer/);
  t.is(send?.state, 'good');
});
