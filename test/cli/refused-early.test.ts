// What a command line says twice or not at all is refused before any master is asked.

import test from 'ava';
import {captureSettingsCommand} from '../../src/cli/capture-settings.ts';
import {type CommandSpec, Given} from '../../src/cli/command.ts';
import {rigExportCommand} from '../../src/cli/rig-export.ts';

/** Nobody has a cluster there. */
const NOWHERE = ['data', ['/nonexistent/volley']] as const;

const why = (spec: CommandSpec, args: readonly string[], values: Record<string, string> = {}) => {
  const given = Object.entries(values).map(([name, text]) => [name, [text]] as const);
  return spec.run(new Given(args, new Map([NOWHERE, ...given]))).then(
    () => 'it ran',
    (error: {code: string; message: string}) => `${error.code} ${error.message}`,
  );
};

test('a setting that is given twice', async t => {
  const twice = ['camera', 'gain=1', 'shutter=5', 'gain=2'];
  t.is(
    await why(captureSettingsCommand, twice),
    'VOLLEY_USAGE "gain" is given twice: which is it?',
  );
  t.notRegex(await why(captureSettingsCommand, ['camera', 'gain=1', 'shutter=1']), /twice/);
});

test('a file without a name', async t => {
  const refused = await why(rigExportCommand, [], {out: ''});
  t.is(refused, 'VOLLEY_USAGE --out needs the name of a file; without it the rig is printed');
  t.notRegex(await why(rigExportCommand, [], {out: 'rig.yml'}), /needs the name/);
});
