// When a master sweeps: on a clock that a test sets. The sweep itself is in blob-sweep.test.ts.

import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {asMonoMs, asWallMs, type Now} from '../../src/base/types.ts';
import {DAY_MS, HOUR_MS, MIB, MINUTE_MS, SECOND_MS} from '../../src/base/units.ts';
import type {Note} from '../../src/core/core.ts';
import type {Unnamed} from '../../src/io/blob-claims.ts';
import type {SweepReport} from '../../src/io/blob-sweep.ts';
import {BlobSweeper, type SweepTurn} from '../../src/io/blob-sweeper.ts';

const WALL = Date.UTC(2026, 10, 22);
const none = {blobs: 0, bytes: 0};
const NOTHING: SweepReport = {
  referenced: none,
  young: none,
  deleted: none,
  failed: {blobs: 0, reason: ''},
};

class Rig {
  mono = 1_000;
  /** How far the wall clock was set, or the machine slept. */
  stepMs = 0;
  held: string | undefined;
  unnamed: Unnamed = {count: 0, bytes: 0};
  sweeps = 0;
  answer: (turn: SweepTurn) => Promise<SweepReport> = async () => NOTHING;
  readonly notes: Note[] = [];
  readonly fatal: unknown[] = [];
  readonly sweeper: BlobSweeper;

  constructor() {
    this.sweeper = new BlobSweeper({
      clock: {now: () => this.now()},
      journal: {note: note => this.notes.push(note)},
      sweep: turn => {
        this.sweeps += 1;
        return this.answer(turn);
      },
      heldBack: () => this.held,
      unnamed: () => this.unnamed,
      fatal: error => this.fatal.push(error),
    });
  }

  now(): Now {
    return {mono: asMonoMs(this.mono), wall: asWallMs(WALL + this.mono + this.stepMs)};
  }

  /** Looks after so long; answers how many sweeps there were since. */
  async after(ms: number): Promise<number> {
    const before = this.sweeps;
    this.mono += ms;
    await this.sweeper.look();
    return this.sweeps - before;
  }
}

test('the first sweep comes some minutes after the start, the next ones a day apart at least', async t => {
  const rig = new Rig();
  rig.answer = async () => ({...NOTHING, young: {blobs: 1, bytes: 5}});
  t.is(await rig.after(4 * MINUTE_MS), 0);
  t.is(await rig.after(2 * MINUTE_MS), 1);
  t.is(await rig.after(DAY_MS - MINUTE_MS), 0);
  t.is(await rig.after(MINUTE_MS), 1, 'young ones were left');
  t.is(await rig.after(9 * DAY_MS), 1);
  t.deepEqual(rig.notes, [], 'nothing was deleted, so nothing is told');
  await rig.sweeper.close();
});

test('when nothing was left there is none before a batch is deleted, and then one a day after too', async t => {
  const rig = new Rig();
  t.is(await rig.after(HOUR_MS), 1);
  t.is(await rig.after(9 * DAY_MS), 0);
  rig.sweeper.noteDeleted();
  t.is(await rig.after(MINUTE_MS), 1);
  t.is(await rig.after(DAY_MS), 1, 'its rows may not have been gone by the first');
  t.is(await rig.after(9 * DAY_MS), 0);
  await rig.sweeper.close();
});

test('a deletion under way when a sweep begins counts for the next one', async t => {
  const rig = new Rig();
  rig.answer = async () => {
    rig.sweeper.noteDeleted();
    return NOTHING;
  };
  t.is(await rig.after(HOUR_MS), 1);
  rig.answer = async () => NOTHING;
  t.is(await rig.after(DAY_MS), 1);
  t.is(await rig.after(2 * DAY_MS), 0);
  await rig.sweeper.close();
});

test('what went is one line, what stayed against its will another', async t => {
  const rig = new Rig();
  rig.answer = async () => ({
    ...NOTHING,
    deleted: {blobs: 3, bytes: 7_000},
    failed: {blobs: 1, reason: 'EIO'},
  });
  await rig.after(HOUR_MS);
  t.deepEqual(rig.notes, [
    {level: 'info', what: 'blobs that nothing names are deleted', fields: {blobs: 3, bytes: 7_000}},
    {level: 'warn', what: 'blobs cannot be deleted', fields: {blobs: 1, reason: 'EIO'}},
  ]);
  t.is(await rig.after(DAY_MS), 1, 'it is tried again');
  await rig.sweeper.close();
});

test('a file that cannot be read is told, a damaged row ends the process', async t => {
  const rig = new Rig();
  rig.answer = () => Promise.reject(new Error('EACCES: permission denied'));
  await rig.after(HOUR_MS);
  t.like(rig.notes, [
    {level: 'warn', what: 'blobs cannot be swept', fields: {reason: 'EACCES: permission denied'}},
  ]);
  t.deepEqual(rig.fatal, []);
  const damage = new VolleyError('VOLLEY_STORE_DAMAGED', {reason: 'row batch/1'});
  rig.answer = () => Promise.reject(damage);
  t.is(await rig.after(DAY_MS), 1);
  t.deepEqual(rig.fatal, [damage]);
  await rig.sweeper.close();
});

