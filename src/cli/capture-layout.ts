// Where each file of a capture goes, inside of the folder: by a template such as {shot}/{label}-{node}.{ext},
// or as ever `<shot>/<label or name>.<ext>`. The template is looked at before anything is fired; what nodes
// call themselves and their files never leads out of the folder, hides a file or takes the place of another.

import {extname} from 'node:path';
import type {CaptureView, ShotRow} from '../core/views.ts';
import {usage} from './command.ts';
import {shortId} from './output.ts';

export type PlannedFile = {
  readonly row: ShotRow;
  /** Inside the folder, with /. */
  readonly path: string;
  readonly blobId: ShotRow['files'][number]['blobId'];
  readonly size: number;
};

/** Words of a template, and what they stand for. */
export const LAYOUT_WORDS = ['capture', 'shot', 'label', 'node', 'id', 'n', 'ext'] as const;
type Word = (typeof LAYOUT_WORDS)[number];

/** A template that was checked. */
export type Layout = {readonly template: string};

/** What we write into the folder ourselves. */
export const MANIFEST = 'manifest.json';
export const REPORT = 'report.html';
const OURS: ReadonlySet<string> = new Set([MANIFEST, REPORT]);
/** File systems take 255; the rest is for what makes a name unique, and for `.json` and `.part`. */
const SEGMENT_BYTES_MAX = 200;
const SEGMENTS_MAX = 8;
/** Beside letters and digits of all scripts. */
const LITERAL = /^[\p{L}\p{N} ._+=@#,()-]*$/u;

/** Throws VOLLEY_USAGE for a template that could lead out of the folder, or has words that are none. */
export function parseLayout(template: string): Layout {
  const refuse = (reason: string) => usage(`--layout ${template}: ${reason}`);
  const words = template.match(/\{[^}]*\}/g) ?? [];
  const unknown = words.find(word => !isWord(word.slice(1, -1)));
  if (unknown !== undefined) throw refuse(`there is no ${unknown}; ${wordsText()}`);
  if (template.startsWith('/')) throw refuse('it must lead into the folder of --out, not from /');
  const segments = template.split('/');
  if (segments.length > SEGMENTS_MAX) throw refuse(`at most ${SEGMENTS_MAX} levels are made`);
  for (const segment of segments) {
    const literal = segment.replace(/\{[a-z]+\}/g, '');
    if (segment === '') throw refuse('a folder or file has no name');
    if (segment.startsWith('.')) throw refuse(`"${segment}" begins with a dot`);
    if (!LITERAL.test(literal)) throw refuse(`"${segment}" has a character that is not for names`);
    if (Buffer.byteLength(literal) > SEGMENT_BYTES_MAX / 2)
      throw refuse(`"${segment}" is too long`);
  }
  if (words.length === 0) throw refuse(`all files would have one name; ${wordsText()}`);
  return {template};
}

const isWord = (text: string): text is Word => LAYOUT_WORDS.some(word => word === text);
const wordsText = (): string => `there are ${LAYOUT_WORDS.map(word => `{${word}}`).join(' ')}`;

/** Which file of the view goes where; only those that the master has. */
export function plan(view: CaptureView, layout?: Layout): PlannedFile[] {
  const planned: PlannedFile[] = [];
  const taken = new Set<string>(OURS);
  for (const row of view.rows) {
    const base = baseOf(row, view.rows);
    row.files.forEach((file, i) => {
      if (!file.collected) return;
      const extension = extensionOf(file.name);
      const [stem, end] = layout
        ? splitName(renderedOf(layout, view, row, i + 1, extension))
        : [`${row.shot}/${i === 0 ? base : `${base}-${i + 1}`}`, extension];
      const path = unique(stem, end, row, taken);
      planned.push({row, path, blobId: file.blobId, size: file.size});
    });
  }
  return planned;
}

function renderedOf(
  {template}: Layout,
  view: CaptureView,
  row: ShotRow,
  n: number,
  extension: string,
): string {
  const values: Readonly<Record<Word, string>> = {
    capture: String(view.id),
    shot: String(row.shot),
    label: fileName(row.label) || fileName(row.name) || row.nodeId,
    node: fileName(row.name) || row.nodeId,
    id: shortId(row.nodeId),
    n: String(n),
    ext: extension.slice(1),
  };
  const segments = template
    .split('/')
    .map(segment => segment.replace(/\{([a-z]+)\}/g, (_, word: Word) => values[word]));
  const last = segments.length - 1;
  return segments
    .map((segment, i) => {
      const [stem, end] = i === last ? splitName(segment) : [segment, ''];
      return clipped(stem, SEGMENT_BYTES_MAX - Buffer.byteLength(end)) + end;
    })
    .map((segment, i) =>
      i === 0 && i < last && OURS.has(segment.toLowerCase()) ? `${segment}-` : segment,
    )
    .join('/');
}

function splitName(path: string): [stem: string, extension: string] {
  const extension = extname(path);
  return [path.slice(0, path.length - extension.length), extension];
}

/** Without half a character at the end. */
function clipped(text: string, bytesMax: number): string {
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > bytesMax) break;
    kept += character;
  }
  return kept;
}

/** The label when it is this node's alone, else its name. */
function baseOf(row: ShotRow, rows: readonly ShotRow[]): string {
  const sharing = rows.filter(other => other.shot === row.shot && other.label === row.label);
  return fileName(row.label !== '' && sharing.length === 1 ? row.label : row.name) || row.nodeId;
}

/** Nodes choose their names: nothing of them may lead out of the folder or hide a file. */
const fileName = (text: string): string =>
  text
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 64);

const extensionOf = (name: string): string => {
  const extension = extname(name).toLowerCase();
  return /^\.[a-z0-9]{1,8}$/.test(extension) ? extension : '.bin';
};

/** What goes beside a file, and what it is called while it comes. */
export const sidecarOf = (path: string): string => `${path}.json`;
const namesOf = (path: string): string[] =>
  [path, sidecarOf(path), `${path}.part`].map(name => name.toLowerCase());

function unique(stem: string, extension: string, row: ShotRow, taken: Set<string>): string {
  let free = `${stem}${extension}`;
  // Two names that differ in case only are one file on some disks. What a name is made to may be another's name.
  for (let n = 0; namesOf(free).some(name => taken.has(name)); n++)
    free = `${stem}-${shortId(row.nodeId)}${n === 0 ? '' : `-${n}`}${extension}`;
  for (const name of namesOf(free)) taken.add(name);
  return free;
}
