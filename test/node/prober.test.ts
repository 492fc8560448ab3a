import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {addMono, asMonoMs, asWallMs, type MonoMs} from '../../src/base/types.ts';
import {ClockSync} from '../../src/core/clock-sync.ts';
import {Prober} from '../../src/node/prober.ts';

const WALL = 1_700_000_000_000;

/** Instants of the probes until `untilMs`; each is answered after `roundTripMs`, unless it is lost. */
function probes(prober: Prober, clock: ClockSync, untilMs: number, roundTripMs?: number): number[] {
  const sent: number[] = [];
  for (let now = prober.wakeAt(); now < untilMs; now = prober.wakeAt()) {
    const probe = prober.next(now, clock.boundMs(now));
    if (!probe) continue;
    sent.push(now);
    if (roundTripMs === undefined) continue;
    const wall = asWallMs(WALL + now + roundTripMs / 2);
    const reply = {
      type: 'timeReply',
      nonce: probe.nonce,
      receivedWallMs: wall,
      sentWallMs: wall,
    } as const;
    prober.onReply(reply, addMono(now, roundTripMs), clock);
  }
  return sent;
}

const restsOf = (sent: readonly number[]): number[] =>
  sent.slice(1).map((at, i) => at - (sent[i] ?? 0));

function begun(): {readonly prober: Prober; readonly clock: ClockSync} {
  const prober = new Prober(new Prng(1));
  prober.begin(asMonoMs(0));
  return {prober, clock: new ClockSync()};
}

test('a quick round, then ever more rarely', t => {
  const {prober, clock} = begun();
  const rests = restsOf(probes(prober, clock, 120_000, 0.4));
  t.true(rests.slice(0, 7).every(ms => ms < 50));
  for (const [i, usual] of [1_000, 2_000, 4_000, 8_000, 15_000, 15_000].entries()) {
    const ms = rests[7 + i] ?? 0;
    t.true(ms >= usual / 2 && ms <= usual * 1.5, `${ms} of ${usual}`);
  }
  t.true(rests.length < 18);
  t.true(clock.boundMs(asMonoMs(120_000)) < 1.2, 'the rate is known');
});

test('a clock that is not good enough is asked for more often', t => {
  for (const roundTripMs of [undefined, 20]) {
    const {prober, clock} = begun();
    const rests = restsOf(probes(prober, clock, 20_000, roundTripMs));
    t.true(
      rests.slice(8).every(ms => ms <= 750),
      `${roundTripMs}`,
    );
    t.true(rests.length > 25);
  }
});

test('an answer to another question, or to one that is forgotten, says nothing', t => {
  const {prober, clock} = begun();
  const probe = prober.next(asMonoMs(0), -1);
  const wall = asWallMs(WALL);
  const reply = {
    type: 'timeReply',
    nonce: probe?.nonce ?? 0,
    receivedWallMs: wall,
    sentWallMs: wall,
  } as const;
  const heardAt: MonoMs = asMonoMs(1);
  prober.onReply({...reply, nonce: reply.nonce ^ 1}, heardAt, clock);
  t.false(clock.known);
  prober.forget();
  prober.onReply(reply, heardAt, clock);
  t.false(clock.known);
});
