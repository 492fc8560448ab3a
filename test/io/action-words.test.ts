import test from 'ava';
import {asWallMs} from '../../src/base/types.ts';
import {NO_INFO, readSaid, settingsLine, shotLine, timedLine} from '../../src/io/action-words.ts';

test('each word of a program is read with what belongs to it', t => {
  t.deepEqual(readSaid('ready'), {word: 'ready'});
  t.deepEqual(readSaid('error no camera, is it plugged in?'), {
    word: 'error',
    reason: 'no camera, is it plugged in?',
  });
  t.deepEqual(readSaid('error'), {word: 'error', reason: 'the action gave no reason'});
  t.deepEqual(readSaid('fired 42-1 1763672400123.25'), {
    word: 'fired',
    shot: '42-1',
    atWall: 1_763_672_400_123.25,
    atKernel: Number.NaN,
  });
  t.like(readSaid('fired 42-1 1763672400123.25 77.5'), {atKernel: 77.5});
  t.deepEqual(readSaid('done 42-1 a,b'), {word: 'done', shot: '42-1', files: ['a', 'b']});
  t.deepEqual(readSaid('done 42-1'), {word: 'done', shot: '42-1', files: []});
  t.deepEqual(readSaid('failed settings no such name'), {
    word: 'failed',
    shot: 'settings',
    reason: 'no such name',
  });
  t.deepEqual(readSaid('settings {"gain":"2"}'), {word: 'settings', settings: {gain: '2'}});
  for (const noise of ['', 'hello', 'READY', 'settings', 'settings []', 'settings {"gain":2}'])
    t.is(readSaid(noise), undefined, noise);
});

test('of an info only what makes sense was said', t => {
  const info = (json: string) => {
    const said = readSaid(`info ${json}`);
    return said?.word === 'info' ? said.info : undefined;
  };
  t.deepEqual(info('{}'), NO_INFO);
  t.deepEqual(
    info(
      '{"model":"imx708","warmUpMs":900,"sensorPeriodMs":33.3,"settings":["gain"],"preview":true,"timed":true}',
    ),
    {
      model: 'imx708',
      warmUpMs: 900,
      sensorPeriodMs: 33.3,
      settings: ['gain'],
      preview: true,
      timed: true,
    },
  );
  t.deepEqual(
    info(
      '{"model":7,"warmUpMs":-1,"sensorPeriodMs":1e9,"settings":[1,"a"],"preview":"yes","timed":1}',
    ),
    {...NO_INFO, settings: ['a']},
  );
  t.is(info('{"model": "half'), undefined);
  t.is(info('null'), undefined);
  t.is(info(`{"model":"${'x'.repeat(99)}"}`)?.model.length, 64);
});

test('a shot is one line, its arguments a JSON list', t => {
  const job = {shot: '42-1', file: '42-1.jpg', askedWall: asWallMs(1.25), args: []};
  t.is(shotLine('fire', job), 'fire 42-1 42-1.jpg 1.250\n');
  t.is(shotLine('preview', {...job, args: ['a b\n']}), 'preview 42-1 42-1.jpg 1.250 ["a b\\n"]\n');
  t.is(
    timedLine({...job, args: ['a']}, {wall: 2, kernel: 3.5}),
    'fireat 42-1 42-1.jpg 1.250 2.000 3.500 ["a"]\n',
  );
  t.is(settingsLine({gain: '2'}), 'settings {"gain":"2"}\n');
});
