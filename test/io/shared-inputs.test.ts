// What a batch shares, at a real runner: a wasm app and a program of the owner read it from file descriptor 4, a js app
// from its context.

import test from 'ava';
import {asBlobId} from '../../src/base/types.ts';
import {SharedInputs} from '../../src/io/shared-inputs.ts';
import type {BlobRef, Input} from '../../src/wire/message.ts';
import {compile, manifestOf, RunnerRig} from './runner-rig.ts';

/** Writes what it can read of descriptor 4, then its input. */
const SOURCE = `
@external("wasi_snapshot_preview1", "fd_read") declare function fd_read(fd: u32, io: usize, n: u32, done: usize): u32;
@external("wasi_snapshot_preview1", "fd_write") declare function fd_write(fd: u32, io: usize, n: u32, done: usize): u32;
const io = memory.data<u32>([4096, 1]), done = memory.data(4);
function copy(fd: u32): void {
  while (fd_read(fd, io, 1, done) == 0 && load<u32>(done) == 1) fd_write(1, io, 1, done);
}
export function _start(): void {
  copy(4);
  copy(0);
}
`;

const refOf = (no: number, size: number): BlobRef => ({
  blobId: asBlobId(String(no).padStart(64, '0')),
  size,
});
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

test('each workunit reads what its batch shares, and no other batch', async t => {
  const texts = ['one|', 'two|'];
  let reads = 0;
  const rig = new RunnerRig({
    readInput: async (input: Input) => {
      reads += 1;
      const no = input.kind === 'slice' ? Number(input.blobId) : 0;
      return bytesOf(texts[no - 1] ?? '');
    },
    actions: new Map([['both', ['sh', '-c', 'cat /dev/fd/4 -']]]),
  });
  t.teardown(() => rig.runner.close());
  rig.add(manifestOf('copy'), await compile(SOURCE));
  rig.add(manifestOf('both', {runtime: 'exec', action: 'both'}));
  const script = '({run: (input, {shared}) => shared.text() + input.text()})';
  rig.add(manifestOf('script', {runtime: 'js'}), bytesOf(script));
  const stories: string[] = [];
  for (const [app, shared] of [
    ['copy', refOf(1, 4)],
    ['copy', refOf(1, 4)],
    ['copy', refOf(2, 4)],
    ['copy', undefined],
    ['copy', refOf(1, 4)],
    ['both', refOf(2, 4)],
    ['both', undefined],
    ['script', refOf(1, 4)],
    ['script', undefined],
  ] as const)
    stories.push(await rig.story(rig.run(app, 'in', shared ? {shared} : {})));
  t.deepEqual(
    stories,
    ['one|in', 'one|in', 'two|in', 'in', 'one|in', 'two|in', 'in', 'one|in', 'in'].map(
      text => `done ${text}`,
    ),
  );
  t.is(reads, 2, 'what is kept is not fetched again');
});

test('a shared input that cannot be had fails the run, and is asked for again', async t => {
  let tries = 0;
  const shared = new SharedInputs(async () => {
    tries += 1;
    if (tries === 1) throw new Error('no master');
    return bytesOf('here');
  });
  await t.throwsAsync(shared.get(refOf(1, 4)), {message: 'no master'});
  t.deepEqual(await shared.get(refOf(1, 4)), bytesOf('here'));
});

test('a shared input above the limit is never fetched', async t => {
  const shared = new SharedInputs(async () => t.fail() as never);
  await t.throwsAsync(shared.get(refOf(1, 2 ** 27)), {message: /shared input/});
});
