// Nodes with shutters, for captures whose truth is known: an action that writes down, with the time, each shot that it
// really fired, into a file that nobody else writes. It is a few lines of Perl, which is on every
// Debian, so that 128 of them fit into memory.
// All hosts of a rig share one clock, so that these times can be compared.

import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {CaptureView, ShotRow} from '../../src/core/views.ts';
import type {Cluster} from './cluster.ts';

export const SHUTTER = 'shutter';

/** `size=BYTES` as the argument of a capture makes files of that size, which are different from one another. */
const SCRIPT = String.raw`
use strict;
use Time::HiRes qw(time sleep clock_gettime CLOCK_MONOTONIC);
$| = 1;
my ($truth) = @ARGV;
open my $log, '>>', $truth or die;
$log->autoflush(1);
print qq(info {"model":"shutter","timed":true}\n);
while (my $line = <STDIN>) {
  chomp $line;
  my ($word, $shot, $file, $asked, @more) = split / /, $line;
  if ($word eq 'arm') { print "ready\n"; }
  elsif ($word eq 'fire' or $word eq 'fireat') {
    my ($wall, $instant) = $word eq 'fire' ? () : splice @more, 0, 2;
    my $left;
    sleep $left while $instant and ($left = $instant / 1000 - clock_gettime(CLOCK_MONOTONIC)) > 0;
    my $at = sprintf '%.3f', 1000 * time;
    sleep 0.02; # exposes
    print $log "$shot $at\n";
    print "fired $shot $at\n";
    open my $out, '>', $file or die;
    print $out "$truth $shot\n";
    truncate $out, $1 if "@more" =~ /size=(\d+)/;
    close $out;
    print "done $shot $file\n";
  }
}
`;

/** Writes the settings of a node that is to be started with this number. */
export function giveShutter(cluster: Cluster, no: number): void {
  const data = join(cluster.dir, `node${no}`);
  const program = join(cluster.dir, 'shutter.pl');
  writeFileSync(program, SCRIPT);
  mkdirSync(data, {mode: 0o700});
  const command = ['perl', program, truthFile(cluster, no)];
  const action = {command, persistent: true, armed: true, extension: 'txt'};
  const settings = {actions: {[SHUTTER]: action}};
  writeFileSync(join(data, 'node.json'), JSON.stringify(settings), {mode: 0o600});
}

const truthFile = ({dir}: Cluster, no: number): string => join(dir, `truth${no}`);

/** When a node really fired each shot (`capture-shot`), wall clock in ms; a list with two was fired twice. */
export function truthOf(cluster: Cluster, no: number): ReadonlyMap<string, readonly number[]> {
  const truth = new Map<string, number[]>();
  for (const line of readFileSync(truthFile(cluster, no), 'utf8').split('\n')) {
    const [shot = '', at = ''] = line.split(' ');
    if (shot !== '') truth.set(shot, [...(truth.get(shot) ?? []), Number(at)]);
  }
  return truth;
}

/** One capture held against what really happened; counts of shots of nodes. */
export type Judged = {
  readonly fired: number;
  /** More than once. */
  readonly doubled: number;
  readonly missed: number;
  /** Reported as fired and did not, or the other way round. */
  readonly falsely: number;
  /** Fired, and nothing was said of it. */
  readonly untold: number;
  /** For each shot that two fired: the latest less the earliest, ms. */
  readonly spreadsMs: readonly number[];
};

/** @param nodes their numbers; they are called node0, node1 … */
export function judge(cluster: Cluster, view: CaptureView, nodes: readonly number[]): Judged {
  const counts = {fired: 0, doubled: 0, missed: 0, falsely: 0, untold: 0};
  const times = new Map<number, number[]>();
  for (const no of nodes) {
    const truth = truthOf(cluster, no);
    const rows = view.rows.filter(row => row.name === `node${no}`);
    for (let shot = 1; shot <= view.shots; shot++) {
      const really = truth.get(`${view.id}-${shot}`) ?? [];
      const verdict = rows.find(row => row.shot === shot)?.verdict;
      for (const what of whatIs(really.length, verdict)) counts[what] += 1;
      times.set(shot, [...(times.get(shot) ?? []), ...really.slice(0, 1)]);
    }
  }
  const both = [...times.values()].filter(list => list.length > 1);
  return {...counts, spreadsMs: both.map(list => Math.max(...list) - Math.min(...list))};
}

type Count = Exclude<keyof Judged, 'spreadsMs'>;

/** One shot of one node: how often it really fired, and what is said of it. */
function whatIs(times: number, verdict: ShotRow['verdict'] | undefined): readonly Count[] {
  const isFired = times > 0;
  const isUntold = verdict === undefined || verdict === 'silent' || verdict === 'waiting';
  const counts: Count[] = [isFired ? 'fired' : 'missed'];
  if (times > 1) counts.push('doubled');
  if (isUntold && isFired) counts.push('untold');
  if (!isUntold && (verdict === 'fired') !== isFired) counts.push('falsely');
  return counts;
}
