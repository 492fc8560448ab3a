// access.json in the master's folder: which tokens beside the owner's open the operator interface, by their
// hashes. Written by the running master alone; there is none until the first token is made.

import {join} from 'node:path';
import {toUtf8} from '../base/bytes.ts';
import {type AccessRow, asAccessRow} from '../core/access.ts';
import {damaged, parseObject, readSecret, SECRET_FILE_MODE, writeDurably} from './key-files.ts';

const FORMAT = 1;
export const ACCESS_FILE = 'access.json';
const pathOf = (dir: string): string => join(dir, ACCESS_FILE);

/** Throws VOLLEY_KEY_DAMAGED: a master that lets in fewer than it should must not start in silence. */
export function readAccess(dir: string): readonly AccessRow[] {
  const path = pathOf(dir);
  const bytes = readSecret(path);
  if (bytes === undefined) return [];
  const {format, tokens} = parseObject(path, bytes);
  if (format !== FORMAT) throw damaged(path, `format ${String(format)} is not known here`);
  const rows = Array.isArray(tokens) ? tokens.map(asAccessRow) : [undefined];
  const good = rows.filter(row => row !== undefined);
  const names = new Set(good.map(({name}) => name));
  if (good.length < rows.length || names.size < rows.length)
    throw damaged(path, 'a token in it cannot be read; remove the file and make the tokens anew');
  return good;
}

/** Durable when it returns; the old file stays when it throws. */
export function writeAccess(dir: string, tokens: readonly AccessRow[]): void {
  const text = `${JSON.stringify({format: FORMAT, tokens}, undefined, 2)}\n`;
  writeDurably(pathOf(dir), toUtf8(text), SECRET_FILE_MODE);
}