test('never are there two at once, and none goes on when the master ends', async t => {
  const rig = new Rig();
  let parts = 0;
  rig.answer = async ({rest}) => {
    for (;;) {
      parts += 1;
      await rest();
    }
  };
  rig.mono += 2 * DAY_MS;
  const first = rig.sweeper.look();
  rig.mono += 2 * DAY_MS;
  const second = rig.sweeper.look();
  await rig.sweeper.close();
  await Promise.all([first, second]);
  t.is(rig.sweeps, 1);
  const before = parts;
  t.true(before > 0);
  t.is(await rig.after(9 * DAY_MS), 0, 'and none begins');
  t.is(parts, before);
  t.deepEqual(rig.notes, []);
});

test('a wall clock that is set forward, or a machine that slept, makes nothing old', async t => {
  const rig = new Rig();
  const seen: number[] = [];
  rig.answer = async ({now}) => {
    seen.push(now() - WALL);
    rig.stepMs = 400 * DAY_MS;
    seen.push(now() - WALL);
    rig.stepMs = -DAY_MS;
    seen.push(now() - WALL);
    return NOTHING;
  };
  await rig.after(HOUR_MS);
  const mono = HOUR_MS + 1_000;
  t.deepEqual(seen, [mono, mono, mono - DAY_MS]);
  await rig.sweeper.close();
});

test('what holds sweeps back is told once, and they begin when it is gone', async t => {
  const rig = new Rig();
  rig.held = 'store.damaged-20261122T101500';
  t.is(await rig.after(HOUR_MS), 0);
  t.is(await rig.after(HOUR_MS), 0);
  t.deepEqual(rig.notes, [
    {level: 'info', what: 'blobs stay', fields: {reason: 'store.damaged-20261122T101500'}},
  ]);
  rig.held = undefined;
  t.is(await rig.after(MINUTE_MS), 1);
  await rig.sweeper.close();
});

test('much that went with its rows does not wait for the day, yet half a minute from sweep to sweep', async t => {
  const rig = new Rig();
  t.is(await rig.after(HOUR_MS), 1);
  rig.unnamed = {count: 9, bytes: 64 * MIB - 1};
  t.is(await rig.after(HOUR_MS), 0);
  rig.unnamed = {count: 9, bytes: 64 * MIB};
  t.is(await rig.after(0), 1);
  t.is(await rig.after(29 * SECOND_MS), 0);
  t.is(await rig.after(SECOND_MS), 1);
  rig.unnamed = {count: 9, bytes: 6 * MIB};
  rig.sweeper.see({freeBytes: 61 * MIB, floorBytes: MIB});
  t.is(await rig.after(HOUR_MS), 0);
  rig.sweeper.see({freeBytes: 60 * MIB, floorBytes: MIB});
  t.is(await rig.after(0), 1, 'a tenth of what is free');
  rig.unnamed = {count: 32_768, bytes: 0};
  t.is(await rig.after(HOUR_MS), 1, 'many small ones');
  await rig.sweeper.close();
});

test('when room is short, sweeps come in seconds if something went, else in minutes, and not if nothing is left', async t => {
  const rig = new Rig();
  const needs: number[] = [];
  const left: SweepReport = {...NOTHING, young: {blobs: 1, bytes: 5}};
  rig.answer = async ({needBytes}) => {
    needs.push(needBytes);
    return left;
  };
  rig.sweeper.see({freeBytes: 20, floorBytes: 10});
  t.is(await rig.after(MINUTE_MS), 0, 'that is not short');
  rig.sweeper.see({freeBytes: 19, floorBytes: 10});
  t.is(await rig.after(MINUTE_MS), 0, 'nothing went, and what is left may be young');
  rig.unnamed = {count: 1, bytes: 0};
  t.is(await rig.after(0), 1);
  t.is(await rig.after(1_999), 0);
  t.is(await rig.after(1), 1);
  rig.unnamed = {count: 0, bytes: 0};
  t.is(await rig.after(5 * MINUTE_MS - 1), 0);
  rig.answer = async () => NOTHING;
  t.is(await rig.after(1), 1);
  t.is(await rig.after(HOUR_MS), 0);
  t.deepEqual(needs, [6, 6]);
  await rig.sweeper.close();
});

test('on a disk that is short of room a long sweep has a long pause behind it, and half a minute at most', async t => {
  const rig = new Rig();
  rig.unnamed = {count: 1, bytes: 0};
  rig.sweeper.see({freeBytes: 1, floorBytes: 10});
  for (const [tookMs, pauseMs] of [
    [SECOND_MS, 10 * SECOND_MS],
    [HOUR_MS, 30 * SECOND_MS],
  ] as const) {
    rig.answer = async () => {
      rig.mono += tookMs;
      return NOTHING;
    };
    t.is(await rig.after(0), 1);
    t.is(await rig.after(pauseMs - 1), 0);
    rig.mono += 1;
  }
  await rig.sweeper.close();
});

test('what a sweep waits for does not keep the process from ending', async t => {
  const rig = new Rig();
  rig.answer = async ({unlessEnded}) => {
    t.is(await unlessEnded(Promise.resolve(7)), 7);
    await unlessEnded(new Promise(() => {}));
    return NOTHING;
  };
  rig.mono += HOUR_MS;
  const looked = rig.sweeper.look();
  await rig.sweeper.close();
  await looked;
  t.is(rig.sweeps, 1);
  t.deepEqual(rig.notes, []);
});
