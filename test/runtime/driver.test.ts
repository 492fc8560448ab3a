import test from 'ava';
import {asMonoMs, asPeerId, type MonoMs, NEVER} from '../../src/base/types.ts';
import type {Core} from '../../src/core/core.ts';
import {decodeHead, EMPTY_HEAD, HEAD_KEY} from '../../src/core/journal.ts';
import {JournalAudit} from '../../src/core/journal-audit.ts';
import {type Op, put} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {Driver} from '../../src/runtime/driver.ts';
import {
  INBOX_EVENTS_MAX,
  INBOX_EVENTS_PER_PEER_MAX,
  PENDING_OPS_MAX,
  TURN_EVENTS_MAX,
} from '../../src/wire/limits.ts';
import {FakeClock} from './fake-clock.ts';

const crypto = new NodeCrypto();

type Event =
  | {type: 'save'; key: string; count?: number}
  | {type: 'say'; text: string; early?: true}
  | {type: 'both'; key: string; text: string}
  | {type: 'throw'};
type Said = {type: 'said'; text: string; early?: true};
type Saved = {type: 'save'; op: Op};
type Tick = {type: 'tick'};

/** Saves and says what it is told to; endTurn says so when `noisy`. */
class FakeCore implements Core<Event | Tick, Said | Saved> {
  wake: MonoMs = NEVER;
  turns: number[] = [];
  ticks = 0;
  noisy = false;
  #handled = 0;

  handle(event: Event | Tick): (Said | Saved)[] {
    if (event.type === 'tick') {
      this.ticks += 1;
      this.wake = NEVER;
      return [];
    }
    this.#handled += 1;
    switch (event.type) {
      case 'save':
        return Array.from({length: event.count ?? 1}, (_, i) => saved(`${event.key}${i || ''}`));
      case 'say':
        return [{type: 'said', text: event.text, ...(event.early ? {early: true} : {})}];
      case 'both':
        return [{type: 'said', text: event.text}, saved(event.key)];
      case 'throw':
        throw new Error('a broken invariant');
      default:
        return event satisfies never;
    }
  }

