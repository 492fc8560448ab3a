// What a js app is given and what becomes of it, in a real runner process.

import test from 'ava';
import {makeApi} from '../../src/io/js-api.ts';
import {STATE_BYTES_MAX} from '../../src/wire/limits.ts';
import {manifestOf, RunnerRig} from './runner-rig.ts';

const SCRIPT = `({
  async run(input, context) {
    const [what] = context.args;
    if (what === 'json') return input.json().map(x => x * 2);
    if (what === 'bytes') return input.bytes().reverse();
    if (what === 'waits') { for (let i = 0; i < 1000; i++) await null; return 'waited'; }
    if (what === 'shared') return [context.shared.text(), context.shared.bytes().length];
    return {text: input.text(), args: context.args, seed: context.seed, saved: context.saved ?? null};
  },
})`;

const LIMITS = {timeSeconds: 60, memoryMib: 16, outputBytes: 2 ** 16};

test('a js app has its input, arguments, seed; what it returns is its output', async t => {
  t.timeout(170_000);
  const rig = new RunnerRig().add(
    manifestOf('app', {runtime: 'js', limits: LIMITS}),
    new TextEncoder().encode(SCRIPT),
  );
  t.teardown(() => rig.runner.close());
  const of = (input: string, ...args: string[]) => rig.story(rig.run('app', input, {args}));
  t.is(
    await of('0 10\n', 'a', 'b'),
    'done {"text":"0 10\\n","args":["a","b"],"seed":7,"saved":null}\n',
  );
  t.is(await of('[1, 2]', 'json'), 'done [2,4]\n');
  t.is(await of('abc', 'bytes'), 'done cba');
  t.is(await of('', 'waits'), 'done waited');
  t.is(await of('', 'shared'), 'done ["",0]\n');
  t.regex(await of('{', 'json'), /^trapped: SyntaxError: /);
  const caged = new RunnerRig().add(
    manifestOf('app', {runtime: 'js', sandboxLevel: 3, limits: LIMITS}),
    new TextEncoder().encode(SCRIPT),
  );
  t.teardown(() => caged.runner.close());
  t.regex(
    await caged.story(caged.run('app', '')),
    /^refused: the app demands a sandbox of level 3/,
  );
});

test('what is no app is refused at each run, with the reason', async t => {
  const rig = new RunnerRig();
  t.teardown(() => rig.runner.close());
  rig.add(manifestOf('none', {runtime: 'js'}), new TextEncoder().encode('({})'));
  const reason =
    'refused: the script cannot be loaded: TypeError: the module exports no function run';
  t.is(await rig.story(rig.run('none', '')), reason);
});

type Context = {
  readonly saved: Uint8Array | undefined;
  save(bytes: Uint8Array, fractionDone?: number): void;
  progress(fractionDone: number): void;
};

test('what an app saves is its progress and its bytes, and both are kept by each other', t => {
  const saves: number[][] = [];
  const contextOf = (...state: number[]) => {
    const order = {
      no: 0,
      outputBytesMax: 9,
      seed: 0,
      args: [],
      input: new Uint8Array(0),
      shared: new Uint8Array(0),
    };
    const save = (bytes: Uint8Array) => saves.push([...bytes]);
    const api = makeApi({...order, state: Uint8Array.from(state)}, save, value => value);
    return {...api, context: api.context as Context};
  };
  const fresh = contextOf();
  t.is(fresh.context.saved, undefined);
  fresh.context.progress(0.25);
  fresh.context.save(Uint8Array.of(7, 8), 0.5);
  fresh.context.progress(1);
  t.deepEqual(saves.splice(0), [
    [250, 0],
    [244, 1, 7, 8],
    [232, 3, 7, 8],
  ]);
  t.is(contextOf(250, 0).context.saved, undefined, 'progress alone is no state');
  const later = contextOf(244, 1, 7, 8);
  t.deepEqual(later.context.saved, Uint8Array.of(7, 8));
  later.context.progress(0.6);
  t.deepEqual(saves.splice(0), [[88, 2, 7, 8]]);
  for (const fraction of [-0.1, 1.1, Number.NaN, '1' as never])
    t.throws(() => later.context.progress(fraction), {instanceOf: RangeError});
  t.throws(() => later.context.save(new Uint8Array(STATE_BYTES_MAX - 1)), {message: /at most/});
  later.close();
  t.throws(() => later.context.progress(0.7), {message: /over/});
  t.throws(() => later.input.text(), {message: /over/});
  t.deepEqual(saves, []);
});
