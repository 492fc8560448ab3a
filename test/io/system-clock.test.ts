import test from 'ava';
import {addMono, asMonoMs, asWallMs, NEVER} from '../../src/base/types.ts';
import {every, isoTime, SystemClock} from '../../src/io/system-clock.ts';

const rings = (clock: SystemClock, ms: number): Promise<number> => {
  const at = addMono(clock.now().mono, ms);
  return new Promise(resolve => clock.alarmAt(at, () => resolve(clock.now().mono - at)));
};
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

test('an alarm never rings early', async t => {
  const clock = new SystemClock();
  for (let i = 0; i < 60; i++) {
    const late = await rings(clock, (i % 12) + i / 61);
    t.true(late >= 0, `${late} ms`);
    t.true(late < 200, `${late} ms`);
  }
});

test('an alarm of the past rings at once, but after the call', async t => {
  const clock = new SystemClock();
  let returned = false;
  const rung = new Promise<boolean>(resolve => {
    clock.alarmAt(asMonoMs(-5), () => resolve(returned));
  });
  returned = true;
  t.true(await rung);
});

test('a new alarm replaces the one before, earlier or later, and NEVER takes it back', async t => {
  const clock = new SystemClock();
  const {mono} = clock.now();
  const heard: string[] = [];
  clock.alarmAt(addMono(mono, 10), () => heard.push('first'));
  clock.alarmAt(addMono(mono, 40), () => heard.push('later'));
  await sleep(80);
  clock.alarmAt(addMono(mono, 10_000), () => heard.push('far'));
  clock.alarmAt(addMono(mono, 100), () => heard.push('sooner'));
  await sleep(60);
  clock.alarmAt(addMono(clock.now().mono, 5), () => heard.push('never'));
  clock.alarmAt(NEVER, () => heard.push('never'));
  await sleep(30);
  t.deepEqual(heard, ['later', 'sooner']);
});

test('an alarm in a month does not ring now', async t => {
  const clock = new SystemClock();
  clock.alarmAt(addMono(clock.now().mono, 40 * 86_400_000), () => t.fail());
  await sleep(20);
  clock.close();
  t.pass();
});

test('a ring may set the next alarm', async t => {
  const clock = new SystemClock();
  let count = 0;
  await new Promise<void>(resolve => {
    const ring = (): void => {
      count++;
      if (count === 5) resolve();
      else clock.alarmAt(addMono(clock.now().mono, 1), ring);
    };
    clock.alarmAt(clock.now().mono, ring);
  });
  t.is(count, 5);
});

test('soon runs after what is going on now', async t => {
  const clock = new SystemClock();
  const order: string[] = [];
  const ran = new Promise<void>(resolve => {
    clock.soon(() => {
      order.push('soon');
      resolve();
    });
  });
  await Promise.resolve().then(() => order.push('now'));
  await ran;
  t.deepEqual(order, ['now', 'soon']);
});

test('wall is the time of day with fractions, and runs with mono', t => {
  const clock = new SystemClock();
  const first = clock.now();
  t.true(Math.abs(first.wall - Date.now()) < 60);
  const second = clock.now();
  t.true(Math.abs(second.wall - first.wall - (second.mono - first.mono)) < 0.001);
  t.true(second.mono >= first.mono);
});

test.serial('wall follows when the system clock is set', t => {
  const clock = new SystemClock();
  const realNow = Date.now;
  const before = clock.now();
  Date.now = () => realNow() + 3_600_000;
  try {
    const after = clock.now();
    t.true(Math.abs(after.wall - before.wall - 3_600_000) < 100);
    t.true(after.mono - before.mono < 100);
  } finally {
    Date.now = realNow;
  }
  t.true(Math.abs(clock.now().wall - Date.now()) < 100);
});

test('every calls again and again until it is ended', async t => {
  let calls = 0;
  const end = every(5, () => calls++);
  while (calls < 2) await sleep(5); // the test's own timeout is the limit
  end();
  const then = calls;
  await sleep(30);
  t.is(calls, then);
});

test('times are written in ISO 8601', t => {
  t.is(isoTime(asWallMs(1_795_209_125_123.7)), '2026-11-20T21:12:05.123Z');
});
