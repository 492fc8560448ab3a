import test from 'ava';
import type {AccessRow} from '../../src/core/access.ts';
import {AccessBook} from '../../src/http/access-book.ts';
import {crypto, TOKEN} from './rig.ts';

function openBook(rows: readonly AccessRow[] = []) {
  const saved: (readonly AccessRow[])[] = [];
  const book = new AccessBook(crypto, TOKEN, {rows, save: now => void saved.push(now)});
  return {book, saved};
}

test("the owner's token is admin, others have the role they were made with", t => {
  const {book} = openBook();
  t.deepEqual(book.find(TOKEN), {name: 'owner', role: 'admin'});
  const {token} = book.add('read', 'wall', 5);
  t.deepEqual(book.find(token), {name: 'wall', role: 'read'});
  t.is(book.find(token.toUpperCase()), undefined);
  t.is(book.find(''), undefined);
});

test('what is kept of a token is its hash, and it opens after a restart', t => {
  const {book, saved} = openBook();
  const {token} = book.add('operate', 'ada', 5);
  t.regex(token, /^[0-9a-f]{64}$/);
  t.false(JSON.stringify(saved).includes(token));
  t.false(JSON.stringify(book.list()).includes('Hash'));
  t.deepEqual(openBook(saved.at(-1)).book.find(token), {name: 'ada', role: 'operate'});
});

test('a token that was revoked opens nothing, and its name is free again', t => {
  const {book, saved} = openBook();
  const {token} = book.add('admin', 'ada', 5);
  t.deepEqual(book.revoke('ada'), {name: 'ada', role: 'admin', createdAt: 5});
  t.is(book.find(token), undefined);
  t.deepEqual(saved.at(-1), []);
  t.throws(() => book.revoke('ada'), {code: 'VOLLEY_UNKNOWN_ACCESS'});
  t.notThrows(() => book.add('read', 'ada', 6));
});

test('names are checked, used once and bounded in number', t => {
  const {book, saved} = openBook();
  for (const name of ['', 'owner', 'a b', '-a', 'x'.repeat(33), 'a/b', 'ü'])
    t.throws(() => book.add('read', name, 1), {message: /cannot be the name of a token/}, name);
  book.add('read', 'n0', 1);
  t.throws(() => book.add('admin', 'n0', 1), {message: /volley access revoke n0/});
  for (let i = 1; i < 64; i++) book.add('read', `n${i}`, 1);
  t.throws(() => book.add('read', 'n64', 1), {message: /revoke one first/});
  t.throws(() => book.revoke('owner'), {message: /operator\.token/});
  t.is(saved.length, 64);
});

test('a token that could not be saved is not given out', t => {
  const save = (): never => {
    throw new Error('disk full');
  };
  const book = new AccessBook(crypto, TOKEN, {rows: [], save});
  t.throws(() => book.add('read', 'ada', 1), {message: 'disk full'});
  t.deepEqual(book.list(), []);
});
