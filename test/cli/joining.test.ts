// What a person reads while a node waits to be let in.

import test from 'ava';
import {Joining} from '../../src/cli/joining.ts';
import {fingerprintText} from '../../src/wire/identity.ts';

const NODE_ID = '00112233445566778899aabbccddeeff' as Parameters<typeof fingerprintText>[0];

/** Lines that go to the standard output meanwhile. */
function said(run: (joining: Joining) => void): string {
  const {write} = process.stdout;
  let text = '';
  process.stdout.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  const options = {byToken: false, seconds: 0, data: '/d', fatal: () => {}};
  const joining = new Joining(options);
  try {
    run(joining);
  } finally {
    joining.stop();
    process.stdout.write = write;
  }
  return text;
}

test.serial('the fingerprint is shown however quick the master is', t => {
  const usual = said(joining => {
    joining.about('n1', NODE_ID);
    joining.refused('pending');
    joining.refused('pending');
  });
  t.is(usual.split(fingerprintText(NODE_ID)).length, 2, 'once');
  const quick = said(joining => {
    joining.refused('pending');
    joining.about('n1', NODE_ID);
    joining.refused('pending');
  });
  t.is(quick, usual);
});
