// report.html beside the files of a capture: one page that needs nothing but the files, runs no script, and
// fits a phone. Who is missing or late comes first, then who fired when, how far apart, and the pictures.
// Everything that a node chose (names, labels, reasons) is text here and never markup.

import {extname} from 'node:path';
import {compareNames, harmless} from '../base/text.ts';
import {
  actionOf,
  isLate,
  LATE_MS,
  missingIn,
  quantile,
  spreadsOf,
  tallyOf,
  WHY_MISSING,
} from '../core/capture-tally.ts';
import type {CaptureView, ShotRow} from '../core/views.ts';
import type {SavedFile} from './capture-manifest.ts';
import {stripOf} from './capture-strip.ts';
import {counted, duration, grouped, instant, millis} from './output.ts';

/** What browsers show as a picture, and what no node can hide a script in; the rest is only downloaded. */
const PICTURES = new Set(['.png', '.jpg', '.jpeg', '.gif', '.webp', '.avif', '.bmp']);
/** Strips of later shots would only make the page heavy: the table has all of them. */
const STRIPS_MAX = 24;

export function reportOf(view: CaptureView, files: readonly SavedFile[]): string {
  const rows = [...view.rows].sort((a, b) => a.shot - b.shot || compareNames(a.name, b.name));
  const title = `Capture ${view.id}: ${view.action}`;
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${html(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    `<header><h1>${html(title)}</h1><p>${html(whenOf(view))}</p></header>`,
    '<main>',
    figuresOf(view),
    troubleOf(view, rows),
    strips(view, rows),
    spreads(view),
    sheet(rows, files),
    tableOf(view, rows, files),
    '</main>',
    '<footer><p>What is proven of this page: <code>volley capture verify</code> holds the files and ' +
      'statements of <a href="manifest.json">manifest.json</a> against the signatures of the nodes.</p></footer>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Any text as text. */
export const html = (text: string): string =>
  harmless(text).replace(/[&<>"']/g, character => ENTITIES[character] ?? '');

/** A path inside the folder as a link. */
const linkOf = (path: string): string => html(path.split('/').map(encodeURIComponent).join('/'));

function whenOf({createdAt, shots, atWallMs}: CaptureView): string {
  const at = atWallMs[0] ?? 0;
  const how = at > 0 ? 'at one instant' : 'on hearing';
  return `${instant(at > 0 ? at : createdAt)} UTC, ${counted(shots, 'shot')}, fired ${how}`;
}

function figuresOf(view: CaptureView): string {
  const tally = tallyOf(view);
  const late = view.rows.filter(({firedAt}) => firedAt > 0).map(({lateMs}) => lateMs);
  late.sort((a, b) => a - b);
  const bounds = view.rows.map(({clockBoundMs}) => clockBoundMs).filter(bound => bound >= 0);
  const spread = spreadsOf(view)
    .filter(({spreadMs}) => spreadMs >= 0)
    .sort((a, b) => b.spreadMs - a.spreadMs)[0];
  const figures: [string, string, string][] = [
    [
      `${grouped(tally.fired)} of ${grouped(tally.asked)}`,
      'fired',
      tally.fired < tally.asked ? 'bad' : '',
    ],
    [grouped(tally.late), `late by more than ${LATE_MS} ms`, tally.late > 0 ? 'poor' : ''],
    [
      spread ? `${millis(spread.spreadMs)} ms` : '–',
      spread ? `widest spread, ± ${millis(spread.boundMs)} ms` : 'no spread',
      '',
    ],
    [
      late.length > 0 ? `${millis(quantile(late, 0.5))} ms` : '–',
      late.length > 0
        ? `late at p50; p99 ${millis(quantile(late, 0.99))}, most ${millis(quantile(late, 1))} ms`
        : 'no lateness',
      '',
    ],
    [
      bounds.length > 0 ? `± ${millis(Math.max(...bounds))} ms` : '–',
      'the least certain clock',
      '',
    ],
    [
      `${grouped(tally.collected)} of ${grouped(tally.files)}`,
      'files here',
      tally.collected < tally.files ? 'bad' : '',
    ],
  ];
  const cells = figures.map(
    ([value, what, tone]) =>
      `<li${tone && ` class="${tone}"`}><strong>${html(value)}</strong><span>${html(what)}</span></li>`,
  );
  return `<ul class="figures">${cells.join('')}</ul>`;
}

/** Missing and late nodes. */
function troubleOf({shots}: CaptureView, rows: readonly ShotRow[]): string {
  const missing = missingIn(rows).map(({name, nodeId, why, reason, shots: of}) => {
    const which = shots > 1 ? ` (shot ${of.join(', ')})` : '';
    const told = reason === '' ? WHY_MISSING[why] : `${WHY_MISSING[why]}: ${reason}`;
    return `<li class="bad"><b>${html(name || nodeId)}</b>${html(which)} ${html(told)}</li>`;
  });
  const late = rows.filter(isLate).sort((a, b) => b.lateMs - a.lateMs);
  const lateItems = late.map(({name, nodeId, shot, lateMs}) => {
    const which = shots > 1 ? ` (shot ${shot})` : '';
    return `<li class="poor"><b>${html(name || nodeId)}</b>${which} fired ${html(duration(lateMs))} late</li>`;
  });
  const gone = rows.flatMap(({name, nodeId, shot, files}) =>
    files
      .filter(({collected}) => !collected)
      .map(
        file =>
          `<li class="bad"><b>${html(name || nodeId)}</b> ${html(`shot ${shot}: ${file.name} was not brought`)}</li>`,
      ),
  );
  const items = [...missing, ...lateItems, ...gone];
  return items.length === 0
    ? '<p class="good">Every node fired, none was late, every file is here.</p>'
    : `<section><h2>Missing and late</h2><ul class="trouble">${items.join('')}</ul></section>`;
}

function strips({shots, atWallMs}: CaptureView, rows: readonly ShotRow[]): string {
  const shown = Math.min(shots, STRIPS_MAX);
  const parts = Array.from({length: shown}, (_, k) => {
    const ofShot = rows.filter(({shot}) => shot === k + 1);
    const from = (atWallMs[k] ?? 0) > 0 ? 'after the instant' : 'after the first';
    const head = `<summary>Shot ${k + 1}: ms ${from}</summary>`;
    return `<details${k === 0 ? ' open' : ''}>${head}${stripOf(ofShot, html)}</details>`;
  });
  const more = shown < shots ? `<p>Shots after ${shown} are in the table.</p>` : '';
  const key =
    '<p class="key">A dot is when a node fired, the line through it how far its clock may be off.</p>';
  return `<section><h2>Who fired when</h2>${key}${parts.join('')}${more}</section>`;
}

function spreads(view: CaptureView): string {
  if (view.shots < 2) return '';
  const lines = spreadsOf(view).map(({shot, fired, spreadMs, boundMs}) => {
    const told = spreadMs < 0 ? '–' : `${millis(spreadMs)} ± ${millis(boundMs)}`;
    return `<tr><td>${shot}</td><td>${grouped(fired)}</td><td>${told}</td></tr>`;
  });
  return `<section><h2>Spread of each shot</h2><div class="wide"><table><thead><tr><th>shot</th><th>fired</th><th>spread ms</th></tr></thead><tbody>${lines.join('')}</tbody></table></div></section>`;
}

/** The pictures, each a link to its file. */
function sheet(rows: readonly ShotRow[], files: readonly SavedFile[]): string {
  const by = new Map(rows.map(row => [`${row.nodeId}/${row.shot}`, row]));
  const cards = files.map(({nodeId, shot, path, size}) => {
    const row = by.get(`${nodeId}/${shot}`);
    const name = html(row?.name || nodeId);
    const isPicture = PICTURES.has(extname(path).toLowerCase());
    const face = isPicture
      ? `<img loading="lazy" decoding="async" src="${linkOf(path)}" alt="${name}, shot ${shot}">`
      : `<span class="file">${html(extname(path).slice(1) || 'file')}</span>`;
    const late = row ? `${millis(row.lateMs)} ms` : '';
    const told = `<b>${name}</b> shot ${shot} · ${late} · ${grouped(Math.ceil(size / 1_024))} KiB`;
    const how = isPicture ? '' : ' download';
    return `<figure><a href="${linkOf(path)}"${how}>${face}</a><figcaption>${told}</figcaption></figure>`;
  });
  if (cards.length === 0) return '';
  return `<section><h2>Files</h2><div class="sheet">${cards.join('')}</div></section>`;
}

/** Of several actions with its own. */
const shotName = (view: CaptureView, {shot}: ShotRow): string =>
  view.steps ? `${shot} ${html(actionOf(view, shot))}` : String(shot);

function tableOf(view: CaptureView, rows: readonly ShotRow[], files: readonly SavedFile[]): string {
  const paths = new Map<string, string[]>();
  for (const {nodeId, shot, path} of files) {
    const key = `${nodeId}/${shot}`;
    const how = PICTURES.has(extname(path).toLowerCase()) ? '' : ' download';
    const link = `<a href="${linkOf(path)}"${how}>${html(path)}</a>`;
    paths.set(key, [...(paths.get(key) ?? []), link]);
  }
  const lines = rows.map(row => {
    const tone = row.verdict === 'fired' ? (isLate(row) ? 'poor' : '') : 'bad';
    const cells = [
      html(row.name || row.nodeId),
      html(row.label),
      shotName(view, row),
      html(row.verdict) + (row.reason === '' ? '' : `: ${html(row.reason)}`),
      row.firedAt > 0 ? millis(row.lateMs) : '–',
      row.clockBoundMs < 0 ? '–' : millis(row.clockBoundMs),
      (paths.get(`${row.nodeId}/${row.shot}`) ?? []).join('<br>') || '–',
    ];
    return `<tr${tone && ` class="${tone}"`}>${cells.map(cell => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const heads = ['node', 'label', 'shot', 'verdict', 'late ms', 'clock ± ms', 'files'];
  const head = heads.map(text => `<th>${text}</th>`).join('');
  return `<section><h2>All of it</h2><div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${lines.join('\n')}</tbody></table></div></section>`;
}

const STYLE = `
:root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;--mark:#0a58ca;--bad:#b42318;--badcard:#fdecea;--poor:#8a5300;--poorcard:#fff4e0;--good:#1a7f37}
@media (prefers-color-scheme:dark){:root{--page:#0f1318;--ink:#e6edf3;--soft:#9aa7b4;--line:#30363d;--card:#181d24;--mark:#6cb0ff;--bad:#ff8a80;--badcard:#3a1613;--poor:#f2b85c;--poorcard:#33260d;--good:#56d27a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:75rem;padding:1rem;background:var(--page);color:var(--ink);font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.8rem 0 .6rem}
header p,footer p,.key,figcaption{color:var(--soft);margin:.2rem 0}
footer{margin-top:2rem;border-top:1px solid var(--line);font-size:.9rem}
a{color:var(--mark)}
.figures{list-style:none;margin:1rem 0;padding:0;display:grid;gap:.6rem;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr))}
.figures li{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
.figures strong{display:block;font-size:1.3rem}.figures span{color:var(--soft);font-size:.85rem}
.bad strong,tr.bad td:nth-child(4){color:var(--bad)}.poor strong,tr.poor td:nth-child(5){color:var(--poor)}
.trouble{list-style:none;margin:0;padding:0;display:grid;gap:.4rem}
.trouble li{border-left:.3rem solid;border-radius:.2rem;padding:.35rem .7rem}
.trouble .bad{border-color:var(--bad);background:var(--badcard)}.trouble .poor{border-color:var(--poor);background:var(--poorcard)}
.good{color:var(--good);font-weight:600}
details{margin:.4rem 0}summary{cursor:pointer;padding:.3rem 0}
.strip{display:grid;grid-template-columns:minmax(3.5rem,max-content) 1fr;column-gap:.6rem;font-size:12px}
.strip ol{list-style:none;margin:20px 0 0;padding:0;max-width:9rem}
.strip li{height:18px;line-height:18px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.strip li.none{color:var(--bad)}
@media (max-width:600px){.strip ol{max-width:6rem}}
.strip svg{display:block;overflow:visible}
.strip .grid{stroke:var(--line)}.strip .zero{stroke:var(--soft)}.strip text{fill:var(--soft);font-size:11px}
.strip .bound{stroke:var(--mark);stroke-width:3;opacity:.45}.strip .dot{fill:var(--mark)}
.strip .late .bound{stroke:var(--poor)}.strip .late .dot{fill:var(--poor)}.strip .none text{fill:var(--bad)}
.sheet{display:grid;gap:.7rem;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr))}
figure{margin:0}figure a{display:block;border:1px solid var(--line);border-radius:.4rem;overflow:hidden;background:var(--card)}
figure img{display:block;width:100%;aspect-ratio:4/3;object-fit:cover}
.file{display:grid;place-items:center;aspect-ratio:4/3;font-size:1.4rem;text-transform:uppercase}
figcaption{font-size:.8rem}figcaption b{color:var(--ink)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:normal}
th{color:var(--soft);font-weight:600;white-space:nowrap}
`.trim();
