import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {ROOT} from '../io/runner-rig.ts';
import {type AppRig, openApp} from './app-rig.ts';

let app: AppRig;
test.before(async () => {
  app = await openApp('wordcount');
});
test.after.always(() => app.close());

/** The app's rule with Unicode tables instead of ranges: the same for texts in living scripts. */
function reference(text: string): string {
  const counts = new Map<string, number>();
  const plain = text.replace(/\u2019/g, "'").replace(/[A-Z]/g, letter => letter.toLowerCase());
  for (const [run] of plain.matchAll(/[\p{L}\p{M}\p{Nd}']+/gu)) {
    const word = run.replace(/^'+|'+$/g, '');
    if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([word, count]) => `${word}\t${count}\n`)
    .join('');
}

test.serial('a page of text is counted as the rule says', async t => {
  const text = `It's late; it\u2019s LATE, 'late' \u2013 “spät”, spät, Spät!\nΑβγ привет 42 4x 日本語\t--''--`;
  t.is(String(await app.run(text)), reference(text));
  t.is(String(await app.run("Don't stop. don't\n")), "don't\t2\nstop\t1\n");
});

test.serial('a long real text is counted as the reference counts it', async t => {
  // Licences and readmes that come with our tools: half a megabyte of prose.
  const text = [
    'typescript/ThirdPartyNoticeText.txt',
    'typescript/LICENSE.txt',
    'fastify/README.md',
  ]
    .map(name => readFileSync(join(ROOT, 'node_modules', name), 'utf8'))
    .join('\n');
  t.true(text.length > 50_000);
  t.is(String(await app.run(text)), reference(text));
});

test.serial('nothing comes of nothing', async t => {
  t.is(String(await app.run('')), '');
  t.is(String(await app.run(" .,;' \n")), '');
});

test.serial('many different words are all there, in order', async t => {
  const words = Array.from({length: 60_000}, (_, i) => `w${((i * 7_919) % 60_000).toString(36)}`);
  t.is(String(await app.run(words.join(' '))), reference(words.join(' ')));
});

test.serial('a word is cut after 64 bytes, at a character', async t => {
  t.is(String(await app.run('x'.repeat(1_000))), `${'x'.repeat(64)}\t1\n`);
  t.is(String(await app.run(`y${'ä'.repeat(100)}`)), `y${'ä'.repeat(31)}\t1\n`);
});

test.serial('tables one after the other are reduced to the table of their sums', async t => {
  const texts = ['to be or not', "to be, don't", '', 'ä or Ä'];
  const tables: string[] = [];
  for (const text of texts) tables.push(String(await app.run(text)));
  t.is(String(await app.run(tables.join(''), ['reduce'])), reference(texts.join('\n')));
  t.is(String(await app.run('a\t4294967294\na\t1\n', ['reduce'])), 'a\t4294967295\n');
});

test.serial('what is no table is not reduced', async t => {
  for (const bad of ['word', 'word\n', 'word\t\n', '\t5\n', 'word\t5', 'word\t99999999999\n'])
    await t.throwsAsync(app.run(bad, ['reduce']), {message: /a word, a tab and a count/}, bad);
  await t.throwsAsync(app.run('a\t4294967295\na\t1\n', ['reduce']), {message: /4,294,967,295/});
});
