import test from 'ava';
import {asMonoMs, NEVER} from '../../src/base/types.ts';
import {Alarm} from '../../src/runtime/alarm.ts';
import {FakeClock} from './fake-clock.ts';

test('alarms of several channels each ring at their time', t => {
  const clock = new FakeClock();
  const alarm = new Alarm(clock);
  const rung: string[] = [];
  const core = alarm.channel('core');
  const link = alarm.channel('link');
  core.alarmAt(asMonoMs(20), () => rung.push(`core ${clock.mono}`));
  link.alarmAt(asMonoMs(10), () => {
    rung.push(`link ${clock.mono}`);
    link.alarmAt(asMonoMs(30), () => rung.push(`link ${clock.mono}`));
  });
  clock.pass(100);
  t.deepEqual(rung, ['link 10', 'core 20', 'link 30']);
});

test('a new alarm of a channel replaces the one before; NEVER takes it back', t => {
  const clock = new FakeClock();
  const alarm = new Alarm(clock);
  const rung: string[] = [];
  const core = alarm.channel('core');
  core.alarmAt(asMonoMs(10), () => rung.push('old'));
  core.alarmAt(asMonoMs(20), () => rung.push('new'));
  alarm.channel('link').alarmAt(asMonoMs(15), () => rung.push('link'));
  alarm.channel('link').alarmAt(NEVER, () => rung.push('never'));
  clock.pass(100);
  t.deepEqual(rung, ['new']);
});

test('a stopped alarm never rings', t => {
  const clock = new FakeClock();
  const alarm = new Alarm(clock);
  const rung: string[] = [];
  alarm.channel('a').alarmAt(asMonoMs(10), () => rung.push('a'));
  alarm.stop();
  alarm.channel('b').alarmAt(asMonoMs(10), () => rung.push('b'));
  clock.pass(100);
  t.deepEqual(rung, []);
});

test('an alarm that rings late rings all that is due', t => {
  const clock = new FakeClock();
  const alarm = new Alarm(clock);
  const rung: string[] = [];
  alarm.channel('a').alarmAt(asMonoMs(10), () => rung.push('a'));
  alarm.channel('b').alarmAt(asMonoMs(12), () => rung.push('b'));
  alarm.channel('c').alarmAt(asMonoMs(40), () => rung.push('c'));
  clock.mono = 30;
  clock.alarm.ring();
  t.deepEqual(rung, ['a', 'b']);
  t.is(clock.alarm.at, asMonoMs(40));
});