  endTurn(): (Said | Saved)[] {
    this.turns.push(this.#handled);
    this.#handled = 0;
    return this.noisy ? [{type: 'said', text: 'end of turn'}] : [];
  }

  wakeAt(): MonoMs {
    return this.wake;
  }

  check(): void {}
}

const saved = (key: string): Saved => ({type: 'save', op: put('node', key, new Uint8Array(1))});

function rigOf() {
  const core = new FakeCore();
  const clock = new FakeClock();
  const said: string[] = [];
  const numbers: number[] = [];
  const commits: (readonly Op[])[] = [];
  const fatal: unknown[] = [];
  let done: ((error?: Error) => void) | undefined;
  let afterTurns = 0;
  const driver = new Driver<Event, Said>({
    core,
    clock,
    crypto,
    head: EMPTY_HEAD,
    store: {
      commit: (ops, callback) => {
        if (done) throw new Error('one commit at a time');
        commits.push(ops);
        done = callback;
      },
    },
    perform: (effect, journalNo) => {
      if (effect.text === 'throw') throw new Error('perform failed');
      said.push(effect.text);
      numbers.push(journalNo);
    },
    fatal: error => fatal.push(error),
    afterTurn: () => {
      afterTurns += 1;
    },
  });
  const commitEnds = (error?: Error): void => {
    const callback = done;
    done = undefined;
    if (!callback) throw new Error('no commit is under way');
    callback(error);
  };
  const keys = (): string[][] =>
    commits.map(ops => ops.filter(op => op.table === 'node').map(op => op.key));
  return {
    core,
    clock,
    driver,
    said,
    numbers,
    commits,
    fatal,
    keys,
    commitEnds,
    committing: () => done !== undefined,
    afterTurns: () => afterTurns,
  };
}

const say = (text: string): Event => ({type: 'say', text});
const save = (key: string): Event => ({type: 'save', key});

test('nothing leaves before its commit', t => {
  const rig = rigOf();
  rig.driver.post({type: 'both', key: 'a', text: 'after a'});
  rig.clock.run();
  t.deepEqual(rig.keys(), [['a']]);
  t.deepEqual(rig.said, []);
  rig.commitEnds();
  t.deepEqual(rig.said, ['after a']);
});

test('what needs no commit leaves at once', t => {
  const rig = rigOf();
  rig.driver.post(say('hello'));
  rig.clock.run();
  t.deepEqual(rig.said, ['hello']);
  t.is(rig.commits.length, 0);
});

test('a later turn without saves waits for the commit of an earlier one', t => {
  const rig = rigOf();
  rig.driver.post({type: 'both', key: 'a', text: '1'});
  rig.clock.run();
  rig.driver.post(say('2'));
  rig.clock.run();
  rig.driver.post(say('3'));
  rig.clock.run();
  t.deepEqual(rig.said, []);
  rig.commitEnds();
  t.deepEqual(rig.said, ['1', '2', '3']);
});

test('turns run on during a commit and gather into the next one', t => {
  const rig = rigOf();
  for (const key of ['a', 'b', 'c']) {
    rig.driver.post({type: 'both', key, text: key});
    rig.clock.run();
  }
  t.deepEqual(rig.keys(), [['a']]);
  t.is(rig.core.turns.length, 3);
  rig.commitEnds();
  t.deepEqual(rig.keys(), [['a'], ['b', 'c']]);
  t.deepEqual(rig.said, ['a']);
  rig.commitEnds();
  t.deepEqual(rig.said, ['a', 'b', 'c']);
  t.true(rig.driver.idle);
});

test('effects are performed with the number of the commit that holds their turn', t => {
  const rig = rigOf();
  for (const key of ['a', 'b']) {
    rig.driver.post({type: 'both', key, text: key});
    rig.clock.run();
  }
  rig.commitEnds();
  rig.commitEnds();
  rig.driver.post(say('c'));
  rig.clock.run();
  t.deepEqual(rig.numbers, [1, 2, 2]);
  t.is(rig.driver.journalNo, 2);
});

test('each commit carries a journal row that follows the one before', t => {
  const rig = rigOf();
  for (const key of ['a', 'b', 'c']) {
    rig.driver.post(save(key));
    rig.clock.run();
    rig.commitEnds();
  }
  const audit = new JournalAudit(crypto);
  let head: Uint8Array | undefined;
  for (const op of rig.commits.flat()) {
    if (op.type !== 'put') continue;
    if (op.table === 'journal') t.true(audit.row(op.key, op.value));
    if (op.table === 'meta' && op.key === HEAD_KEY) head = op.value;
  }
  t.is(audit.end(head).kind, 'good');
  t.is(head && decodeHead(head).journalNo, 3);
});

test('a failed commit is fatal, and nothing leaves', t => {
  const rig = rigOf();
  rig.driver.post({type: 'both', key: 'a', text: '1'});
  rig.clock.run();
  rig.driver.post(say('2'));
  rig.clock.run();
  const error = new Error('disk');
  rig.commitEnds(error);
  t.deepEqual(rig.fatal, [error]);
  t.deepEqual(rig.said, []);
  t.false(rig.driver.post(say('3')));
  rig.clock.run();
  t.deepEqual(rig.said, []);
  t.is(rig.commits.length, 1);
});

test('an exception in the core is fatal, and nothing of its turn leaves', t => {
  const rig = rigOf();
  rig.driver.post(say('before'));
  rig.driver.post({type: 'throw'});
  rig.driver.post(save('after'));
  rig.clock.run();
  t.is(rig.fatal.length, 1);
  t.deepEqual(rig.said, []);
  t.is(rig.commits.length, 0);
});

test('an exception while an effect is performed is fatal, once', t => {
  for (const event of [say('throw'), {type: 'both', key: 'a', text: 'throw'} as const]) {
    const rig = rigOf();
    rig.driver.post(event);
    rig.driver.post(say('next'));
    rig.clock.run();
    if (rig.committing()) rig.commitEnds();
    t.is(rig.fatal.length, 1);
    t.deepEqual(rig.said, []);
  }
});

test('events that come together share a turn, at most 256 of them', t => {
  const rig = rigOf();
  for (let i = 0; i < TURN_EVENTS_MAX + 10; i++) rig.driver.post(say(`${i}`));
  rig.clock.run();
  t.deepEqual(rig.core.turns, [TURN_EVENTS_MAX, 10]);
  t.is(rig.said.length, TURN_EVENTS_MAX + 10);
  t.is(rig.afterTurns(), 2);
});

test('a full inbox drops the newest and says so', t => {
  const rig = rigOf();
  for (let i = 0; i < INBOX_EVENTS_MAX; i++) t.true(rig.driver.post(say(`${i}`)));
  t.false(rig.driver.post(say('too many')));
  rig.clock.run();
  t.is(rig.said.length, INBOX_EVENTS_MAX);
  t.true(rig.driver.post(say('room again')));
});

test('one peer fills its part of the inbox and not that of others', t => {
  const {driver, clock} = rigOf();
  const [loud, calm] = [asPeerId('loud'), asPeerId('calm')];
  const posts = Array.from({length: INBOX_EVENTS_MAX}).filter(() => driver.post(say('x'), loud));
  t.is(posts.length, INBOX_EVENTS_PER_PEER_MAX);
  t.true(driver.post(say('y'), calm));
  t.true(driver.post(say('z')));
  clock.queue.shift()?.();
  const more = Array.from({length: INBOX_EVENTS_MAX}).filter(() => driver.post(say('x'), loud));
  t.is(more.length, TURN_EVENTS_MAX, 'what was taken makes room again');
  clock.run();
  t.true(driver.idle);
  t.true(driver.post(say('x'), loud));
});

test('an event of this process is never dropped: nobody would repeat it', t => {
  const rig = rigOf();
  for (let i = 0; i < INBOX_EVENTS_MAX; i++) rig.driver.post(say(`${i}`));
  t.true(rig.driver.postOwn(say('inputs are read')));
  rig.clock.run();
  t.is(rig.said.at(-1), 'inputs are read');
  rig.driver.stop();
  t.false(rig.driver.postOwn(say('too late')));
});

test('what waits for the disk is bounded: no further turn until the commit ends', t => {
  const rig = rigOf();
  rig.driver.post(save('first'));
  rig.clock.run();
  rig.driver.post({type: 'save', key: 'many', count: PENDING_OPS_MAX + 1});
  rig.clock.run();
  rig.driver.post(say('waits'));
  rig.clock.run();
  t.is(rig.core.turns.length, 2);
  rig.commitEnds();
  rig.clock.run();
  t.is(rig.core.turns.length, 3);
  rig.commitEnds();
  t.deepEqual(rig.said, ['waits']);
});

test('a tick that came due while the disk was behind is not forgotten', t => {
  const rig = rigOf();
  rig.driver.post(save('first'));
  rig.clock.run();
  rig.core.wake = asMonoMs(10);
  rig.driver.post({type: 'save', key: 'many', count: PENDING_OPS_MAX + 1});
  rig.clock.run();
  rig.clock.pass(50);
  rig.commitEnds();
  rig.clock.pass(50);
  rig.commitEnds();
  rig.clock.pass(50);
  t.is(rig.core.ticks, 1);
});

test('the core is given its tick when it asked for it, not before', t => {
  const rig = rigOf();
  rig.core.wake = asMonoMs(100);
  rig.driver.start();
  rig.clock.pass(99);
  t.is(rig.core.ticks, 0);
  rig.clock.pass(1);
  t.is(rig.core.ticks, 1);
  t.is(rig.clock.alarm.at, NEVER);
});

test('the first turn runs without an event', t => {
  const rig = rigOf();
  rig.core.noisy = true;
  rig.driver.start();
  rig.clock.run();
  t.deepEqual(rig.said, ['end of turn']);
});

test('after stop no turn runs, and a commit under way may end', t => {
  const rig = rigOf();
  rig.driver.post(save('a'));
  rig.clock.run();
  rig.driver.post(say('never'));
  rig.driver.stop();
  rig.clock.run();
  rig.commitEnds();
  t.deepEqual(rig.fatal, []);
  t.is(rig.core.turns.length, 1);
});

test('idle says whether anything waits', t => {
  const rig = rigOf();
  t.true(rig.driver.idle);
  rig.driver.post(save('a'));
  t.false(rig.driver.idle);
  rig.clock.run();
  t.false(rig.driver.idle);
  rig.commitEnds();
  t.true(rig.driver.idle);
});

test('a turn that is hurried runs at once, and not again', t => {
  const {core, driver, clock, said} = rigOf();
  driver.hurry();
  t.is(core.turns.length, 0, 'there is nothing to do');
  driver.post(say('now'));
  driver.hurry();
  t.deepEqual(said, ['now']);
  clock.run();
  t.is(core.turns.length, 1);
  driver.post(say('later'));
  clock.run();
  t.deepEqual(said, ['now', 'later']);
});

test('an early effect leaves with its turn, and the rest of the turn waits for the disk', t => {
  const {driver, clock, said, commitEnds} = rigOf();
  driver.post({type: 'both', key: 'a', text: 'after the disk'});
  driver.post({type: 'say', text: 'early', early: true});
  clock.run();
  t.deepEqual(said, ['early']);
  driver.post({type: 'say', text: 'early too', early: true});
  clock.run();
  t.deepEqual(said, ['early', 'early too']);
  commitEnds();
  t.deepEqual(said, ['early', 'early too', 'after the disk']);
});
