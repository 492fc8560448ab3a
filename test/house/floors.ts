// Who may import whom.
//
//   6  cli  library                           doors
//   5  io  sim  http  guirpc  monitor  web    the real world, a simulated one, faces
//   4  runtime                                the loop
//   3  master  node                           the cores, strangers to each other
//   2  core      1  wire      0  base
//
// A file imports its own floor or a lower one. The rooms of floor 5 do not import each other: each says
// in types of its own what it needs, and cli/ puts them together. So io/ can be changed without http/,
// and the simulator stays free of timers, sockets and disks. cli stands on library, never the other way round.
// The one exception is below.

import {at, type Finding, type Import, importsOf, type Source} from './source.ts';

const FLOORS: ReadonlyMap<string, number> = new Map([
  ['base', 0],
  ['wire', 1],
  ['core', 2],
  ['master', 3],
  ['node', 3],
  ['runtime', 4],
  ['io', 5],
  ['sim', 5],
  ['http', 5],
  ['guirpc', 5],
  ['monitor', 5],
  ['web', 5],
  ['library', 6],
  ['cli', 6],
]);

/** A room of the same floor that another one stands on. */
const STANDS_ON: ReadonlyMap<string, string> = new Map([['cli', 'library']]);

/** Floors up to this one are the core: no clock, no dice, no waiting, no outside. */
export const CORE_FLOOR_MAX = 4;

/** file → room of the same floor that it may import, with the reason. */
const SAME_FLOOR_ALLOWED: ReadonlyMap<string, {readonly room: string; readonly why: string}> =
  new Map([
    ['src/sim/main.ts', {room: 'io', why: 'the program offers runs with the real cryptography'}],
  ]);

/** Work that nodes run: compiled by another compiler, it knows nothing of the house and is not known. */
const FOREIGN: readonly (string | undefined)[] = ['apps', 'templates'];

export const roomOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1];
export const floorOf = (path: string): number | undefined => FLOORS.get(roomOf(path) ?? '');
export const isCore = (path: string): boolean => (floorOf(path) ?? Infinity) <= CORE_FLOOR_MAX;

export function breachesOfFloors(sources: readonly Source[]): Finding[] {
  const findings: Finding[] = [];
  for (const source of sources) {
    if (!FOREIGN.includes(roomOf(source.path)) && floorOf(source.path) === undefined)
      findings.push(`${source.path}:1: this room is on no floor`);
    for (const imported of importsOf(source)) {
      const what = refusalOf(source.path, imported);
      if (what !== undefined) findings.push(at(source, imported.node, what));
    }
  }
  return findings;
}

function refusalOf(from: string, {target}: Import): string | undefined {
  const [fromRoom, toRoom] = [roomOf(from), roomOf(target)];
  if (FOREIGN.includes(fromRoom))
    return toRoom === fromRoom ? undefined : `an app imports ${target}`;
  const [own, other] = [floorOf(from), floorOf(target)];
  if (own === undefined) return undefined; // said once for the file
  if (!target.startsWith('src/')) return refusalOfPackage(from, target);
  if (other === undefined) return `${target} is on no floor`;
  if (other > own) return `imports the higher floor ${toRoom}`;
  if (other < own || fromRoom === toRoom || STANDS_ON.get(fromRoom ?? '') === toRoom)
    return undefined;
  if (SAME_FLOOR_ALLOWED.get(from)?.room === toRoom) return undefined;
  return `${fromRoom} imports ${toRoom}, its neighbour`;
}

const refusalOfPackage = (from: string, target: string): string | undefined =>
  isCore(from) ? `the core imports ${target} from outside` : undefined;

/** Loops of imports that exist when the program runs; each is named once, by its first file. */
export function importCycles(sources: readonly Source[]): Finding[] {
  const graph = new Map(
    sources.map(source => [source.path, importsOf(source).filter(({typeOnly}) => !typeOnly)]),
  );
  const findings: Finding[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const from = trail.indexOf(path);
    if (from >= 0) findings.push(`${path}:1: cycle ${[...trail.slice(from), path].join(' > ')}`);
    if (from >= 0 || done.has(path)) return;
    for (const {target} of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return findings;
}

/** protobufjs knows classes, Long and Buffer: only the codec sees what it generates. */
export const leaksOfGenerated = (sources: readonly Source[]): Finding[] =>
  sources
    .filter(({path}) => !/^src\/wire\/codec[^/]*\.ts$/.test(path))
    .flatMap(source =>
      importsOf(source)
        .filter(({target}) => target.includes('/generated/'))
        .map(({node}) => at(source, node, 'only wire/codec*.ts imports generated code')),
    );
