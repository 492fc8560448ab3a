import {existsSync} from 'node:fs';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test from 'ava';
import {chromium} from 'playwright-core';
import {asBlobId, asCaptureId, type NodeId} from '../../src/base/types.ts';
import type {SavedFile} from '../../src/cli/capture-manifest.ts';
import {reportOf} from '../../src/cli/capture-report.ts';
import type {CaptureView, ShotRow} from '../../src/core/views.ts';

const AT = 1_700_000_000_000;
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

function rowOf(no: number, changes: Partial<ShotRow> = {}): ShotRow {
  const file = {name: 'x.png', blobId: asBlobId('a'.repeat(64)), size: 2_048, collected: true};
  return {
    ...{nodeId: no.toString(16).padStart(32, '0') as NodeId, name: `cam-${no}`, label: 'ring1'},
    ...{shot: 1, heard: true, verdict: 'fired', reason: '', heardAt: AT, firedAt: AT + 0.5},
    ...{doneAt: AT + 40, lateMs: 0.5, clockBoundMs: 0.2, files: [file]},
    ...{statement: '', signature: ''},
    ...changes,
  };
}

const unfired = {firedAt: 0, lateMs: 0, clockBoundMs: -1, files: []} as const;
const rows = [
  ...Array.from({length: 20}, (_, i) => rowOf(i + 1)),
  rowOf(21, {...unfired, verdict: 'silent', heard: false}),
  rowOf(22, {...unfired, verdict: 'failed', reason: '<img src=x onerror=alert(1)>'}),
  rowOf(23, {firedAt: AT + 2_000, lateMs: 2_000}),
  rowOf(24, {name: '"><script>alert(2)</script>'}),
];
const view: CaptureView = {
  ...{id: asCaptureId(42), action: 'camera', state: 'done', createdAt: AT - 300, shots: 1},
  ...{atWallMs: [AT], rows, spreadMs: [1_999.5]},
};
const files: SavedFile[] = rows
  .filter(({firedAt}) => firedAt > 0)
  .map(({nodeId, shot}, i) => {
    const path = i === 0 ? '1/a #1?.png' : i === 1 ? '1/b.svg' : `1/${nodeId}.png`;
    return {nodeId, shot, path, sha256: 'a'.repeat(64), size: 2_048};
  });
const page = reportOf(view, files);

test('missing and late nodes come first, then who fired when, pictures and table', t => {
  const order = ['Missing and late', 'cam-21', 'never heard of it', 'cam-22', 'fired 2.0 s late'];
  const places = [...order, 'Who fired when', '<svg', '>Files<', 'All of it'].map(text =>
    page.indexOf(text),
  );
  t.false(places.includes(-1), String(places));
  t.deepEqual(
    [...places].sort((a, b) => a - b),
    places,
  );
  t.regex(page, /22 of 24<\/strong><span>fired/);
});

test('what nodes chose is text, and no script runs', t => {
  t.false(/<script|<img src=x|onerror=alert\(1\)>/.test(page.replaceAll('&lt;', '')));
  t.true(page.includes('&lt;script&gt;alert(2)'));
  t.false(/(src|href)="(https?:)?\/\//.test(page));
});

test('files are links, pictures come when they are seen, other files are only downloaded', t => {
  t.true(page.includes('<img loading="lazy" decoding="async" src="1/a%20%231%3F.png"'));
  t.true(page.includes('<a href="1/b.svg" download>'));
});

test('a capture in which all is well says so, and one in which nobody fired has a page too', t => {
  const good = {...view, rows: rows.slice(0, 3)};
  t.regex(reportOf(good, []), /Every node fired, none was late, every file is here/);
  const none = {...view, rows: rows.slice(20, 22)};
  t.regex(reportOf(none, []), /0 of 2<\/strong><span>fired/);
});

test('the page fits a desk and a phone, by day and by night', async t => {
  const executablePath = BROWSERS.find(path => existsSync(path));
  if (executablePath === undefined) {
    t.log('skipped: there is no Chromium here (apt-get install chromium)');
    t.pass();
    return;
  }
  const dir = await mkdtemp(join(tmpdir(), 'volley-report-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  await writeFile(join(dir, 'report.html'), page);
  const browser = await chromium.launch({executablePath, args: ['--no-sandbox']});
  t.teardown(() => browser.close());
  for (const [width, colorScheme] of [
    [1_280, 'light'],
    [390, 'dark'],
  ] as const) {
    const tab = await browser.newPage({viewport: {width, height: 800}, colorScheme});
    const told: string[] = [];
    tab.on('pageerror', error => told.push(String(error)));
    tab.on('dialog', dialog => told.push(dialog.message()));
    await tab.goto(pathToFileURL(join(dir, 'report.html')).href);
    const seen = await tab.evaluate(
      `[document.documentElement.scrollWidth, document.scripts.length, getComputedStyle(document.body).backgroundColor,
        document.querySelector('.strip svg').getBoundingClientRect().width]`,
    );
    const [scroll, scripts, colour, strip] = seen as [number, number, string, number];
    t.true(scroll <= width, `${scroll} of ${width}`);
    t.deepEqual([scripts, told], [0, []]);
    t.is(colour, colorScheme === 'dark' ? 'rgb(15, 19, 24)' : 'rgb(255, 255, 255)');
    t.true(strip > width / 2, `the strip has ${strip} of ${width}`);
    await tab.close();
  }
});
