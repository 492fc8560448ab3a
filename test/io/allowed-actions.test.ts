import test from 'ava';
import {allowedActions} from '../../src/io/allowed-actions.ts';
import {parseNodeConfig} from '../../src/io/config.ts';

test('the owner names built-in actions as he likes, gives them options, keeps them armed', t => {
  const {actions} = parseNodeConfig(
    '{"actions": {"left": {"use": "camera", "options": ["--camera", "1"], "armed": true}, "own": {"use": "script", "command": ["x"]}}}',
    'x',
  );
  const allowed = allowedActions(actions, {name: 'n', id: 'i'});
  const left = allowed.get('left');
  t.deepEqual(left?.argv.slice(-2), ['--camera', '1']);
  t.regex(left?.argv.at(-3) ?? '', /camera-action/);
  t.true(left?.armed);
  t.deepEqual(allowed.get('own')?.argv, ['x']);
  const refused = (action: string): string => {
    try {
      parseNodeConfig(`{"actions": {"x": ${action}}}`, 'f');
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.regex(refused('{"use": "camra"}'), /did you mean "camera"/);
  t.regex(refused('{"use": "camera", "command": ["x"]}'), /"use" or "command", not both/);
  t.regex(refused('{"use": 7}'), /"use" must be a text/);
  t.regex(refused('{"command": ["x"], "options": []}'), /"options" are for built-in actions/);
  t.regex(refused('{"use": "camera", "options": "x"}'), /"options" must be a list of texts/);
  t.regex(refused('{"use": "camera", "armed": 1}'), /"armed" must be true or false/);
  t.regex(refused('{"command": ["x"], "armed": true}'), /"armed" is for what is "persistent"/);
});

test('the testcard is allowed by default, the camera only when the owner names it', t => {
  const node = {name: 'n', id: 'i'};
  t.deepEqual([...allowedActions(new Map(), node).keys()], ['testcard']);
  const {actions} = parseNodeConfig(
    '{"actions": {"camera": {"timeoutSeconds": 9}, "flash": {"command": ["flash"]}}}',
    'x',
  );
  const allowed = allowedActions(actions, node);
  t.deepEqual([...allowed.keys()], ['testcard', 'camera', 'flash']);
  const camera = allowed.get('camera');
  t.regex(camera?.argv.at(-1) ?? '', /camera-action\.ts$/);
  t.deepEqual(
    {...camera, argv: []},
    {argv: [], persistent: true, timeoutMs: 9_000, extension: 'jpg'},
  );
  t.deepEqual(allowed.get('flash'), {
    argv: ['flash'],
    persistent: false,
    timeoutMs: 30_000,
    extension: 'jpg',
  });
});
