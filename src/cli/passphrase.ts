// The passphrase of the offline vault: from a file, the environment, or the terminal without echo. Never
// from an option's value: those can be seen by every process of the machine.

import {readFileSync} from 'node:fs';
import {VolleyError} from '../base/errors.ts';
import type {Given, OptionSpec} from './command.ts';
import {usage} from './command.ts';

export const PASSPHRASE_FILE: OptionSpec = {
  flag: '--passphrase-file <file>',
  text: 'read the passphrase of the vault from the first line of this file',
};

const CHARACTERS_MIN = 8;

/** The passphrase in --passphrase-file or VOLLEY_PASSPHRASE; undefined when neither is given. */
export function readPassphraseFile(given: Given): string | undefined {
  const path = given.text('passphrase-file');
  const text = path === undefined ? process.env['VOLLEY_PASSPHRASE'] : firstLine(path);
  if (text === undefined || (path === undefined && text === '')) return undefined;
  return longEnough(text);
}

/** The passphrase in --new-passphrase-file; undefined when it is not given. */
export function readNewPassphrase(given: Given): string | undefined {
  const path = given.text('new-passphrase-file');
  return path === undefined ? undefined : longEnough(firstLine(path));
}

function longEnough(text: string): string {
  if (text.length < CHARACTERS_MIN)
    throw usage(`a passphrase has at least ${CHARACTERS_MIN} characters`);
  return text;
}

function firstLine(path: string): string {
  try {
    return (readFileSync(path, 'utf8').split('\n')[0] ?? '').trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path, reason}, error);
  }
}

/** Asks on the terminal when neither file nor environment gives it. */
export async function passphraseFor(given: Given, what: string): Promise<string> {
  const known = readPassphraseFile(given);
  if (known !== undefined) return known;
  if (!process.stdin.isTTY)
    throw usage(`the passphrase of ${what} is needed: give --passphrase-file or VOLLEY_PASSPHRASE`);
  return promptHidden(`Passphrase of ${what}: `);
}

async function promptHidden(question: string): Promise<string> {
  const {createInterface} = await import('node:readline');
  const {Writable} = await import('node:stream');
  // readline echoes what is typed to its output: this one swallows it.
  const output = new Writable({write: (_chunk, _encoding, done) => done()});
  const lines = createInterface({input: process.stdin, output, terminal: true});
  process.stderr.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('SIGINT', () => reject(usage('no passphrase was given')));
      lines.once('close', () => reject(usage('no passphrase was given')));
    });
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
